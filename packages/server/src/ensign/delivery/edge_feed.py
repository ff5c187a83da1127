"""What edges follow: `POST /edge/feed` (docs/reference/planes.md). Each is told what is new in its reach.

An edge has no queue: while a line is being sent nothing else is, and the next one tells all that happened meanwhile.
One that takes nothing for `STALLED` seconds is cut off.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ensign.delivery.auth import EdgeToken, Gate, bounds, unavailable
from ensign.delivery.feed import Feed
from ensign.delivery.held import Copy, Held
from ensign.delivery.http import (
    Header,
    Receive,
    Refusal,
    Request,
    Send,
    Streaming,
    accepts_gzip,
    bad_data,
)
from ensign.delivery.outlet import PIECE, Stalled, abort, body, patiently
from ensign.delivery.readings import tokens_told, told
from ensign.delivery.splice import Splice, between
from ensign.delivery.state import Place
from ensign.delivery.tokens import EDGE, Bounds, TokenRow

log = logging.getLogger("ensign.delivery")

PROTOCOL = 1
KEEP_ALIVE = 5.0
"""Seconds between two signs of life; an edge gives up after three times as long."""
MAX_ASKED = 4 * 1024 * 1024
LARGE = 256 * 1024
"""Characters from which on a line is made in a thread."""
HEADERS: tuple[Header, ...] = (
    (b"content-type", b"application/x-ndjson"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


@dataclass(slots=True, eq=False)
class Follower:
    """One edge: what it may see, and what it has. `rows` is None until it was told of tokens."""

    tokens: tuple[EdgeToken, ...]
    bounds: tuple[Bounds, ...]
    versions: dict[str, str]
    number: int
    epoch: int
    rows: frozenset[TokenRow] | None = None
    proofs: dict[Place, bytes] = field(default_factory=dict)
    over: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def sees(self, place: Place) -> bool:
        """Whether a project's environment is within its reach."""
        return any(one.sees(*place) for one in self.bounds)


