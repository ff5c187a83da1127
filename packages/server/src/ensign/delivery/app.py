"""The delivery plane's ASGI application: routes, errors, start and stop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

from ensign.delivery import frontend, ofrep, ofrep_api, ofrep_stream, views
from ensign.delivery.applied import AppliedApi
from ensign.delivery.auth import Gate, Refusals, unavailable
from ensign.delivery.client_api import ClientApi
from ensign.delivery.cors import Cors
from ensign.delivery.edge_feed import EdgeFeed
from ensign.delivery.edge_usage import EdgeUsage
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
from ensign.delivery.ofrep_api import OfrepApi
from ensign.delivery.published import dumps
from ensign.delivery.source import Source
from ensign.delivery.state import State
from ensign.delivery.tracker import Tracker
from ensign.delivery.trust import Trust
from ensign.delivery.usage import Sink, Usage

log = logging.getLogger("ensign.delivery")

Handler = Callable[[Request], Awaitable[Response | Streaming]]

_PREFIXES = ("/api/client", "/api/frontend", "/api/proxy", "/edge", "/ofrep")
_EXACT = frozenset({"/health", "/ready"})
_FEATURE = "/api/client/features/"
_OFREP = "/ofrep/v1/evaluate/flags"
_OFREP_HEADERS = b"authorization, content-type, if-none-match, x-api-key"
_EVALUATED = ("/api/frontend/features/", "/api/proxy/features/")
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
    * `stream_key`: 32 secret bytes that seal the addresses of OFREP's streams, shared by all nodes behind one
      address; without it each start makes its own, and clients of before ask for a new address;
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
        stream_key: bytes | None = None,
        ruleset_keys: Sequence[str] = (),
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        trust = Trust(ruleset_keys) if ruleset_keys else None
        self.feed = Feed(source, last_good=last_good, prepare=_prepare, trust=trust)
        self.usage = Usage(sink, interval=flush_interval)
        self.tracker = Tracker(clock=clock, wake=self.usage.soon)
        self.usage.reach = self.tracker.take
        self.hub = Hub(self.feed, self.tracker, clock=clock, limit=max_streams)
        self.usage.recency.holding = self.hub.holding
        self._gate = Gate(self.feed, Refusals(self.usage, limit=refusal_limit), clock=clock)
        browsers = Cors(cors_origins)
        openfeature = Cors(
            cors_origins, methods=b"POST, GET, OPTIONS", headers=_OFREP_HEADERS, exposed=b"ETag, Retry-After"
        )
        self._cors = {"/api/frontend": browsers, "/api/proxy": browsers, "/ofrep": openfeature}
        client = ClientApi(
            self.feed, self._gate, self.usage, self.hub, self.tracker, clock=clock, version=version("ensign")
        )
        self.edges = EdgeFeed(self.feed, self._gate, clock=clock)
        self.feed.follow(self._changed)
        browser = FrontendApi(self.feed, self._gate, self.usage, clock=clock)
        self._ofrep = OfrepApi(self.feed, self._gate, self.usage, self.hub, key=stream_key, clock=clock)
        self._feature = client.feature
        self._evaluated = browser.feature
        self._routes: dict[str, dict[str, Handler]] = {
            "/api/client/features": {"GET": client.features, "POST": client.features},
            "/api/client/delta": {"GET": client.delta},
            "/api/client/streaming": {"GET": client.streaming},
            "/api/client/applied": {"POST": AppliedApi(self._gate, self.tracker).applied},
            "/api/client/proof": {"GET": client.proof},
            "/api/client/register": {"POST": client.register},
            "/api/client/metrics": {"POST": client.metrics},
            "/api/client/metrics/bulk": {"POST": client.bulk},
            "/edge/validate": {"POST": self._validate},
            _OFREP: {"POST": self._ofrep.bulk},
            ofrep_stream.PATH: {"GET": self._ofrep.stream},
            "/edge/feed": {"POST": self.edges.feed},
            "/edge/usage": {"POST": EdgeUsage(self._gate, self.usage, clock=clock).take},
            "/health": {"GET": self._health},
            "/ready": {"GET": self._ready},
        }
        for base in ("/api/frontend", "/api/proxy"):
            self._routes[base] = {"GET": browser.evaluate, "POST": browser.evaluate}
            self._routes[f"{base}/all"] = {"GET": browser.evaluate_all, "POST": browser.evaluate_all}
            for part in ("client/features", "health", "internal-backstage/prometheus"):
                self._routes[f"{base}/{part}"] = {"GET": _not_here}
            self._routes[f"{base}/client/register"] = {"POST": browser.register}
            self._routes[f"{base}/client/metrics"] = {"POST": browser.metrics}

    @staticmethod
    def handles(path: str) -> bool:
        """Whether this application answers `path` (also with an error)."""
        path = clean(path)
        return path in _EXACT or any(path == prefix or path.startswith(f"{prefix}/") for prefix in _PREFIXES)

    async def startup(self) -> None:
        """Load the last good state and begin to follow the source; see `Feed.start` for how long that may take."""
        self.hub.start()
        self._ofrep.freshness.start()
        self.edges.start()
        await asyncio.to_thread(self.feed.start)
        self.usage.start()

    async def shutdown(self) -> None:
        """End streams and feeds, hand over the last counts and end the threads."""
        self.edges.end()
        await self.hub.stop()
        self._ofrep.freshness.stop()
        self.tracker.close()
        await asyncio.to_thread(self.usage.stop)
        await asyncio.to_thread(self.feed.stop)

    def _changed(self) -> None:
        """A newer state. Edges come first: there are few, each with many behind it, and streams are waited for.

        The list of who was there comes last.
        """
        count = self.tracker.published(self.feed.latest.state)
        self.edges.changed()
        self.hub.changed()
        count()

    def hint(self) -> None:
        """Something was published just now: look at once. For the control plane in the same process."""
        self.feed.hint()

    def end_streams(self) -> None:
        """End every stream, on the event loop: for when the server is told to stop, as it would wait for them."""
        self.edges.end()
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
        family, cors = next((pair for pair in self._cors.items() if request.path.startswith(pair[0])), ("", None))
        if cors is not None and request.method == "OPTIONS":
            return cors.preflight(request)
        refused = ofrep_api.refused if family == "/ofrep" else _refused
        response: Response | Streaming
        try:
            response = await self._dispatch(request)
        except Refusal as refusal:
            response = refused(refusal, request)
        except Disconnected:
            raise
        except Exception:  # the last resort: one request's defect must not become another's
            log.exception("%s failed", family or request.path)
            response = refused(Refusal(500, "InternalError", "Something went wrong here; it was logged."), request)
        if cors is None:
            return response
        return replace(response, headers=(*response.headers, *cors.headers(request)))

    async def _dispatch(self, request: Request) -> Response | Streaming:
        path = request.path
        methods = self._routes.get(path)
        method = "GET" if request.method == "HEAD" else request.method
        if methods is None:
            if path.startswith(_FEATURE) and method == "GET":
                return await self._feature(request, path[len(_FEATURE) :])
            if path.startswith(f"{_OFREP}/"):
                methods = {"POST": self._ofrep.single}
            for prefix in _EVALUATED:
                if path.startswith(prefix) and method in {"GET", "POST"}:
                    return await self._evaluated(request, path[len(prefix) :])
        if methods is None:
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


def _refused(refusal: Refusal, _request: Request) -> Response:
    return refusal.response()


async def _not_here(_request: Request) -> Response:
    """What Unleash's proxy once had and its server answers like this (wire contracts, 4.1)."""
    raise Refusal(405, "NotImplementedError", "The front-end API has no such address.")


def _prepare(old: State, new: State) -> None:
    views.carry_over(old, new)
    frontend.carry_over(old, new)
    ofrep.carry_over(old, new)
    frontend.warm(new)
