"""The API of server-side SDKs: `/api/client/*` (wire contracts, section 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from ensign.delivery import applied, deltas, intake, views
from ensign.delivery.auth import Gate, unavailable
from ensign.delivery.feed import Feed
from ensign.delivery.http import (
    JSON,
    Header,
    Refusal,
    Request,
    Response,
    Streaming,
    accepts_gzip,
    matches,
    not_found,
)
from ensign.delivery.hub import HEADERS, Hub
from ensign.delivery.instances import Who
from ensign.delivery.query import Query, effective
from ensign.delivery.tokens import ALL, BACKEND
from ensign.delivery.tracker import Tracker
from ensign.delivery.usage import Usage

MAX_REPORT = 2 * 1024 * 1024
MAX_REGISTRATION = 64 * 1024
_PACKED: Header = (b"content-encoding", b"gzip")
_VARY: Header = (b"vary", b"Accept-Encoding")


class ClientApi:
    """Features, deltas, streams, registration and metrics for backend tokens."""

    def __init__(
        self,
        feed: Feed,
        gate: Gate,
        usage: Usage,
        hub: Hub,
        tracker: Tracker,
        *,
        clock: Callable[[], datetime],
        version: str,
    ) -> None:
        self._feed = feed
        self._tracker = tracker
        self._hub = hub
        self._gate = gate
        self._usage = usage
        self._clock = clock
        self._accepted = Response(202, b"", ((b"x-unleash-version", version.encode()),))

    async def features(self, request: Request) -> Response:
        """`GET /api/client/features`: everything that the token sees, or 304."""
        token = self._gate.admit(request, BACKEND)
        spec, signed = request.header(b"unleash-client-spec"), deltas.wants_signatures(request)
        query = effective(token, request.query(), spec=spec, signed=signed)
        view = views.view(self._feed.state, query)
        known = request.header(b"if-none-match")
        self._tracker.polled(Who.of(request), token, query, applied.held(known), view.revision)
        if matches(known, view.etag.decode()):
            return Response(304, b"", view.headers)
        if len(view.body) >= views.MIN_GZIP and accepts_gzip(request.header(b"accept-encoding")):
            packed = await asyncio.to_thread(view.pack) if view.packed is None else view.packed
            return Response(200, packed, (JSON, _PACKED, *view.headers))
        return Response(200, view.body, (JSON, *view.headers))

    async def delta(self, request: Request) -> Response:
        """`GET /api/client/delta`: what is newer than the event that `If-None-Match` names, or 304 (wire, 3.2)."""
        token = self._gate.admit(request, BACKEND)
        query = deltas.scope(token, request)
        latest, known = self._feed.latest, deltas.event_id(request.header(b"if-none-match"))
        found = latest.hydration(query) if known is None else latest.since(query, known)
        newest = latest.revision(query)
        held = None if known is None else (newest[0], known)
        self._tracker.polled(Who.of(request), token, query, newest if found is None else held, newest)
        headers = (*deltas.headers(query, latest.revision(query) if found is None else found.revision), _VARY)
        if found is None:
            return Response(304, b"", ((b"etag", b'"%d"' % (known or 0)), *headers))
        headers = ((b"etag", b'"%d"' % found.number), *headers)
        if len(found.body) >= views.MIN_GZIP and accepts_gzip(request.header(b"accept-encoding")):
            packed = await asyncio.to_thread(found.pack) if found.packed is None else found.packed
            return Response(200, packed, (JSON, _PACKED, *headers))
        return Response(200, found.body, (JSON, *headers))

    async def streaming(self, request: Request) -> Response | Streaming:
        """`GET /api/client/streaming`: the same as server-sent events, each as soon as it is published (wire, 3.3)."""
        token = self._gate.admit(request, BACKEND)
        hub, query = self._hub, deltas.scope(token, request)
        revision = (latest := self._feed.latest).revision(query)
        if query.tags:
            latest.hydration(query)  # refuses tags that rulesets do not know, while a status can still be said
        headers = (*HEADERS, *deltas.headers(query, revision), *applied.headers(self._tracker))
        if request.method == "HEAD":
            return Response(200, b"", headers)
        if hub.ended:
            raise unavailable("This server is about to stop.")
        if hub.full:
            message = "This server has as many streams as it may. Please poll."
            raise Refusal(429, "RateLimitError", message, headers=((b"retry-after", b"60"),))
        known = deltas.event_id(request.header(b"last-event-id"))
        return Streaming(headers, partial(hub.serve, token, query, Who.of(request), known))

    async def feature(self, request: Request, name: str) -> Response:
        """`GET /api/client/features/{name}`: one flag, not wrapped."""
        token = self._gate.admit(request, BACKEND)
        query = Query(token.environment, None if token.projects == ALL else token.projects)
        for ruleset in self._feed.state.scope(query.projects, query.environment):
            for feature in ruleset.features:
                if feature.name == name:
                    return Response(200, feature.body, (JSON,))
        raise not_found("There is no such flag, or this token does not reach it.")

    async def proof(self, request: Request) -> Response:
        """`GET /api/client/proof`: that the log holds what was published, as far as that is proven yet."""
        token = self._gate.admit(request, BACKEND)
        query = effective(token, request.query())
        places = [
            (item.project, item.environment) for item in self._feed.state.scope(query.projects, query.environment)
        ]
        proofs = self._feed.proofs
        return Response(
            200, b'{"proofs":[%b]}' % b",".join(proofs[place] for place in places if place in proofs), (JSON,)
        )

    async def register(self, request: Request) -> Response:
        """`POST /api/client/register`."""
        token = self._gate.admit(request, BACKEND)
        body = await request.json(MAX_REGISTRATION)
        intake.record_registration(
            body, token=token, usage=self._usage, sdk=sdk(request), instance=instance(request), at=self._clock()
        )
        return self._accepted

    async def metrics(self, request: Request) -> Response:
        """`POST /api/client/metrics`."""
        token = self._gate.admit(request, BACKEND)
        body = await request.json(MAX_REPORT)
        intake.record_metrics(
            body, token=token, state=self._feed.state, usage=self._usage,
            sdk=sdk(request), instance=instance(request), at=self._clock(),
        )  # fmt: skip
        return self._accepted

    async def bulk(self, request: Request) -> Response:
        """`POST /api/client/metrics/bulk`: what an edge collected."""
        token = self._gate.admit(request, BACKEND)
        body = await request.json(MAX_REPORT)
        intake.record_bulk(body, token=token, state=self._feed.state, usage=self._usage, at=self._clock())
        for text in intake.seen_tokens(body):
            self._gate.used(text)
        return self._accepted


def sdk(request: Request) -> str:
    """The SDK's name and version, as its header says."""
    return request.header(b"unleash-sdk")


def instance(request: Request) -> str:
    """What tells one instance of an application from another."""
    return request.header(b"unleash-connection-id") or request.header(b"unleash-instanceid")
