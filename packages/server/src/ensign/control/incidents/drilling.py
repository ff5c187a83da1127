"""Rehearsing a kill switch: the plan, what one rehearsal measured, and whether that was good enough. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.kernel import clock
from ensign.control.publishing.reach import ReachView, duration

EVERY: Final = (1, 366)
TARGET_MS: Final = (100, 600_000)
TARGET_DEFAULT: Final = 10_000
GRACE: Final = timedelta(days=2)
"""So long after its day a drill may be run before it is a finding."""
AGAIN: Final = timedelta(days=1)
"""When one that could not be run is tried again."""

Status = Literal["measuring", "passed", "failed", "inconclusive", "impossible"]

STATUSES: Final[Mapping[Status, str]] = {
    "measuring": "Measuring",
    "passed": "Passed",
    "failed": "Failed",
    "inconclusive": "Nobody to measure",
    "impossible": "Could not run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """That a kill switch is rehearsed ``every_days``. ``automatic``: Ensign runs it when it is due; else people do.

    ``target_ms``: by when everybody on a stream is to have it. ``last_at``: the last rehearsal that was carried out.
    """

    id: str
    version: int
    project: str
    environment: str
    flag: str
    every_days: int
    target_ms: int
    automatic: bool
    planned_by: str
    planned_at: datetime
    next_at: datetime
    last_at: datetime | None = None
    status: Literal["active", "ended"] = "active"

    @property
    def target(self) -> str:
        """``target_ms`` in words."""
        return duration(self.target_ms)

    def due(self, *, at: datetime) -> bool:
        """Whether Ensign is to run it now."""
        return self.status == "active" and self.automatic and self.next_at <= at

    def overdue(self, *, at: datetime) -> bool:
        """Whether it was not carried out for longer than the plan says."""
        last = self.last_at or self.planned_at
        return self.status == "active" and at > last + timedelta(days=self.every_days) + GRACE

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return _state(self, ("planned_at", "next_at", "last_at"))

    @staticmethod
    def from_state(id: str, version: int, state: Mapping[str, Any]) -> Plan:
        """The inverse of :meth:`to_state`."""
        return Plan(id=id, version=version, **_read(state, ("planned_at", "next_at", "last_at")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Instances of one mode: how many there were, run it, and were sent it without being able to confirm.

    ``last_ms``: from the press to the swap in the last of those that run it; None where none is known to.
    """

    instances: int = 0
    running: int = 0
    sent: int = 0
    last_ms: int | None = None

    @property
    def last(self) -> str:
        """``last_ms`` in words; empty where none is known to run it."""
        return "" if self.last_ms is None else duration(self.last_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One rehearsal.

    ``commit_ms``: from the press to the ruleset being ready to commit. ``p50_ms, p90_ms, all_ms``: from the press to
    the swap in half, nine in ten and the last of the instances that confirm, those that poll among them.
    Those on a stream are held against the target, those that poll against it and their interval: ``judged_by_ms`` is
    the longer of the two that applied. ``restore``: the request that switches on again; ``problem``: what stood in
    the way.
    """

    id: str
    version: int
    plan: str
    project: str
    environment: str
    flag: str
    status: Status
    started_by: str
    started_at: datetime
    target_ms: int
    request: str = ""
    kill: str = ""
    commit_ms: int | None = None
    p50_ms: int | None = None
    p90_ms: int | None = None
    all_ms: int | None = None
    judged_by_ms: int | None = None
    streaming: Counted = Counted()
    polling: Counted = Counted()
    interval_s: int = 0
    restore: str = ""
    problem: str = ""
    measured_at: datetime | None = None

    @property
    def stored(self) -> str:
        """``commit_ms`` in words; empty where it was not carried out."""
        return "" if self.commit_ms is None else duration(self.commit_ms)

    @property
    def took(self) -> str:
        """How long half, nine in ten and all of them took, of how long: ``213 ms, 4.2 s, 12.6 s; 25.0 s allowed``."""
        if self.all_ms is None:
            return ""
        said = ", ".join(duration(ms) for ms in (self.p50_ms, self.p90_ms, self.all_ms))
        return f"{said}; {duration(self.judged_by_ms)} allowed"

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            **_state(self, ("started_at", "measured_at")),
            "streaming": asdict(self.streaming),
            "polling": asdict(self.polling),
        }

    @staticmethod
    def from_state(id: str, version: int, state: Mapping[str, Any]) -> Drill:
        """The inverse of :meth:`to_state`."""
        read = _read(state, ("started_at", "measured_at"))
        counted = {name: Counted(**state[name]) for name in ("streaming", "polling")}
        return Drill(id=id, version=version, **{**read, **counted})


def measured(drill: Drill, reach: ReachView | None, *, at: datetime) -> Drill:
    """The drill with what is known of its propagation, and the judgement. ``reach`` None: nothing is known at all."""
    if reach is None or not reach.known or reach.instances == 0:
        return replace(
            drill, status="inconclusive", measured_at=at,
            problem="No application was connected, so nothing was measured but the time to commit.",
        )  # fmt: skip
    streaming, polling = (_counted(reach, mode) for mode in ("streaming", "polling"))
    judged_by = drill.target_ms + (reach.within * 1000 if polling.running else 0)
    found = replace(
        drill, measured_at=at, p50_ms=reach.p50_ms, p90_ms=reach.p90_ms, all_ms=reach.ms, judged_by_ms=judged_by,
        streaming=streaming, polling=polling, interval_s=reach.within,
    )  # fmt: skip
    missing = streaming.instances - streaming.running - streaming.sent
    if missing:
        return replace(found, status="failed", problem=f"{missing} on a stream did not take it.")
    if reach.ms is None:
        return replace(
            found, status="inconclusive", problem="Nobody could confirm: they were sent it, and that is all we know."
        )
    if streaming.last_ms is not None and streaming.last_ms > drill.target_ms:
        late = f"The last on a stream took {duration(streaming.last_ms)}, {duration(drill.target_ms)} were allowed."
        return replace(found, status="failed", problem=late)
    if reach.ms > judged_by:
        late = f"The last took {duration(reach.ms)}, {duration(judged_by)} were allowed."
        return replace(found, status="failed", problem=late)
    return replace(found, status="passed")


def _counted(reach: ReachView, mode: str) -> Counted:
    some = [group for group in reach.groups if group.mode == mode]
    return Counted(
        instances=sum(g.instances for g in some), running=sum(g.running for g in some), sent=sum(g.sent for g in some),
        last_ms=reach.last_ms(mode),
    )  # fmt: skip


def _state(value: Plan | Drill, times: tuple[str, ...]) -> dict[str, Any]:
    names = [name for name in value.__dataclass_fields__ if name not in {"id", "version"}]
    return {
        **{name: getattr(value, name) for name in names},
        **{name: None if (at := getattr(value, name)) is None else clock.text(at) for name in times},
    }


def _read(state: Mapping[str, Any], times: tuple[str, ...]) -> dict[str, Any]:
    return {**state, **{name: None if state[name] is None else clock.parse(state[name]) for name in times}}
