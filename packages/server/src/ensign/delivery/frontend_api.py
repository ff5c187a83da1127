"""The API of browsers and mobile apps: `/api/frontend*` (wire contracts, section 4)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import datetime

from ensign.delivery import intake
from ensign.delivery.auth import Gate
from ensign.delivery.client_api import MAX_REGISTRATION, MAX_REPORT, instance, sdk
from ensign.delivery.context import MAX_CONTEXT, from_body, from_pairs
from ensign.delivery.feed import Feed
from ensign.delivery.frontend import evaluator
from ensign.delivery.http import JSON, Header, Request, Response, accepts_gzip, matches
from ensign.delivery.tokens import FRONTEND
from ensign.delivery.usage import Usage
from ensign.delivery.views import MIN_GZIP

#: Room for the document around a context of the largest size.
MAX_BODY = MAX_CONTEXT + 4 * 1024
_NO_CACHE: Header = (b"cache-control", b"no-cache")
_PACKED: Header = (b"content-encoding", b"gzip")


class FrontendApi:
    """Evaluation for a context, and metrics, for frontend tokens. A context is evaluated and forgotten."""

    def __init__(self, feed: Feed, gate: Gate, usage: Usage, *, clock: Callable[[], datetime]) -> None:
        self._feed = feed
        self._gate = gate
        self._usage = usage
        self._clock = clock

    async def evaluate(self, request: Request) -> Response:
        """`GET` or `POST /api/frontend`: the flags that are on for the request's context."""
        token = self._gate.admit(request, FRONTEND)
        if request.method == "POST":
            raw = await request.json(MAX_BODY) if request.headers.get(b"content-length") != b"0" else {}
            context = from_body(raw, address=request.client)
        else:
            context = from_pairs(request.query(), address=request.client)
        body, etag = evaluator(self._feed.state, token).answer(context)
        headers: tuple[Header, ...] = ((b"etag", etag), _NO_CACHE)
        if matches(request.header(b"if-none-match"), etag.decode()):
            return Response(304, b"", headers)
        if len(body) >= MIN_GZIP and accepts_gzip(request.header(b"accept-encoding")):
            packed = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
            return Response(200, packed, (JSON, *headers, _PACKED))
        return Response(200, body, (JSON, *headers))

    async def register(self, request: Request) -> Response:
        """`POST /api/frontend/client/register`."""
        token = self._gate.admit(request, FRONTEND)
        body = await request.json(MAX_REGISTRATION)
        intake.record_registration(
            body, token=token, usage=self._usage, sdk=sdk(request), instance=instance(request), at=self._clock()
        )
        return Response(202)

    async def metrics(self, request: Request) -> Response:
        """`POST /api/frontend/client/metrics`."""
        token = self._gate.admit(request, FRONTEND)
        body = await request.json(MAX_REPORT)
        intake.record_metrics(
            body, token=token, state=self._feed.state, usage=self._usage,
            sdk=sdk(request), instance=instance(request), at=self._clock(),
        )  # fmt: skip
        return Response(202)
