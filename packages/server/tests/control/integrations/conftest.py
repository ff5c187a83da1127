"""What tests of integrations share. Their modules need the settings, which are read later than this file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ensign_testkit.changing import Story
    from ensign_testkit.posting import Post


@pytest.fixture
def cast(db: str) -> Story:
    """The story, with everything that made it told."""
    from ensign_testkit.telling import told_story  # needs Django's settings

    return told_story()


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Outgoing calls may reach this machine."""
    from ensign.control.integrations import ticket_status  # needs Django's settings

    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    ticket_status.forget()
    yield
    ticket_status.forget()


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server that Ensign is set to use."""
    from ensign_testkit.posting import posting
    from ensign_testkit.telling import smtp  # needs Django's settings

    with posting() as server, smtp(server):
        yield server
