"""What ran where and when, read from the log; and what the runs of tests say."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.audit.models import Document, Entry, Governed, Touch
from ensign.control.flags.domain import FlagConfig
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.kernel import clock
from ensign.control.progression.domain.periods import Event, Period, flag_periods, segment_periods
from ensign.control.progression.domain.runs import Run, Subject
from ensign.control.progression.models import ReportedRun
from ensign.control.segments.domain import Constraint, SegmentConfig
from ensign.control.segments.models import Segment, SegmentEnvironment


def mapped(project: str) -> frozenset[str]:
    """Keys of the project's environment-mapped segments."""
    rows = Segment.objects.filter(project=project, content__contains='"mapped":true')
    return frozenset(str(row.key) for row in rows if row.state.get("mapped"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One version of a governed row: the entry that wrote it and the state, None when that was redacted."""

    seq: int
    at: datetime
    emergency: bool
    state: dict[str, Any] | None


def _versions(row: Governed, *, since: datetime) -> list[_Version]:
    """The versions that were in force at ``since`` or later, oldest first."""
    touches = Touch.objects.filter(object=row.object_name).order_by("-version").values_list("seq", "after")
    kept: list[tuple[int, str]] = []
    entries: dict[int, tuple[str, str | None]] = {}
    while not entries or clock.parse(entries[kept[-1][0]][0]) > since:
        chunk = list(touches[len(kept) : len(kept) + 50])
        if not chunk:
            break
        found = Entry.objects.filter(pk__in=[seq for seq, _ in chunk]).values_list("pk", "ts", "mode")
        entries |= {seq: (ts, mode) for seq, ts, mode in found}
        kept += chunk
    contents = dict(Document.objects.filter(pk__in=[after for _, after in kept]).values_list("pk", "content"))
    return [
        _Version(
            seq=seq,
            at=clock.parse(entries[seq][0]),
            emergency=entries[seq][1] == "break-glass",
            state=None if (text := contents.get(after)) is None else json.loads(text),
        )
        for seq, after in reversed(kept)
    ]


def _events(row: Governed | None, *, since: datetime, made: Callable[[_Version], Event]) -> list[Event]:
    return [] if row is None else [made(version) for version in _versions(row, since=since)]


def _config(version: _Version) -> Event:
    config = None if version.state is None else FlagConfig.from_state(version.state)
    return Event(seq=version.seq, at=version.at, config=config, emergency=version.emergency)


def _shared(version: _Version) -> Event:
    gone = version.state is None or bool(version.state["archived"])
    return Event(seq=version.seq, at=version.at, archived=gone, emergency=version.emergency)


def _segment(key: str) -> Callable[[_Version], Event]:
    def made(version: _Version) -> Event:
        constraints = None if version.state is None else SegmentConfig.from_state(version.state).constraints
        return Event(seq=version.seq, at=version.at, segment=(key, constraints), emergency=version.emergency)

    return made


def _content_row(project: str, environment: str, segment: str) -> SegmentEnvironment | None:
    return SegmentEnvironment.objects.filter(project=project, environment=environment, segment=segment).first()


def periods_of(
    subject: Subject, *, project: str, environment: str, since: datetime, mapped_keys: Collection[str]
) -> tuple[Period, ...]:
    """What of a flag or segment ran in an environment from ``since`` on, oldest first."""
    if subject.kind == "segment":
        row = _content_row(project, environment, subject.key)
        return segment_periods(_events(row, since=since, made=_segment(subject.key)))
    content = FlagEnvironment.objects.filter(project=project, environment=environment, flag=subject.key).first()
    events = _events(content, since=since, made=_config)
    if not events:
        return ()
    events += _events(Flag.objects.filter(project=project, key=subject.key).first(), since=since, made=_shared)
    used = {key for e in events if e.config is not None for s in e.config.strategies for key in s.segments}
    for key in sorted(used - set(mapped_keys)):
        events += _events(_content_row(project, environment, key), since=since, made=_segment(key))
    return flag_periods(events, mapped=mapped_keys)


def contents(project: str, environment: str, segments: Iterable[str]) -> dict[str, tuple[Constraint, ...]]:
    """The constraints of segments in an environment as they are; those that have none there are left out."""
    rows = SegmentEnvironment.objects.filter(project=project, environment=environment, segment__in=set(segments))
    return {str(row.segment): SegmentConfig.from_state(row.state).constraints for row in rows}


def runs_of(subject: Subject, *, project: str, digest: str | None = None) -> list[Run]:
    """The test runs of a flag or segment, oldest first; of one configuration, or of all."""
    rows = ReportedRun.objects.filter(project=project, kind=subject.kind, key=subject.key)
    if digest is not None:
        rows = rows.filter(digest=digest)
    return [Run.from_state(row.pk, row.state) for row in rows.order_by("id")]


def newest_runs(subject: Subject, *, project: str, limit: int) -> Sequence[Run]:
    """The newest test runs of a flag or segment, newest first."""
    rows = ReportedRun.objects.filter(project=project, kind=subject.kind, key=subject.key)
    return [Run.from_state(row.pk, row.state) for row in rows.order_by("-id")[:limit]]


def runs_by_id(ids: Iterable[str]) -> list[Run]:
    """Test runs by their ids, oldest first; an id that there is not is left out."""
    return [Run.from_state(row.pk, row.state) for row in ReportedRun.objects.filter(pk__in=list(ids)).order_by("id")]