class EdgeFeed:
    """The edges that follow this node, at most `limit`."""

    def __init__(
        self,
        feed: Feed,
        gate: Gate,
        *,
        clock: Callable[[], datetime],
        limit: int = 1_000,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        self.ended = False
        self._feed = feed
        self._gate = gate
        self._clock = clock
        self._limit = limit
        self._keep_alive = keep_alive
        self._followers: set[Follower] = set()
        self._splices: dict[str, tuple[str, Splice | None]] = {}
        self._seen = Held()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def count(self) -> int:
        """How many edges follow."""
        return len(self._followers)

    def start(self) -> None:
        """Begin to serve, on the running loop."""
        self._loop, self.ended = asyncio.get_running_loop(), False

    def changed(self) -> None:
        """There is a newer state, or the source turned. Called in the feed's thread."""
        before, self._seen = self._seen, self._feed.held
        loop = self._loop
        if loop is None:
            return
        if self._followers:
            self._prepare(before, self._seen)
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
            loop.call_soon_threadsafe(self._wake)

    def end(self) -> None:
        """End all feeds and open no more, on the event loop: the process is about to stop."""
        self.ended = True
        self._wake()

    async def feed(self, request: Request) -> Streaming:
        """`POST /edge/feed`."""
        tokens = self._gate.edges(request)
        known, number, epoch = _asked(await request.json(MAX_ASKED))
        if self.ended:
            raise unavailable("This server is about to stop.")
        if len(self._followers) >= self._limit:
            message = "This server has as many edges as it may."
            raise Refusal(429, "RateLimitError", message, headers=((b"retry-after", b"60"),))
        follower = Follower(tokens, bounds(tokens), known, number, epoch)
        packer = zlib.compressobj(6, wbits=31) if accepts_gzip(request.header(b"accept-encoding")) else None
        headers = (*HEADERS, (b"content-encoding", b"gzip")) if packer else HEADERS
        return Streaming(headers, partial(self._serve, follower, packer))

    async def _serve(self, follower: Follower, packer: Any, receive: Receive, send: Send) -> None:
        outlet = _Outlet(send, packer)
        self._followers.add(follower)
        try:
            async with _departure(follower, receive):
                await outlet.line(json.dumps(self._hello(follower)))
                while not self._over(follower):
                    follower.wake.clear()
                    await self._tell(follower, outlet)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._keep_alive):
                            await follower.wake.wait()
            await outlet.close()
        except (Stalled, OSError):
            outlet.cut()
        finally:
            self._followers.discard(follower)

    def _hello(self, follower: Follower) -> dict[str, Any]:
        told = [
            one.token and {"environment": one.token.environment, "projects": one.token.projects}
            for one in follower.tokens
        ]
        return {"protocol": PROTOCOL, "bounds": told, "keep_alive": self._keep_alive}

    def _over(self, follower: Follower) -> bool:
        """Whether the feed is to end: as the edge left, this node stops, or one of its tokens counts otherwise."""
        if follower.over or self.ended:
            return True
        tokens, at = self._feed.latest.state.tokens, self._clock()
        for one in follower.tokens:
            was, now = one.token, tokens.get(one.hash)
            if was is None:
                # One that was refused may count from now on; the edge asks anew and gets what it reaches.
                if now is not None and now.type == EDGE and not now.expired(at):
                    return True
            elif now is None or not now.alike(was) or now.expired(at):
                return True
        return False

    async def _tell(self, follower: Follower, outlet: _Outlet) -> None:
        news, size = self._news(follower)
        text = json.dumps(news, separators=(",", ":")) if size < LARGE else await asyncio.to_thread(json.dumps, news)
        await outlet.line(text)

    def _news(self, follower: Follower) -> tuple[dict[str, Any], int]:
        """What the edge lacks, and about how large that is. It counts as told."""
        held = self._feed.held
        history = held.latest.history
        news: dict[str, Any] = {"current": self._feed.current}
        copies = {id: copy for id, copy in held.copies.items() if follower.sees(copy.place)}
        contents, splices = self._changed(follower, copies)
        rows = frozenset(row for row in held.tokens if any(one.holds(row) for one in follower.bounds))
        proofs = {
            place: document for place, document in self._feed.proofs.items()
            if follower.proofs.get(place) != document and follower.sees(place)
        }  # fmt: skip
        follower.versions = {**follower.versions, **{id: copy.version for id, copy in copies.items()}}
        if contents or splices or proofs or rows != follower.rows or history.covered != follower.number:
            anew = history.epoch != follower.epoch or history.floor > follower.number
            since = history.floor if anew else follower.number
            news |= {**told(history, copies, since), "contents": contents, "splices": splices}
            if rows != follower.rows:
                news["tokens"] = tokens_told(rows)
            if proofs:
                news["proofs"] = [document.decode() for document in proofs.values()]
                follower.proofs |= proofs
            follower.rows, follower.number, follower.epoch = rows, history.covered, history.epoch
            return news, sum(map(len, contents.values())) + sum(len(row[-1] or "") for row in news["revisions"])
        return news, 0

    def _changed(self, follower: Follower, copies: dict[str, Copy]) -> tuple[dict[str, str], dict[str, Any]]:
        contents: dict[str, str] = {}
        splices: dict[str, Any] = {}
        for id, copy in copies.items():
            known = follower.versions.get(id)
            if known == copy.version or (known is not None and _revision(known) > copy.revision):
                continue  # it has this one, or is ahead of us: nobody is led back
            version, splice = self._splices.get(id, ("", None))
            if splice is not None and version == copy.version and splice.of == known:
                splices[id] = asdict(splice)
            else:
                contents[id] = copy.content
        return contents, splices

    def _prepare(self, before: Held, now: Held) -> None:
        """Work out, once for all edges, how the newest contents come from those before."""
        for id, copy in now.copies.items():
            old = before.copies.get(id)
            if old is not None and old.revision != copy.revision:
                self._splices[id] = copy.version, between(old.content, copy.content, of=old.version)

    def _wake(self) -> None:
        for follower in self._followers:
            follower.wake.set()


class _Outlet:
    """Lines to one edge, in pieces that it must take within `STALLED` seconds each."""

    def __init__(self, send: Send, packer: Any) -> None:
        self._send = send
        self._packer = packer

    async def line(self, text: str) -> None:
        """Send one line. Raises Stalled and OSError."""
        data = text.encode("utf-8", "surrogatepass") + b"\n"
        if self._packer is not None:
            data = self._packed(data) if len(data) < LARGE else await asyncio.to_thread(self._packed, data)
        for start in range(0, len(data), PIECE):
            await patiently(self._send(body(data[start : start + PIECE])))

    async def close(self) -> None:
        """End in order."""
        await patiently(self._send(body(self._packer.flush() if self._packer else b"", more=False)))

    def cut(self) -> None:
        """End at once."""
        abort(self._send)

    def _packed(self, data: bytes) -> bytes:
        packed: bytes = self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        return packed


@asynccontextmanager
async def _departure(follower: Follower, receive: Receive) -> AsyncIterator[None]:
    """Notice within the block that the edge hangs up."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        follower.over = True
        follower.wake.set()

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def _asked(body: object) -> tuple[dict[str, str], int, int]:
    """Known versions, number and epoch out of a request. Raises Refusal (400)."""
    if not isinstance(body, dict) or body.get("protocol") != PROTOCOL:
        raise bad_data(f"This node speaks version {PROTOCOL} of the edge protocol.", path="protocol")
    known = body.get("known")
    if not isinstance(known, dict):
        raise bad_data("`known` must be an object.", path="known")
    try:
        return {id: _checked(version) for id, version in known.items()}, int(body["number"]), int(body["epoch"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as problem:
        raise bad_data("`known`, `number` or `epoch` cannot be read.") from problem


def _checked(version: str) -> str:
    _revision(version)
    return version


def _revision(version: str) -> tuple[int, int]:
    epoch, number = version.split(".")
    return int(epoch), int(number)
