"""OFREP 0.3, the API of OpenFeature's providers: `/ofrep/v1/*` (wire contracts, section 6; docs/reference/ofrep.md)."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import blake2b

from ensign_engine import Evaluation

from ensign.delivery import intake, ofrep
from ensign.delivery.auth import Gate, bare, unavailable
from ensign.delivery.context import MAX_CONTEXT, Context, from_evaluation
from ensign.delivery.feed import Feed
from ensign.delivery.freshness import Freshness
from ensign.delivery.http import JSON, Header, Refusal, Request, Response, Streaming, accepts_gzip, matches, parsed
from ensign.delivery.hub import HEADERS, Hub
from ensign.delivery.ofrep_stream import (
    PARAMETER,
    PATH,
    REFETCH,
    Credentials,
    Expired,
    position,
    read_revision,
    scope,
)
from ensign.delivery.published import dumps
from ensign.delivery.tokens import BACKEND, FRONTEND, Token
from ensign.delivery.usage import CountKey, Usage
from ensign.delivery.views import MIN_GZIP

MAX_BODY = MAX_CONTEXT + 4 * 1024
CLIENT = "ofrep"
"""The application that evaluations are counted for: providers do not say which one they serve."""
CODES = frozenset({"PARSE_ERROR", "INVALID_CONTEXT", "FLAG_NOT_FOUND"})
_PREFIX = re.compile(r"/+ofrep/+v1/+evaluate/+flags/+", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?\Z")
_NO_STORE: Header = (b"cache-control", b"no-store")
_NO_CACHE: Header = (b"cache-control", b"no-cache")
_PACKED: Header = (b"content-encoding", b"gzip")
_MAX_AHEAD = 300
"""Seconds that another clock may be ahead of ours."""


class OfrepApi:
    """Single and bulk evaluation, and the stream that says when to ask again; for backend and frontend tokens.

    A context is evaluated and forgotten.
    """

    def __init__(
        self, feed: Feed, gate: Gate, usage: Usage, hub: Hub, *, key: bytes | None, clock: Callable[[], datetime]
    ) -> None:
        self.freshness = Freshness(feed)
        self._feed = feed
        self._gate = gate
        self._usage = usage
        self._hub = hub
        self._clock = clock
        self._credentials = Credentials(key, clock=clock)
        self._building = asyncio.Lock()

    async def single(self, request: Request) -> Response:
        """`POST /ofrep/v1/evaluate/flags/{key}`: one flag; what is counted as a use of it."""
        token = self._admit(request)
        context = await _context(request, token)
        key = flag_key(request)
        prepared = (await self._evaluator(token)).flags.get(key or "")
        if prepared is None:
            raise Refusal(404, "FLAG_NOT_FOUND", "There is no such flag, or this token does not reach it.")
        evaluation = prepared.flag.choose(context)
        answer = prepared.answer(evaluation)
        self._count(token, evaluation, variant=not answer.failed)
        return Response(400 if answer.failed else 200, answer.body, (JSON, _NO_STORE))

    async def bulk(self, request: Request) -> Response:
        """`POST /ofrep/v1/evaluate/flags`: every flag that the token sees, or 304."""
        token = self._admit(request)
        context = await _context(request, token)
        await self._catch_up(request, token)
        evaluator = await self._evaluator(token)
        body = b'{"flags":[%b],"metadata":%b%b}' % (evaluator.bulk(context), evaluator.metadata, self._streams(token))
        # Of all that is in the body: results alone would keep clients on the address of a stream that has expired.
        etag = b'"%b"' % blake2b(body, digest_size=12).hexdigest().encode()
        headers: tuple[Header, ...] = ((b"etag", etag), _NO_CACHE)
        if matches(request.header(b"if-none-match"), etag.decode()):
            return Response(304, b"", headers)
        if len(body) >= MIN_GZIP and accepts_gzip(request.header(b"accept-encoding")):
            packed = await asyncio.to_thread(gzip.compress, body, 1, mtime=0)
            return Response(200, packed, (JSON, *headers, _PACKED))
        return Response(200, body, (JSON, *headers))

    async def stream(self, request: Request) -> Response | Streaming:
        """`GET /ofrep/v1/stream`: says when to ask again; let in by the credential in its address."""
        token = self._stream_holder(request)
        if request.method == "HEAD":
            return Response(200, b"", HEADERS)
        if self._hub.ended:
            raise unavailable("This server is about to stop.")
        if self._hub.full:
            message = "This server has as many streams as it may. Please poll."
            raise Refusal(429, "GENERAL", message, headers=((b"retry-after", b"60"),))
        known = read_revision(request.header(b"last-event-id"))
        return Streaming(HEADERS, partial(self._hub.serve, token, scope(token), None, known, talk=REFETCH))

    def _admit(self, request: Request) -> Token:
        """Backend tokens see the rules themselves anyway; frontend tokens are made for evaluation."""
        text = bare(request.header(b"authorization")) or request.header(b"x-api-key")
        return self._gate.admit(request, BACKEND, FRONTEND, text=text)

    def _stream_holder(self, request: Request) -> Token:
        """The token behind the credential. Raises Refusal: 401, 429 or 503, as with tokens themselves."""
        if not self._feed.warm:
            raise unavailable()
        text = next((value for name, value in request.query() if name == PARAMETER), "")
        try:
            token = self._credentials.holder(text, self._feed.latest.state)
        except Expired:  # no intruder: every page that was closed for hours comes with one
            raise Refusal(401, "GENERAL", "This address has expired; evaluate again to get a new one.") from None
        if token is None:
            if not self._feed.current:
                raise unavailable("The tokens cannot be checked now. Please try again.")
            raise self._gate.refused(request, "no valid stream credential")
        if token.expired(self._clock()):
            raise self._gate.refused(request, "expired token")
        return token

    async def _evaluator(self, token: Token) -> ofrep.Evaluator:
        """Compiled in a thread if nobody asked before, once for all who wait."""
        state = self._feed.state
        found = ofrep.ready(state, token)
        if found is None:
            async with self._building:
                found = await asyncio.to_thread(ofrep.evaluator, state, token)
        return found

    async def _catch_up(self, request: Request, token: Token) -> None:
        """Wait until this node knows what the client was told of, if it was told of something."""
        for name, value in request.query():
            if name == "flagConfigEtag":
                wanted = read_revision(value)
                if wanted is not None:
                    await self.freshness.until(partial(self._knows, token, wanted))
            elif name == "flagConfigLastModified":
                at = _instant(value)
                if at is not None and at <= self._clock().timestamp() + _MAX_AHEAD:
                    await self.freshness.until(partial(self._read_since, at))

    def _knows(self, token: Token, wanted: int) -> bool:
        return position(self._feed.state, scope(token)) >= wanted

    def _read_since(self, at: float) -> bool:
        return self._feed.confirmed >= at

    def _streams(self, token: Token) -> bytes:
        """The address of the stream, without its origin: that is the one under which the client found us."""
        if self._hub.full or self._hub.ended:
            return b""
        address = f"{PATH}?{PARAMETER}={self._credentials.issue(token)}"
        return b',"eventStreams":[%b]' % dumps({"type": "sse", "endpoint": {"requestUri": address}})

    def _count(self, token: Token, evaluation: Evaluation, *, variant: bool) -> None:
        project = intake.projects_by_flag(self._feed.state, token).get(evaluation.name)
        if project is None:
            return
        hour = self._clock().replace(minute=0, second=0, microsecond=0)
        key = CountKey(project, token.environment, evaluation.name, CLIENT, hour, "", True)
        self._usage.count(key, yes=int(evaluation.enabled), no=int(not evaluation.enabled))
        if variant and evaluation.variant.enabled:
            named = CountKey(project, token.environment, evaluation.name, CLIENT, hour, evaluation.variant.name, True)
            self._usage.count(named, yes=1, no=0)


def flag_key(request: Request) -> str | None:
    """The key in the address: all that stands behind the prefix, slashes and all. None for the bulk address."""
    path = request.exact_path
    found = _PREFIX.match(path)
    return path[found.end() :] or None if found else None


def refused(refusal: Refusal, request: Request) -> Response:
    """An error as providers read it: with the key on a flag's own address."""
    code = refusal.name if refusal.name in CODES else "GENERAL"
    if refusal.status == 400 and not refusal.name:
        code = "PARSE_ERROR"
    body = ofrep.failure(code, refusal.message, key=flag_key(request))
    return Response(refusal.status, body, (JSON, _NO_STORE, *refusal.headers))


async def _context(request: Request, token: Token) -> Context:
    """The context of a request; no body at all is none. Raises Refusal.

    The address that the request came from is the user's only where a browser or app asks for itself.
    """
    raw = await request.body(MAX_BODY)
    address = request.client if token.type == FRONTEND else ""
    return from_evaluation(parsed(raw) if raw else None, address=address, size=len(raw))


def _instant(text: str) -> float | None:
    """Unix time from seconds or an ISO 8601 date and time; None for anything else."""
    try:
        return float(text) if _SECONDS.match(text) else datetime.fromisoformat(text[:40]).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
