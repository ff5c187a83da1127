"""The source of an edge that follows a NATS bucket (`nats_records`). Apart, as nats-py is an extra."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error
from nats.errors import TimeoutError as NatsTimeout
from nats.js.kv import KeyValue

from ensign.delivery.nats_records import ALIVE, ENVIRONMENTS, Head, NatsPlace, quiet, unpacked
from ensign.delivery.source import Version
from ensign.delivery.source_lines import Line, LineSource, Wire
from ensign.delivery.uplink import UplinkError

PATIENCE = 15.0
"""Seconds without a sign of life after which what the bucket holds may be old."""


class NatsSource(LineSource):
    """Follows the environments of a bucket. A connection that breaks is not mended but made anew, and read from the
    start: what is known already is passed over, so that nothing depends on what was missed."""

    def __init__(self, place: NatsPlace, *, patience: float = PATIENCE) -> None:
        super().__init__(f"NATS at {place.shown}", patience)
        self._place = place

    def connect(self, known: Mapping[str, Version], since: int) -> Wire:  # noqa: ARG002  # everything is read anew
        """See `LineSource`."""
        return _BucketWire(self._place, self._patience)


class _BucketWire(Wire):
    """One connection, in a thread with an event loop of its own."""

    def __init__(self, place: NatsPlace, patience: float) -> None:
        super().__init__(place.shown)
        self._place = place
        self._patience = patience
        self._tokens: dict[str, list[dict[str, Any]]] = {}
        self._states: dict[str, str] = {}
        self._differs_since = 0.0
        self._alive = False
        self._heard_at = 0.0
        threading.Thread(target=lambda: asyncio.run(self._run()), name="ensign-delivery-nats", daemon=True).start()

    @property
    def doubt(self) -> str:
        """See `Wire`."""
        return f"{self._url}: no server has given a sign of life there" if self.cut_off else ""

    async def _run(self) -> None:
        try:
            await self._follow()
            end = UplinkError(f"{self._url}: the connection was closed")
        except UplinkError as problem:
            end = problem
        except (Error, OSError, TimeoutError) as problem:
            end = UplinkError(f"{self._url}: {type(problem).__name__}")
        except (ValueError, TypeError, KeyError) as problem:
            end = UplinkError(f"{self._url}: the bucket holds something that cannot be understood ({problem})")
        await asyncio.to_thread(self.put, end)

    async def _follow(self) -> None:
        place = self._place
        connection = await nats.connect(
            place.url, name="ensign-edge", allow_reconnect=False, connect_timeout=5, ping_interval=5,
            max_outstanding_pings=2, user_credentials=place.credentials or None, error_cb=quiet,
        )  # fmt: skip
        try:
            bucket = await connection.jetstream().key_value(place.bucket)
            since = await self._created(bucket)
            pulse = asyncio.get_running_loop().create_task(self._pulse(bucket, since))
            try:
                await self._records(connection, bucket, pulse)
            finally:
                pulse.cancel()
        finally:
            await connection.close()

    async def _created(self, bucket: KeyValue) -> int:
        """The revision of the last sign of life from before: only a later one says that somebody is there."""
        with suppress(Error):
            return (await bucket.get(ALIVE)).revision or 0
        return 0

    async def _pulse(self, bucket: KeyValue, before: int) -> None:
        """Take note of signs of life. Raises what ends the connection."""
        watcher = await bucket.watch(ALIVE)
        while True:
            with suppress(NatsTimeout):
                entry = await watcher.updates(timeout=1)  # type: ignore[no-untyped-call]  # nats-py's gap
                if entry is not None and (entry.revision or 0) > before:
                    self._heard_at = time.monotonic()
                    self._compare(json.loads(entry.value or b"{}"))

    def _compare(self, states: Mapping[str, str]) -> None:
        """Notice a record that was missed. Raises UplinkError when what is held differs for longer than patience."""
        if all(self._states.get(key) == state for key, state in states.items()):
            self._differs_since = 0.0
        elif not self._differs_since:
            self._differs_since = time.monotonic()
        elif time.monotonic() - self._differs_since > self._patience:
            raise UplinkError(f"{self._url}: something was missed; it is read anew")

    async def _records(self, connection: Client, bucket: KeyValue, pulse: asyncio.Task[None]) -> None:
        """Hand over what there is as one line, and then each record as it comes."""
        watcher = await bucket.watch(ENVIRONMENTS)
        first: list[Line] | None = []
        while not self.closed.is_set():
            if pulse.done():
                await pulse  # raises what it met
            await self._turn(told=first is None)
            try:
                entry = await watcher.updates(timeout=0.5)  # type: ignore[no-untyped-call]  # nats-py's gap
            except NatsTimeout:
                if connection.is_closed:
                    return
                continue
            if entry is None:
                # An empty bucket says nothing: a NATS that lost it is no reason to serve nobody any rules.
                if first:
                    await self._hand_over(first)
                first = None
            elif entry.value:
                line = await self._line(bucket, entry.key, entry.value)
                if first is None:
                    await self._hand_over([line])
                else:
                    first.append(line)

    async def _turn(self, *, told: bool) -> None:
        """Say when signs of life begin or end."""
        alive = self._heard_at > 0 and time.monotonic() - self._heard_at < self._patience
        if alive != self._alive:
            self._alive = alive
            if told:
                await asyncio.to_thread(self.put, {"current": alive})

    async def _line(self, bucket: KeyValue, key: str, value: bytes) -> Line:
        head, body = Head.read(value)
        if head.parts:
            # A part that is gone belongs to a record that was replaced: the error leads to a new beginning.
            found = [await bucket.get(part) for part in head.parts]
            body = b"".join([part.value or b"" for part in found])
        line = await asyncio.to_thread(unpacked, head, body)
        self._tokens[key], self._states[key] = line["tokens"], head.state
        return line

    async def _hand_over(self, lines: list[Line]) -> None:
        rows = [row for line in lines for row in line["revisions"]]
        tokens = [row for held in self._tokens.values() for row in held]
        joined: Line = {
            "current": self._alive,
            "versions": {id: version for line in lines for id, version in line["versions"].items()},
            "contents": {id: content for line in lines for id, content in line["contents"].items()},
            "revisions": sorted(rows, key=lambda row: int(row[0])),
            "floor": max((line["floor"] for line in lines), default=0),
            "number": max((line["number"] for line in lines), default=0),
            "tokens": tokens,
        }
        await asyncio.to_thread(self.put, joined)
