"""The delivery plane's ASGI application: routes, errors, start and stop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from ensign.delivery import frontend, views
from ensign.delivery.auth import Gate, Refusals, unavailable
from ensign.delivery.client_api import ClientApi
from ensign.delivery.cors import Cors
from ensign.delivery.feed import Feed
from ensign.delivery.frontend_api import FrontendApi
from ensign.delivery.http import (
    JSON,
    Disconnected,
    Receive,
    Refusal,
    Request,
    Response,
    Scope,
    Send,
    Streaming,
    bad_data,
    clean,
    not_found,
    respond,
)
from ensign.delivery.hub import Hub
from ensign.delivery.published import dumps
from ensign.delivery.source import Source
from ensign.delivery.state import State
from ensign.delivery.trust import Trust
from ensign.delivery.usage import Sink, Usage

log = logging.getLogger("ensign.delivery")

Handler = Callable[[Request], Awaitable[Response | Streaming]]

_PREFIXES = ("/api/client", "/api/frontend", "/api/proxy", "/edge")
_EXACT = frozenset({"/health", "/ready"})
_FEATURE = "/api/client/features/"
_HEALTHY = Response(200, b'{"health":"GOOD"}', (JSON,))
_MAX_TOKENS = 1_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DeliveryApp:
    """Serves what `source` holds, from memory; hands what SDKs report to `sink`.

    * `last_good`: a file that keeps the last state, so that the node starts with the database down;
    * `cors_origins`: who may ask from a browser, `("*",)` for everybody;
    * `flush_interval`: seconds between batches to the sink;
    * `refusal_limit`: refused requests per address and minute before 429 is said;
    * `max_streams`: how many SDKs may be connected at a time; the next ones are told to poll;
    * `ruleset_keys`: public keys; with any, no ruleset is served that none of them has signed.

    Mount it for the paths that `handles` claims, and either pass it the server's lifespan events or call `startup`
    and `shutdown`. Run the server without an access log: a front-end GET carries its context in the address.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink | None = None,
        *,
        last_good: str | os.PathLike[str] | None = None,
        cors_origins: tuple[str, ...] = ("*",),
        flush_interval: float = 10.0,
        refusal_limit: int = 60,
        max_streams: int = 20_000,
        ruleset_keys: Sequence[str] = (),
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        trust = Trust(ruleset_keys) if ruleset_keys else None
        self.feed = Feed(source, last_good=last_good, prepare=_prepare, trust=trust)
        self.hub = Hub(self.feed, clock=clock, limit=max_streams)
        self.feed.follow(self.hub.changed)
        self.usage = Usage(sink, interval=flush_interval)
        self._gate = Gate(self.feed, Refusals(self.usage, limit=refusal_limit), clock=clock)
        self._cors = Cors(cors_origins)
        client = ClientApi(self.feed, self._gate, self.usage, self.hub, clock=clock, version=version("ensign"))
        browser = FrontendApi(self.feed, self._gate, self.usage, clock=clock)
        self._feature = client.feature
        self._routes: dict[str, dict[str, Handler]] = {
            "/api/client/features": {"GET": client.features, "POST": client.features},
            "/api/client/delta": {"GET": client.delta},
            "/api/client/streaming": {"GET": client.streaming},
            "/api/client/proof": {"GET": client.proof},
            "/api/client/register": {"POST": client.register},
            "/api/client/metrics": {"POST": client.metrics},
            "/api/client/metrics/bulk": {"POST": client.bulk},
            "/edge/validate": {"POST": self._validate},
            "/health": {"GET": self._health},
            "/ready": {"GET": self._ready},
        }
        for base in ("/api/frontend", "/api/proxy"):
            self._routes[base] = {"GET": browser.evaluate, "POST": browser.evaluate}
            self._routes[f"{base}/client/register"] = {"POST": browser.register}
            self._routes[f"{base}/client/metrics"] = {"POST": browser.metrics}

    @staticmethod
    def handles(path: str) -> bool:
        """Whether this application answers `path` (also with an error)."""
        path = clean(path)
        return path in _EXACT or any(path == prefix or path.startswith(f"{prefix}/") for prefix in _PREFIXES)

    async def startup(self) -> None:
        """Load the last good state and begin to follow the source. Does not wait for it."""
        self.hub.start()
        await asyncio.to_thread(self.feed.start)
        self.usage.start()

    async def shutdown(self) -> None:
        """End the streams, hand over the last counts and end the threads."""
        await self.hub.stop()
        await asyncio.to_thread(self.usage.stop)
        await asyncio.to_thread(self.feed.stop)

    def hint(self) -> None:
        """Something was published just now: look at once. For the control plane in the same process."""
        self.feed.hint()

    def end_streams(self) -> None:
        """End every stream, on the event loop: for when the server is told to stop, as it would wait for them."""
        self.hub.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface: `http` and `lifespan`."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            try:
                response = await self._answer(request)
            except Disconnected:
                return
            if isinstance(response, Response):
                await respond(send, response, head=request.method == "HEAD")
                return
            await send({"type": "http.response.start", "status": 200, "headers": response.headers})
            # A stream lasts for days, and there are thousands: what was asked and answered at its start may go.
            running = response.run(receive, send)
            del request, response
            await running

    async def _answer(self, request: Request) -> Response | Streaming:
        browser = request.path.startswith(("/api/frontend", "/api/proxy"))
        if browser and request.method == "OPTIONS":
            return self._cors.preflight(request)
        try:
            response = await self._dispatch(request)
        except Refusal as refusal:
            response = refusal.response()
        except Disconnected:
            raise
        except Exception:  # the last resort: one request's defect must not become another's
            log.exception("%s failed", request.path if not browser else "/api/frontend")
            response = Refusal(500, "InternalError", "Something went wrong here; it was logged.").response()
        if browser and isinstance(response, Response):
            return Response(response.status, response.body, (*response.headers, *self._cors.headers(request)))
        return response

    async def _dispatch(self, request: Request) -> Response | Streaming:
        path = request.path
        methods = self._routes.get(path)
        method = "GET" if request.method == "HEAD" else request.method
        if methods is None:
            if path.startswith(_FEATURE) and method == "GET":
                return await self._feature(request, path[len(_FEATURE) :])
            raise not_found("There is no such address.")
        handler = methods.get(method)
        if handler is None:
            allow = ", ".join(methods).encode()
            message = "This method is not allowed here."
            raise Refusal(405, "MethodNotAllowedError", message, headers=((b"allow", allow),))
        return await handler(request)

    async def _health(self, _request: Request) -> Response:
        return _HEALTHY

    async def _ready(self, _request: Request) -> Response:
        if not self.feed.warm:
            raise unavailable()
        return _HEALTHY

    async def _validate(self, request: Request) -> Response:
        """Wire contracts, 1.5: which of these tokens are valid. Whoever asks holds the tokens already."""
        if not self.feed.warm or not self.feed.current:
            raise unavailable()
        body = await request.json(256 * 1024)
        texts = body.get("tokens") if isinstance(body, dict) else None
        if not isinstance(texts, list) or len(texts) > _MAX_TOKENS:
            raise bad_data(f"`tokens` must be a list of at most {_MAX_TOKENS}.", path="tokens")
        known = [(text, self._gate.valid(text)) for text in texts if isinstance(text, str)]
        return Response(200, dumps({"tokens": [
            {"token": text, "type": token.type, "projects": list(token.projects), "environment": token.environment}
            for text, token in known if token is not None
        ]}), (JSON,))  # fmt: skip

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.startup()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _prepare(old: State, new: State) -> None:
    views.carry_over(old, new)
    frontend.carry_over(old, new)
    frontend.warm(new)
