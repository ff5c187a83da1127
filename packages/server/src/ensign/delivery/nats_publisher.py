"""Puts what a node holds into a NATS bucket, for edges that follow it there. Apart, as nats-py is an extra.

Several servers may publish into one bucket: a record is only replaced by a newer one, and by the record that it was
compared with. What NATS loses is put there again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
import threading
from contextlib import suppress

import nats
from nats.errors import Error
from nats.js.client import JetStreamContext
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from ensign.delivery.feed import Feed
from ensign.delivery.held import Held
from ensign.delivery.nats_records import ALIVE, ROOM, Head, NatsPlace, Record, quiet, records

log = logging.getLogger("ensign.delivery")

BEAT = 5.0
"""Seconds between two signs of life, which only a node gives whose own source answers."""
RECONCILE = 6
"""Beats between looks at everything that should be in the bucket."""


def _states(held: Held, place: NatsPlace) -> bytes:
    return json.dumps(
        {f"env.{record.environment}": record.state for record in records(held, place.environments)}
    ).encode()


class NatsPublisher:
    """`start` and `stop` frame the thread; `changed` tells it that there is something new."""

    def __init__(self, feed: Feed, place: NatsPlace) -> None:
        self._feed = feed
        self._place = place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem = ""
        self._parts: dict[str, list[str]] = {}

    def start(self) -> None:
        """Begin to publish."""
        self._stopping.clear()
        self._feed.follow(self.changed)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="ensign-nats", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.changed()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def changed(self) -> None:
        """There is something new. Any thread may call it."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(wake.set)

    async def _run(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        while not self._stopping.is_set():
            try:
                await self._serve(self._wake)
            except (Error, OSError, TimeoutError) as problem:
                self._complain(problem)
            except Exception:  # a defect here must not end the thread: edges would be told nothing for ever
                log.exception("publishing to NATS stumbled and goes on")
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._wake.wait()

    async def _serve(self, wake: asyncio.Event) -> None:
        place = self._place
        connection = await nats.connect(
            place.url, name="ensign", allow_reconnect=False, connect_timeout=5,
            user_credentials=place.credentials or None, error_cb=quiet,
        )  # fmt: skip
        try:
            jetstream = connection.jetstream()
            bucket = await self._bucket(jetstream)
            held, beats = Held(), 0
            while not self._stopping.is_set() and not connection.is_closed:
                wake.clear()
                now = self._feed.held
                if self._feed.current:
                    if now is not held or beats % RECONCILE == 0:
                        while not await self._publish(jetstream, bucket, now, connection.max_payload - ROOM):
                            await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311  # jitter
                        held = now
                    await bucket.put(ALIVE, _states(now, self._place))
                    self._relieved()
                beats += 1
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT):
                        await wake.wait()
        finally:
            await connection.close()

    async def _bucket(self, jetstream: JetStreamContext) -> KeyValue:
        """The bucket; made where it is missing and this node may make it."""
        try:
            return await jetstream.key_value(self._place.bucket)
        except BucketNotFoundError:
            return await jetstream.create_key_value(bucket=self._place.bucket, history=1)

    async def _publish(self, jetstream: JetStreamContext, bucket: KeyValue, held: Held, limit: int) -> bool:
        """Replace what is older in the bucket. False when another server was quicker: then look again."""
        for record in records(held, self._place.environments):
            key = f"env.{record.environment}"
            try:
                entry = await bucket.get(key)
                head, last = Head.read(entry.value or b"")[0], entry.revision
            except KeyNotFoundError:
                head, last = Head((-1, -1), "", ""), 0
            except (ValueError, TypeError):  # not ours: replaced
                head, last = Head((-1, -1), "", ""), entry.revision
            if head.state == record.state or head.revision > record.revision:
                continue
            value = await self._value(bucket, record, limit)
            try:
                await bucket.update(key, value, last=last)
            except KeyWrongLastSequenceError:
                return False
            await self._forget(jetstream, record.environment, head, Head.read(value)[0])
        return True

    async def _value(self, bucket: KeyValue, record: Record, limit: int) -> bytes:
        body = await asyncio.to_thread(record.body)
        sha256 = hashlib.sha256(body).hexdigest()
        if len(body) <= limit:
            return Head(record.revision, record.state, sha256).line() + body
        keys: list[str] = []
        for start in range(0, len(body), limit):
            keys.append(f"part.{record.environment}.{sha256[:32]}.{len(keys)}")
            await bucket.put(keys[-1], body[start : start + limit])
        return Head(record.revision, record.state, sha256, tuple(keys)).line()

    async def _forget(self, jetstream: JetStreamContext, environment: str, old: Head, new: Head) -> None:
        """Remove parts of records that are two generations old: somebody may still be reading those of the last.

        The record that was replaced may be another server's; whoever replaces it sees to its parts.
        """
        kept = self._parts.setdefault(environment, [])
        for head in (old, new):
            if head.parts and head.sha256[:32] not in kept:
                kept.append(head.sha256[:32])
        while len(kept) > 2:
            subject = f"$KV.{self._place.bucket}.part.{environment}.{kept.pop(0)}.*"
            await jetstream.purge_stream(f"KV_{self._place.bucket}", subject=subject)

    def _complain(self, problem: BaseException) -> None:
        said = type(problem).__name__
        if said != self._problem:
            self._problem = said
            log.error("cannot publish to NATS at %s (%s); trying again", self._place.shown, said)

    def _relieved(self) -> None:
        if self._problem:
            log.warning("published to NATS again")
        self._problem = ""
