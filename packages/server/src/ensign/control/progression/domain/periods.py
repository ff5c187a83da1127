"""From the states that the log keeps to the periods in which one configuration ran without a break. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from ensign.control.flags.domain import FlagConfig
from ensign.control.progression.domain import digest as digests
from ensign.control.progression.domain.exposure import tried
from ensign.control.segments.domain import Constraint

#: How long after it ended a period still speaks for a configuration: the lower environment goes on to the next thing.
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What an entry of the log wrote: the flag's content (``config``), whether it is archived, a segment's content.

    Exactly one of ``config``, ``archived`` and ``segment`` is given, or none, when the flag's content of that time was
    redacted; of a redacted segment the constraints are None. Nothing is said of such a time. ``emergency``: by a change
    that was reviewed afterwards.
    """

    seq: int
    at: datetime
    config: FlagConfig | None = None
    archived: bool | None = None
    segment: tuple[str, tuple[Constraint, ...] | None] | None = None
    emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A configuration ran from ``since`` until ``until`` (None: it still does) without a break."""

    digest: str
    since: datetime
    until: datetime | None = None
    emergency: bool = False

    def length(self, *, at: datetime) -> timedelta:
        """For how long, as seen at ``at``."""
        return (at if self.until is None else self.until) - self.since

    def recent(self, *, at: datetime) -> bool:
        """Whether it runs or ended a short while ago."""
        return self.until is None or at - self.until <= RECENT

    def covers(self, start: datetime, end: datetime) -> bool:
        """Whether it ran for all of that time."""
        return self.since <= start and (self.until is None or end <= self.until)


def flag_periods(events: Iterable[Event], *, mapped: Collection[str] = ()) -> tuple[Period, ...]:
    """The periods of a flag in one environment, oldest first, from its events.

    ``mapped``: the segments that are environment-mapped *now*. What one entry wrote together counts as one moment.
    """
    config, archived = FlagConfig(), False
    segments: dict[str, tuple[Constraint, ...]] = {}
    found: list[Period] = []
    for _, group in groupby(sorted(events, key=lambda e: e.seq), key=lambda e: e.seq):
        moment = list(group)
        for event in moment:
            if event.archived is not None:
                archived = event.archived
            elif event.segment is not None:
                segments.pop(event.segment[0], None)
                if event.segment[1] is not None:
                    segments[event.segment[0]] = event.segment[1]
            else:
                config = FlagConfig() if event.config is None else event.config
        now = _running(config, segments, archived=archived, mapped=mapped)
        _go_on(found, now, at=moment[-1].at, emergency=any(e.emergency for e in moment))
    return tuple(found)


def segment_periods(events: Iterable[Event]) -> tuple[Period, ...]:
    """The periods of a segment's content in one environment, oldest first."""
    found: list[Period] = []
    for event in sorted(events, key=lambda e: e.seq):
        constraints = None if event.segment is None else event.segment[1]
        now = None if constraints is None else digests.segment_digest(constraints)
        _go_on(found, now, at=event.at, emergency=event.emergency)
    return tuple(found)


def _running(
    config: FlagConfig,
    segments: dict[str, tuple[Constraint, ...]],
    *,
    archived: bool,
    mapped: Collection[str],
) -> str | None:
    if archived or not tried(config):
        return None
    try:
        return digests.digest(config, segments, mapped=mapped)
    except KeyError:  # the segment's content of that time is not known
        return None


def _go_on(found: list[Period], now: str | None, *, at: datetime, emergency: bool) -> None:
    last = found[-1] if found and found[-1].until is None else None
    if last is not None and last.digest == now:
        return
    if last is not None:
        found[-1] = replace(last, until=at)
    if now is not None:
        found.append(Period(digest=now, since=at, emergency=emergency))


def as_of(periods: Iterable[Period], *, before: datetime) -> tuple[Period, ...]:
    """What had run until shortly before a moment of the past: what ended then or later still ran."""
    return tuple(
        replace(p, until=None if p.until is None or p.until >= before else p.until) for p in periods if p.since < before
    )


def of_digest(periods: Sequence[Period], digest: str) -> tuple[Period, ...]:
    """Those of one digest, the one that speaks loudest first: what still runs, then what ended last."""
    mine = [p for p in periods if p.digest == digest]
    return tuple(sorted(mine, key=lambda p: (p.until is not None, p.until is not None and -p.until.timestamp())))


def long_enough(periods: Sequence[Period], digest: str, *, hours: int, at: datetime) -> Period | None:
    """A period that meets a demand: of this digest, of at least so many hours, running or ended recently."""
    for period in of_digest(periods, digest):
        if period.recent(at=at) and period.length(at=at) >= timedelta(hours=hours):
            return period
    return None
