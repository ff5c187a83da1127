"""The stream hub: every change to every connected SDK, and no client in another's way (wire contracts, 3.3).

All of it runs on the event loop. A stream remembers only its *position*, the event that its client has; what it lacks
is asked of the newest state when there is something to send. So a client that is slow has no queue that could grow:
while one send is under way nothing else is, and then it gets in one document all that happened meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

from ensign.delivery.deltas import Latest
from ensign.delivery.feed import Feed
from ensign.delivery.http import Header, Message, Receive, Send
from ensign.delivery.instances import Instance, Who
from ensign.delivery.outlet import Stalled, abort, body, patiently, step
from ensign.delivery.published import Revision
from ensign.delivery.query import Query
from ensign.delivery.talk import RULES, Large, Talk
from ensign.delivery.tokens import Token
from ensign.delivery.tracker import Tracker

log = logging.getLogger("ensign.delivery")

HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until its buffer is full
)
KEEP_ALIVE = 20
"""Seconds between two comments on a stream; clients give up after 60 s, proxies often after 30 s."""
LEAD = 0.5
"""Seconds that streams are ahead of everything else that is made of a new state."""
BATCH = 500
"""Streams that are served before other requests get their turn."""
_COMMENT = body(b": keep-alive\n\n")
_END = body(b"", more=False)


class Stream:
    """One client. `busy` while a send is under way, `over` once it is to end."""

    __slots__ = ("beat", "busy", "instance", "lane", "over", "position", "send")

    def __init__(self, lane: Lane, send: Send, beat: int, instance: Instance | None) -> None:
        self.lane = lane
        self.instance = instance
        self.send = send
        self.beat = beat
        self.position = 0
        self.busy = True
        self.over = False


class Lane:
    """The streams of one token, query and talk: all get the same bytes."""

    __slots__ = ("query", "streams", "talk", "token")

    def __init__(self, token: Token, query: Query, talk: Talk) -> None:
        self.token = token
        self.query = query
        self.talk = talk
        self.streams: set[Stream] = set()


class Hub:
    """Holds the streams, at most `limit`."""

    def __init__(self, feed: Feed, tracker: Tracker, *, clock: Callable[[], datetime], limit: int) -> None:
        self.count = 0
        self.ended = False
        self._feed = feed
        self._tracker = tracker
        self._clock = clock
        self._limit = limit
        self._lanes: dict[tuple[Token, Query, Talk], Lane] = {}
        self._beats: list[set[Stream]] = [set() for _ in range(KEEP_ALIVE)]
        self._beat = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = False
        self._served = threading.Event()

    def holding(self) -> set[str]:
        """Hashes of the tokens that open streams were admitted with. Any thread may ask."""
        return {token.hash for token, *_ in list(self._lanes)}

    @property
    def full(self) -> bool:
        """Whether no further stream may be opened."""
        return self.count >= self._limit

    def start(self) -> None:
        """Begin to serve, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.ended = False
        self._spawn(self._pulse())

    def changed(self) -> None:
        """There is a newer state. Any thread but the loop's may call it.

        Where there are streams it waits until they have been served, for at most `LEAD` seconds: what the caller does
        next would take the interpreter away from them.
        """
        loop = self._loop
        if loop is None:
            return
        self._served.clear()
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
            loop.call_soon_threadsafe(self._tell)
            if self.count:
                self._served.wait(LEAD)

    def end(self) -> None:
        """End all streams and open no more: the process is about to stop."""
        self.ended = True
        for lane in list(self._lanes.values()):
            for stream in list(lane.streams):
                self._end(stream)

    async def stop(self) -> None:
        """End all streams, and whatever of this runs."""
        self.end()
        self._loop = None
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def serve(
        self,
        token: Token,
        query: Query,
        who: Who | None,
        known: int | None,
        receive: Receive,
        send: Send,
        *,
        talk: Talk = RULES,
    ) -> None:
        """Run one stream until its client leaves or it is ended; the response has started already.

        `known` is the event that the client has, None when it has none. Propagation is followed to those who get
        rules; `who` says which of an application's instances it is.
        """
        lane = self._lanes.setdefault((token, query, talk), Lane(token, query, talk))
        token, query = lane.token, lane.query  # thousands of streams need no token and query each
        self._beat = (self._beat + 1) % KEEP_ALIVE
        held = None if known is None else (self._feed.latest.revision(query)[0], known)
        instance = self._tracker.joined(who, token, query, held) if talk is RULES else None
        stream = Stream(lane, send, self._beat, instance)
        del who
        lane.streams.add(stream)
        self._beats[stream.beat].add(stream)
        self.count += 1
        try:
            await self._carefully(stream, self._greet(stream, known))
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            stream.over = True
            if instance is not None:
                self._tracker.left(instance)
            self.count -= 1
            self._beats[stream.beat].discard(stream)
            lane.streams.discard(stream)
            if not lane.streams:
                self._lanes.pop((token, query, talk), None)

    async def _greet(self, stream: Stream, known: int | None) -> None:
        """The first event. What comes while it is sent is caught up with, so that nothing is missed."""
        latest, query, talk = self._feed.latest, stream.lane.query, stream.lane.talk
        if self.ended or not self._admitted(stream.lane):
            self._end(stream)
            return
        stream.position = max(talk.newest(latest, query), known or 0)
        self._told_of(stream, latest, known)
        for piece in talk.greeting(latest, query, known):
            await patiently(stream.send(body(piece)))
        await self._catch_up(stream)

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._spawn(self._broadcast())

    async def _broadcast(self) -> None:
        """Send what is new to all who lack it."""
        self._told = False  # what comes from now on needs a round of its own: this one may be past its streams
        self._refuse()
        served = 0
        for lane in list(self._lanes.values()):
            latest = self._feed.latest
            newest = lane.talk.newest(latest, lane.query)
            revision = latest.revision(lane.query)
            frames: dict[int, tuple[Message | Large | None, Revision | None]] = {}
            for stream in list(lane.streams):
                position = stream.position
                if stream.busy or stream.over or position >= newest:
                    continue
                if position not in frames:
                    given = lane.talk.given(latest, lane.query, position)
                    frames[position] = (_frame(lane, latest, position), given)
                frame, given = frames[position]
                if isinstance(frame, Large):
                    self._later(stream, self._catch_up(stream))
                else:
                    stream.position = newest
                    if frame is not None:
                        self._push(stream, frame)
                    if stream.instance is not None:
                        self._tracker.told(stream.instance, given, revision)
                served += 1
                if served % BATCH == 0:
                    await asyncio.sleep(0)
        await asyncio.sleep(0)  # the loop writes what it was given
        self._served.set()

    def _push(self, stream: Stream, message: Message) -> None:
        """Send without waiting; if it has to, a task does."""
        try:
            rest = step(stream.send, message)
        except OSError:
            self._drop(stream)
            return
        if rest is not None:
            self._later(stream, self._rest(stream, rest))

    async def _rest(self, stream: Stream, rest: Coroutine[Any, Any, None]) -> None:
        await patiently(rest)
        await self._catch_up(stream)

    async def _catch_up(self, stream: Stream) -> None:
        """Send until the stream has everything; then the next broadcast may have it."""
        query, talk = stream.lane.query, stream.lane.talk
        while not stream.over:
            latest = self._feed.latest
            pieces = talk.pieces(latest, query, stream.position)
            self._told_of(stream, latest, stream.position)
            stream.position = max(stream.position, talk.newest(latest, query))
            if pieces is None:
                break
            for piece in pieces:
                await patiently(stream.send(body(piece)))
        stream.busy = False

    def _told_of(self, stream: Stream, latest: Latest, known: int | None) -> None:
        """The stream's client, who has `known`, is sent what `latest` holds."""
        if stream.instance is not None:
            query = stream.lane.query
            given = stream.lane.talk.given(latest, query, known)
            self._tracker.told(stream.instance, given, latest.revision(query))

    def _later(self, stream: Stream, work: Coroutine[Any, Any, None]) -> None:
        stream.busy = True
        self._spawn(self._carefully(stream, work))

    async def _carefully(self, stream: Stream, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (Stalled, OSError):
            log.info("a stream to %s was dropped: its client takes nothing", stream.lane.query.environment)
            self._drop(stream)

    async def _pulse(self) -> None:
        """Once a second: the comments that are due, and tokens that have expired."""
        beat = 0
        while True:
            await asyncio.sleep(1)
            beat = (beat + 1) % KEEP_ALIVE
            self._refuse()
            for stream in list(self._beats[beat]):
                if not (stream.busy or stream.over):
                    self._push(stream, _COMMENT)

    def _refuse(self) -> None:
        """End the streams of tokens that count no more."""
        for lane in list(self._lanes.values()):
            if not self._admitted(lane):
                for stream in list(lane.streams):
                    self._end(stream)

    def _admitted(self, lane: Lane) -> bool:
        now = self._feed.latest.state.tokens.get(lane.token.hash)
        return now is not None and now.alike(lane.token) and not now.expired(self._clock())

    def _end(self, stream: Stream) -> None:
        """End the response; one that is in the middle of something is cut off."""
        if stream.over:
            return
        if stream.busy:
            self._drop(stream)
            return
        stream.over = True
        with suppress(OSError):
            rest = step(stream.send, _END)
            if rest is not None:
                rest.close()
                abort(stream.send)

    def _drop(self, stream: Stream) -> None:
        stream.over = True
        abort(stream.send)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps tasks by weak references only
        task.add_done_callback(self._tasks.discard)


def _frame(lane: Lane, latest: Latest, position: int) -> Message | Large | None:
    """The update for all who are at `position`, or that it has to go in pieces."""
    try:
        return lane.talk.update(latest, lane.query, position)
    except Large as large:
        return large
