"""A PostgreSQL that keeps what it has acknowledged, for tests that crash it or its clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ensign_testkit.postgres import Cluster


@pytest.fixture(scope="session")
def durable() -> Iterator[Cluster]:
    """A cluster with fsync on."""
    running = Cluster(durable=True)
    try:
        yield running
    finally:
        running.close()
