"""Servers for the SDK's tests: a real delivery plane, and one that misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.usage import UsageBatch
from ensign_sdk import Client
from ensign_sdk._internal import backoff
from ensign_testkit import waiting
from ensign_testkit.adversary import Adversary, adversary
from ensign_testkit.delivery import MemorySource, RunningServer, flag, serving

TOKEN = "shop:production.sdk-secret"


class Plane:
    """A running delivery plane with project `shop`, its source, and the batches that its sink got."""

    def __init__(self) -> None:
        self.source = MemorySource()
        self.source.token(TOKEN)
        self.source.publish([flag("menu"), flag("old", enabled=False)])
        self.batches: list[UsageBatch] = []
        self.server: RunningServer | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        assert self.server is not None
        return self.server.url

    def app(self) -> DeliveryApp:
        """A fresh application on the same source."""
        return DeliveryApp(self.source, self.batches.append, flush_interval=0.05)

    def counted(self, name: str) -> tuple[int, int]:
        """(yes, no) over all batches for a flag."""
        rows = [row for batch in list(self.batches) for row in batch.counts if row.key.flag == name]
        rows = [row for row in rows if not row.key.variant]
        return sum(row.yes for row in rows), sum(row.no for row in rows)


@pytest.fixture
def plane() -> Iterator[Plane]:
    """A delivery plane behind a real server."""
    made = Plane()
    app = made.app()
    with serving(app) as made.server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        yield made


@pytest.fixture
def hostile() -> Iterator[Adversary]:
    """A server that misbehaves when told to."""
    with adversary() as made:
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-offs of hundredths of a second, so that tests see several of them."""
    monkeypatch.setattr(backoff, "CEILING", 0.05)


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Makes clients that are closed afterwards; their cache is `tmp_path/cache` and their intervals are short.

    They poll, unless told to stream.
    """
    made: list[Client] = []

    def make(url: str, **options: Any) -> Client:
        chosen = {
            "token": TOKEN, "app_name": "tested", "cache_dir": tmp_path / "cache", "refresh_interval": 0.05,
            "metrics_interval": 0.05, "timeout": 5.0, "streaming": False, **options,
        }  # fmt: skip
        client = Client(url=url, **chosen)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(timeout=1)


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition, and fails when it does not come about in time."""
    return waiting.until
