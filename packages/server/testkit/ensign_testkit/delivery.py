"""A delivery plane for tests: a source in memory, and a real server on a port of its own."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from ensign.delivery.history import MAX_CHANGES, RevisionRow
from ensign.delivery.http import Receive, Scope, Send
from ensign.delivery.source import Reading, SourceError, Version
from ensign.delivery.tokens import TokenRow, digest
from ensign_ledger.sign import Signer

from ensign_testkit.signing import signed


def flag(name: str, *, project: str = "shop", enabled: bool = True, **more: Any) -> dict[str, Any]:
    """A flag in the wire's shape, on for everybody unless told otherwise."""
    shape: dict[str, Any] = {
        "name": name, "type": "release", "description": None, "enabled": enabled, "stale": False,
        "impressionData": False, "project": project, "strategies": [], "variants": [],
    }  # fmt: skip
    return {**shape, **more}


def strategy(name: str = "default", **more: Any) -> dict[str, Any]:
    """A strategy in the wire's shape."""
    return {"name": name, "constraints": [], "parameters": {}, "variants": [], **more}


def constraint(name: str, operator: str, *values: str, **more: Any) -> dict[str, Any]:
    """A constraint in the wire's shape."""
    return {
        "contextName": name, "operator": operator, "values": list(values), "inverted": False,
        "caseInsensitive": False, **more,
    }  # fmt: skip


class MemorySource:
    """A source whose tables are in this object; `down = True` makes it fail as a dead database does.

    With a `signer` rulesets are signed; `forge(content)` may alter what is then stored; `proofs` are documents by id.
    """

    name = "memory"
    doubt = ""

    def __init__(self, signer: Signer | None = None) -> None:
        self.down = False
        self.signer = signer
        self.forge: Callable[[dict[str, Any]], dict[str, Any]] = lambda content: content
        self.proofs: dict[str, str] = {}
        self.number = 0
        self.epoch = 1
        self._sequence = 0
        self._token_version = 0
        self._rows: dict[str, tuple[int, str]] = {}
        self._revisions: list[RevisionRow] = []
        self._tokens: dict[str, TokenRow] = {}
        self._changed = threading.Condition()
        self._lock = threading.Lock()

    def publish(
        self,
        features: list[dict[str, Any]],
        *,
        project: str = "shop",
        environment: str = "production",
        segments: list[dict[str, Any]] | None = None,
        tags: Mapping[str, list[str]] | None = None,
        number: int | None = None,
        epoch: int | None = None,
    ) -> int:
        """Publish a ruleset; returns its number."""
        with self._lock:
            self.number = self.number + 1 if number is None else number
            revision = (self.epoch if epoch is None else epoch, self.number)
            content = {
                "project": project, "environment": environment, "number": self.number, "nonce": "n",
                "epoch": revision[0], "features": features,
                "segments": segments or [], "tags": tags or {},
            }  # fmt: skip
            if self.signer is not None:
                content = self.forge(signed(content, self.signer))
            place = f"rul_{project}_{environment}"
            before = json.loads(self._rows[place][1]) if place in self._rows else {"features": [], "segments": []}
            delta = json.dumps(_events(before, content))
            self._revisions.append(RevisionRow(revision[1], revision[0], project, environment, delta))
            self._sequence += 1
            self._rows[place] = (self._sequence, json.dumps(content))
        self.hint()
        return self.number

    def token(
        self,
        text: str,
        kind: str = "backend",
        *,
        environment: str = "production",
        projects: tuple[str, ...] = ("shop",),
        expires_at: str | None = None,
        status: str = "active",
    ) -> str:
        """Add or replace a token; returns its text."""
        with self._lock:
            self._sequence += 1
            self._token_version = self._sequence
            self._tokens[text] = TokenRow(digest(text), kind, environment, status, expires_at, projects)
        self.hint()
        return text

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """See `Source`."""
        if self.down:
            raise SourceError("the database is down")
        with self._lock:
            # Several applications may read one source: what each has seen stands in `known` alone.
            versions = {id: version for id, (version, _) in self._rows.items()} | {"tokens": self._token_version}
            versions["proofs"] = len(self.proofs)
            if known == versions:
                return None
            contents = {id: text for id, (version, text) in self._rows.items() if known.get(id) != version}
            rows = sorted((row for row in self._revisions if row.number > since), key=lambda row: -row.number)
            tokens = tuple(self._tokens.values())
            return Reading.of(versions, contents, tokens, since=since, rows=rows[:MAX_CHANGES], proofs=self.proofs)

    def wait(self, seconds: float) -> None:
        """See `Source`."""
        if self.down:
            raise SourceError("the database is down")
        with self._changed:
            self._changed.wait(min(seconds, 0.05))

    def hint(self) -> None:
        """See `Source`."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """See `Source`."""


def _events(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """What takes one ruleset to the next, as `publishing_revision.delta` has it."""
    events: list[dict[str, Any]] = []
    for things, one, identity in (("segments", "segment", "id"), ("features", "feature", "name")):
        old = {item[identity]: item for item in before[things]}
        new = {item[identity]: item for item in after[things]}
        events += [{"type": f"{one}-updated", one: item} for key, item in new.items() if old.get(key) != item]
        for key in old.keys() - new.keys():
            gone = {"featureName": key, "project": after["project"]} if one == "feature" else {"segmentId": key}
            events.append({"type": f"{one}-removed", **gone})
    return events


Application = Callable[[Scope, Receive, Send], Any]


class _Server(uvicorn.Server):
    """Ends streams before it waits for connections to close, as `ensign serve` does."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        end_streams = getattr(self.config.app, "end_streams", None)
        if end_streams is not None:
            end_streams()
        await super().shutdown(sockets=sockets)


class RunningServer:
    """A server in a thread; `stop` may be called before the block ends, to play an outage."""

    def __init__(self, app: Application, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.port}"
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=1, log_config=None
        )
        config.load()
        config.ssl = tls
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        ready = threading.Event()
        for _ in range(1_000):
            if self._server.started or not self._thread.is_alive():
                break
            ready.wait(0.01)
        if not self._server.started:
            raise RuntimeError("the server did not start")

    def stop(self) -> None:
        """Stop serving and wait until the port is free."""
        self._server.should_exit = True
        self._thread.join(15)
        self._socket.close()


@contextmanager
def serving(app: Application, *, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[RunningServer]:
    """Serve `app` on loopback for the block, by default on a free port."""
    server = RunningServer(app, port, tls)
    try:
        yield server
    finally:
        server.stop()
