"""What was published lately: the ring from which deltas and streams are answered (wire contracts, 3.2)."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ensign.delivery.published import dumps

log = logging.getLogger("ensign.delivery")

MAX_CHANGES = 500
"""Publications of the installation that are read at the start, and bound of each ring."""
MAX_BYTES = 1024 * 1024
"""Bound of one ring. A client that is further behind gets everything anew."""

Place = tuple[str, str]
"""(project, environment)."""

FLAG_UPDATED, FLAG_REMOVED = "feature-updated", "feature-removed"
SEGMENT_UPDATED, SEGMENT_REMOVED = "segment-updated", "segment-removed"


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """A row of `publishing_revision`. `delta` is None when it is too large to be worth keeping."""

    number: int
    epoch: int
    project: str
    environment: str
    delta: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One event as bytes, with its id; `flag` or `segment` is what it is about, `uses` the segments of the flag."""

    kind: str
    body: bytes
    flag: str = ""
    segment: int = 0
    uses: frozenset[int] = frozenset()

    @classmethod
    def read(cls, raw: Mapping[str, Any], number: int) -> Event:
        """From an event without `eventId`, which is `number`. Raises ValueError, KeyError, TypeError."""
        kind = raw["type"]
        body = dumps({"eventId": number, **raw})
        if kind == FLAG_UPDATED:
            strategies = raw["feature"].get("strategies") or ()
            uses = frozenset(int(id) for strategy in strategies for id in strategy.get("segments") or ())
            return cls(kind, body, flag=str(raw["feature"]["name"]), uses=uses)
        if kind == FLAG_REMOVED:
            return cls(kind, body, flag=str(raw["featureName"]))
        if kind == SEGMENT_UPDATED:
            return cls(kind, body, segment=int(raw["segment"]["id"]))
        if kind == SEGMENT_REMOVED:
            return cls(kind, body, segment=int(raw["segmentId"]))
        raise ValueError(f"an event of the unknown type {kind!r}")


@dataclass(frozen=True, slots=True)
class Change:
    """What one publication changed."""

    number: int
    events: tuple[Event, ...]
    size: int

    @classmethod
    def read(cls, row: RevisionRow) -> Change | None:
        """From a row; None when it cannot be told in events."""
        if row.delta is None:
            return None
        try:
            events = tuple(Event.read(raw, row.number) for raw in json.loads(row.delta))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.exception("the delta of revision %d cannot be read; clients get everything anew", row.number)
            return None
        return cls(row.number, events, sum(len(event.body) for event in events))

    def text(self) -> str:
        """The delta again, as `read` takes it; its events carry their id already."""
        return "[" + ",".join(event.body.decode() for event in self.events) + "]"


@dataclass(frozen=True, slots=True)
class Ring:
    """The changes of one project and environment, oldest first: all whose number is above `floor`."""

    floor: int
    changes: tuple[Change, ...] = ()

    def added(self, row: RevisionRow) -> Ring:
        """With one more publication, and without the oldest where that is too much."""
        change = Change.read(row)
        if change is None:
            return Ring(row.number)
        kept, floor = (*self.changes, change), self.floor
        while len(kept) > MAX_CHANGES or sum(item.size for item in kept) > MAX_BYTES:
            floor, kept = kept[0].number, kept[1:]
        return Ring(floor, kept)


@dataclass(frozen=True, slots=True)
class History:
    """The rings by place: complete for the numbers above `floor`, up to and with `covered`, of one epoch."""

    epoch: int = 0
    floor: int = 0
    covered: int = 0
    rings: Mapping[Place, Ring] = field(default_factory=lambda: MappingProxyType({}))

    def ring(self, place: Place) -> Ring:
        """The ring of one place."""
        return self.rings.get(place) or Ring(self.floor)

    def advanced(self, rows: Sequence[RevisionRow], *, floor: int, covered: int) -> History:
        """With `rows`, oldest first, which hold every publication from above `floor` up to `covered`.

        A new epoch forgets what was before: ids carry no epoch, and a client that saw what a restore took back must
        get everything anew.
        """
        history = self if floor <= self.covered and self.covered else History(floor=floor)
        rings, epoch, least = dict(history.rings), history.epoch, history.floor
        for row in rows:
            if row.number <= history.covered:
                continue
            if row.epoch > epoch:
                least = least if not epoch and row is rows[0] else row.number - 1
                rings, epoch = {}, row.epoch
            place = (row.project, row.environment)
            rings[place] = (rings.get(place) or Ring(least)).added(row)
        if history is self and covered <= self.covered and not rows:
            return self
        return History(epoch, least, max(covered, history.covered), MappingProxyType(rings))

    def rows(self, places: Collection[Place], since: int = 0) -> list[RevisionRow]:
        """The publications above `since` in `places`, oldest first, for a node that keeps a history of its own.

        What a ring has forgotten becomes a row without a delta: whoever would need it gets everything anew there, too.
        """
        found: list[RevisionRow] = []
        for place in places:
            ring = self.rings.get(place)
            if ring is None:
                continue
            if ring.floor > max(since, self.floor):
                found.append(RevisionRow(ring.floor, self.epoch, *place, None))
            found += [
                RevisionRow(change.number, self.epoch, *place, change.text())
                for change in ring.changes
                if change.number > since
            ]
        return sorted(found, key=lambda row: row.number)
