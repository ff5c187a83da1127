"""What the tests of sign-in through providers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ensign.control.identity.sso.oidc import metadata
from ensign_testkit.hostile_openid import HostileProvider, hostile_provider


@pytest.fixture(autouse=True)
def own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers of the tests are on this machine, and nothing is remembered of those before."""
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    metadata.forget()


@pytest.fixture
def liar() -> Iterator[HostileProvider]:
    """A provider that says what the test wants."""
    with hostile_provider() as provider:
        yield provider
