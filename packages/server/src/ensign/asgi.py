"""One process for both planes: delivery answers from memory on the event loop, Django in a fixed pool of threads.

The pool is fixed so that every thread keeps its database connection. Request bodies are read on the loop before a
thread is taken, so that slow senders occupy no thread.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, connection

from ensign import metrics
from ensign.control.kernel import clock
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import impact
from ensign.control.projects import token_uses
from ensign.control.projects.hints import TOKENS
from ensign.control.publishing import hints as revisions
from ensign.control.publishing import reach_rows, refusals, usage
from ensign.delivery.app import DeliveryApp
from ensign.delivery.source import Source, SqliteSource
from ensign.delivery.usage import UsageBatch
from ensign.operators import answer, answer_metrics
from ensign.worker import Crew

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a request to the control plane; the API's own limit is lower."""
BODY_SECONDS = 30.0


class ControlPlane:
    """Django behind WSGI in threads."""

    def __init__(self, *, threads: int) -> None:
        # Both sides are WSGI (PEP 3333); only their type annotations name its parts differently.
        self._wsgi = WSGIMiddleware(get_wsgi_application(), workers=threads)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = await _read(receive)
        if body is None:
            await answer(send, 413, b"The request is too large, or took too long to arrive.\n")
            return
        started = time.perf_counter()
        status = "none"

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        metrics.WAITING.inc()
        try:
            await self._wsgi(scope, _replay(body, receive), counted)  # type: ignore[arg-type]  # a2wsgi's TypedDicts
        finally:
            metrics.WAITING.dec()
            metrics.SECONDS.observe(time.perf_counter() - started)
            metrics.REQUESTS.labels("control", _method(scope), status).inc()

    async def run(self, function: Callable[[], bool]) -> bool:
        """Run ``function`` in one of the threads, on its database connection."""
        return await asyncio.get_running_loop().run_in_executor(self._wsgi.executor, function)

    def close(self) -> None:
        """End the threads."""
        self._wsgi.executor.shutdown(wait=True, cancel_futures=True)


class Publisher(Protocol):
    """Takes what delivery holds elsewhere, too."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Ensign:
    """The ASGI application: delivery's paths, three for operators, the rest for the control plane."""

    def __init__(
        self, *, control: ControlPlane, delivery: DeliveryApp, worker: Crew | None, publisher: Publisher | None = None
    ) -> None:
        self._control = control
        self._delivery = delivery
        self._worker = worker
        self._publisher = publisher
        self._unsubscribe: list[Callable[[], None]] = []
        self._own = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        self._own["/metrics/impact"] = self._impact

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] == "http":
            path = scope["path"]
            if path in self._own:
                await self._own[path](scope, send)
            elif self._delivery.handles(path):
                await self._delivery(scope, receive, send)
            else:
                await self._control(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def startup(self) -> None:
        """Start following publications, and the worker."""
        await self._delivery.startup()
        self._unsubscribe.append(revisions.subscribe(lambda _number: self._delivery.hint()))
        self._unsubscribe.append(TOKENS.subscribe(lambda _id: self._delivery.hint()))
        if self._publisher is not None:
            self._publisher.start()
        if self._worker is not None:
            self._worker.start()

    def end_streams(self) -> None:
        """End the SDKs' streams, which would last as long as their clients please: the server is about to stop."""
        self._delivery.end_streams()

    async def shutdown(self) -> None:
        """End in order: no more work of our own, the last counts, the threads."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        if self._worker is not None:
            await asyncio.to_thread(self._worker.stop)
        if self._publisher is not None:
            await asyncio.to_thread(self._publisher.stop)
        await self._delivery.shutdown()
        await asyncio.to_thread(self._control.close)

    async def _healthz(self, _scope: Scope, send: Send) -> None:
        """The process answers: for whoever restarts it."""
        await answer(send, 200, b"ok\n")

    async def _readyz(self, _scope: Scope, send: Send) -> None:
        """The database answers and rulesets are loaded: for whoever sends it traffic."""
        checks = {"database": await self._control.run(_database_answers), "rulesets": self._delivery.feed.warm}
        body = json.dumps(checks).encode() + b"\n"
        await answer(send, 200 if all(checks.values()) else 503, body, b"application/json")

    async def _metrics(self, scope: Scope, send: Send) -> None:
        await answer_metrics(scope, send, token=settings.METRICS_TOKEN)

    async def _impact(self, scope: Scope, send: Send) -> None:
        """What applications measured, apart from our own numbers: names and labels are theirs."""
        await answer_metrics(scope, send, token=settings.METRICS_TOKEN, text=self._delivery.usage.impact.text)


def build(*, worker: bool = True) -> Ensign:
    """The application for the database of the settings; Django must be set up."""
    delivery = DeliveryApp(
        _source(), _keep, last_good=Path(settings.DATA_DIR) / "last-good.json",
        cors_origins=settings.CORS_ORIGINS, max_streams=settings.MAX_STREAMS, stream_key=_stream_key(),
        ruleset_keys=settings.RULESET_KEYS,
    )  # fmt: skip
    impact.register("delivery", delivery.usage.impact.text)
    metrics.watch(
        streams=lambda: delivery.hub.count,
        edges=lambda: delivery.edges.count,
        current=lambda: delivery.feed.current,
        refused=lambda: delivery.feed.refused,
    )
    control = ControlPlane(threads=settings.THREADS)
    return Ensign(control=control, delivery=delivery, worker=Crew() if worker else None, publisher=_publisher(delivery))


def _publisher(delivery: DeliveryApp) -> Publisher | None:
    if not settings.NATS:
        return None
    from ensign.delivery.nats_publisher import NatsPublisher  # deferred: nats-py is an extra
    from ensign.delivery.nats_records import NatsPlace  # deferred: nats-py is an extra

    return NatsPublisher(delivery.feed, NatsPlace.at(**settings.NATS))


def _stream_key() -> bytes:
    """From the key that server processes share; what it seals are addresses of streams that tell of no content."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"ensign: addresses of OFREP event streams", "sha256")


def _keep(batch: UsageBatch) -> None:
    """All of a batch is stored or nothing: one that failed is handed over once more."""
    with write_door():
        usage.store(batch)
        reach_rows.store(batch.reach, at=clock.now())
        token_uses.store(batch.tokens)
        refusals.keep(batch.refusals, at=clock.now())


def _source() -> Source:
    database = settings.DATABASES["default"]
    if not settings.DATABASE_URL:
        return SqliteSource(str(database["NAME"]))
    from ensign.delivery.source_postgres import PostgresSource  # deferred: psycopg is an extra

    return PostgresSource(settings.DATABASE_URL)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT size FROM ledger_head")
            return cursor.fetchone() is not None
    except DatabaseError:
        connection.close()
        return False


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too large or too slow."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY:
                    return None
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return None


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that hands the body over once and then waits for the client to leave."""
    done = False

    async def replay() -> Message:
        nonlocal done
        if done:
            return await receive()
        done = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"
