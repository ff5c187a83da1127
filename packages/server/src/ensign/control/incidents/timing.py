"""How long it took to detect, mitigate and resolve: medians and tails that say on how few they rest. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ensign.control.incidents.states import Incident

#: Fewer than these have no ninetieth percentile worth the name: their slowest is told instead.
ENOUGH: Final = 10

Kind = Literal["detect", "mitigate", "resolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Durations of ``n`` incidents. ``median`` None: nothing to measure; ``p90`` None: too few (:data:`ENOUGH`).

    ``left_out``: incidents that have no such duration (not resolved yet, or nobody knows when it began).
    """

    kind: Kind
    n: int
    left_out: int
    median: timedelta | None
    p90: timedelta | None
    slowest: timedelta | None

    @property
    def honest(self) -> str:
        """What to make of the numbers, in a sentence; empty where they speak for themselves."""
        if self.n == 0:
            return "Nothing to measure."
        if self.n < ENOUGH:
            return f"Only {self.n}: each one moves the median, and there is no 90th percentile of so few."
        return ""


def durations(incidents: Iterable[Incident], kind: Kind) -> tuple[list[timedelta], int]:
    """How long each took, and how many have no such duration.

    Detecting counts from when the harm began, where that is known; mitigating and resolving from the detection.
    """
    found: list[timedelta] = []
    without = 0
    for one in incidents:
        begin = one.began_at if kind == "detect" else one.detected_at
        end = {"detect": one.detected_at, "mitigate": one.mitigated_at, "resolve": one.resolved_at}[kind]
        if begin is None or end is None:
            without += 1
        else:
            found.append(end - begin)
    return found, without


def measure(incidents: Sequence[Incident], kind: Kind) -> Measure:
    """The measure of one kind."""
    found, without = durations(incidents, kind)
    return Measure(
        kind=kind,
        n=len(found),
        left_out=without,
        median=median(found),
        p90=quantile(found, 0.9) if len(found) >= ENOUGH else None,
        slowest=max(found, default=None),
    )


def measures(incidents: Sequence[Incident]) -> tuple[Measure, ...]:
    """All three."""
    return measure(incidents, "detect"), measure(incidents, "mitigate"), measure(incidents, "resolve")


def median(values: Sequence[timedelta]) -> timedelta | None:
    """The middle one, or the mean of the two in the middle."""
    ordered = sorted(values)
    if not ordered:
        return None
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def quantile(values: Sequence[timedelta], share: float) -> timedelta | None:
    """The least value that at least ``share`` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return None
    return next(value for rank, value in enumerate(ordered, 1) if rank >= share * len(ordered))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many of all applied changes were emergencies."""

    emergencies: int
    changes: int

    @property
    def share(self) -> float:
        """Between 0 and 1; 0 without any change."""
        return self.emergencies / self.changes if self.changes else 0.0

    @property
    def level(self) -> Literal["fine", "often", "redesign"]:
        """More than one in twenty says that the policy is in the way, more than one in ten that it does not work."""
        if self.share > 0.10:
            return "redesign"
        return "often" if self.share > 0.05 else "fine"
