"""The pytest plugin: the fixture `ensign_flags`, the marker `ensign_flags` and the ini option `ensign_strict`.

pytest finds it by itself where ensign-sdk is installed; it loads nothing more until a test asks for the fixture.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ensign_sdk.testing.fake import FakeClient


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the ini option known."""
    parser.addini(
        "ensign_strict", "ensign_flags fails a test that asks for a flag it did not set", type="bool", default=True
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "ensign_flags(flags, **more): flags that the fixture ensign_flags begins with; the nearest wins"
    )


@pytest.fixture
def ensign_flags(request: pytest.FixtureRequest) -> "FakeClient":
    """A fake client, strict unless `ensign_strict` says otherwise, with the flags of the test's markers."""
    from ensign_sdk.testing.fake import FakeClient  # deferred: tests that use no flags need no client

    flags = {}
    for marker in reversed(list(request.node.iter_markers("ensign_flags"))):
        for given in marker.args:
            flags.update(given)
        flags.update(marker.kwargs)
    return FakeClient(flags, strict=bool(request.config.getini("ensign_strict")))
