"""A delivery plane with two projects, in memory, behind a real server."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.usage import UsageBatch
from ensign_testkit.delivery import MemorySource, RunningServer, constraint, flag, serving, strategy

BACKEND = "shop:production.backend-secret"
FRONTEND = "shop:production.frontend-secret"
EVERYTHING = "*:production.all-secret"
SEGMENT = {"id": 7, "name": "testers", "constraints": [constraint("email", "STR_ENDS_WITH", "@example.com")]}


@dataclass(slots=True)
class Answer:
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON, unpacked if need be."""
        packed = self.headers.get("content-encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if packed else self.body)


class Plane:
    """The application, its source and sink, and requests to it."""

    def __init__(self, source: MemorySource, app: DeliveryApp, batches: list[UsageBatch]) -> None:
        self.source, self.app, self.batches = source, app, batches
        self.server: RunningServer | None = None

    def ask(
        self, method: str, path: str, *, token: str | None = BACKEND, body: object = None, **headers: str
    ) -> Answer:
        """One request on a connection of its own; `body` is bytes or becomes JSON; `_` in header names is `-`."""
        assert self.server is not None
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = token
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Answer:
        """A GET."""
        return self.ask("GET", path, **more)

    def post(self, path: str, body: object, **more: Any) -> Answer:
        """A POST."""
        return self.ask("POST", path, body=body, **more)

    def settled(self, revision: int, *, project: str = "shop") -> None:
        """Wait until the revision with this number is served."""
        feed = self.app.feed
        place = (project, "production")
        assert feed.wait_until(
            lambda: place in feed.state.rulesets and feed.state.rulesets[place].revision[1] >= revision, 60
        )


def filled() -> MemorySource:
    """Projects `shop` and `bank`, and a token of each kind."""
    source = MemorySource()
    source.token(BACKEND)
    source.token(FRONTEND, "frontend")
    source.token(EVERYTHING, "client", projects=("*",))
    source.token("*:production.all-frontend", "frontend", projects=("*",))
    source.publish(
        [
            flag("menu", strategies=[strategy(segments=[7])]),
            flag("basket"),
            flag("old", enabled=False),
            flag("colour", variants=[variant("blue"), variant("red", payload={"type": "string", "value": "x"})]),
        ],
        segments=[SEGMENT, {"id": 8, "name": "unused", "constraints": []}],
        tags={"menu": ["team:web", "tier:gold:plated"]},
    )
    source.publish([flag("loan", project="bank")], project="bank")
    source.publish([flag("basket", enabled=False)], environment="development")
    return source


def variant(name: str, **more: Any) -> dict[str, Any]:
    """A variant of weight 500."""
    return {"name": name, "weight": 500, "weightType": "variable", "stickiness": "default", "overrides": [], **more}


@pytest.fixture
def plane(tmp_path: Any) -> Iterator[Plane]:
    """A plane that has read its source; its last-good file is `tmp_path/last-good`."""
    source, batches = filled(), []  # type: ignore[var-annotated]
    app = DeliveryApp(source, batches.append, last_good=tmp_path / "last-good", flush_interval=0.05)
    made = Plane(source, app, batches)
    with serving(app) as server:
        made.server = server
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        yield made


@pytest.fixture(scope="session")
def planes() -> type[Plane]:
    """For planes of a test's own making."""
    return Plane
