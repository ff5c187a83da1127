"""The API of browsers and mobile apps: `/api/frontend*` (wire contracts, section 4)."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import datetime

from ensign.delivery import intake
from ensign.delivery.auth import Gate
from ensign.delivery.client_api import MAX_REGISTRATION, MAX_REPORT, instance, sdk
from ensign.delivery.context import MAX_CONTEXT, Context, from_body, from_pairs
from ensign.delivery.feed import Feed
from ensign.delivery.frontend import evaluator
from ensign.delivery.http import JSON, Header, Request, Response, accepts_gzip, matches, not_found
from ensign.delivery.tokens import FRONTEND, Token
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
        token, context = await self._asked(request)
        return await self._answer(request, *evaluator(self._feed.state, token).answer(context))

    async def evaluate_all(self, request: Request) -> Response:
        """`GET` or `POST /api/frontend/all`: every flag, also those that are off; as Unleash Edge has it."""
        token, context = await self._asked(request)
        return await self._answer(request, *evaluator(self._feed.state, token).answer_all(context))

    async def feature(self, request: Request, name: str) -> Response:
        """`GET` or `POST /api/frontend/features/{name}`: one flag, on or off; the PHP client for proxies asks so."""
        token, context = await self._asked(request)
        found = evaluator(self._feed.state, token).answer_one(name, context)
        if found is None:
            raise not_found("There is no such flag, or this token does not reach it.")
        return await self._answer(request, *found)

    async def _asked(self, request: Request) -> tuple[Token, Context]:
        token = self._gate.admit(request, FRONTEND)
        if request.method == "POST":
            raw = await request.json(MAX_BODY) if request.headers.get(b"content-length") != b"0" else {}
            return token, from_body(raw, address=request.client)
        return token, from_pairs(request.query(), address=request.client)

    async def _answer(self, request: Request, body: bytes, etag: bytes) -> Response:
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
