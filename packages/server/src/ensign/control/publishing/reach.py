"""Propagation, added up over nodes and said in words. Pure.

A count is a claim about running systems, so each says what it rests on: an instance *runs* a revision when it confirmed
it or asked with it in hand; one that was *sent* it over a stream, by an SDK that confirms nothing, is counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

WAIT: Final = timedelta(minutes=5)
"""How long a publication is watched."""
FRESH: Final = timedelta(seconds=150)
"""How old the census of a node may be; one that says nothing for so long is gone."""
UNKNOWN: Final = "Nothing is known about who took it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Instances of one application with one SDK and mode (``streaming`` or ``polling``).

    ``slowest_ms``: to the last of those that run it, from where the report counts; None where none is known to, or a
    node does not say. In a :class:`ReachView` it counts from ``published_at``.
    """

    app: str
    sdk: str
    mode: str
    instances: int
    running: int
    sent: int
    slowest_ms: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells groups apart."""
        return (self.app, self.sdk, self.mode)

    @property
    def missing(self) -> int:
        """How many neither run it nor were sent it."""
        return self.instances - self.running - self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What ``reporter`` said about the instances of ``node``; see the table."""

    node: str
    reporter: str
    since: int
    began_at: datetime
    groups: tuple[Group, ...]
    times: Mapping[int, int]
    slowest_ms: int | None
    gone: int
    within: int
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachView:
    """How far one publication has come in its environment.

    ``published_at`` is the time of its entry: when the act that published it reached Ensign. ``ms``, ``p50_ms``,
    ``p90_ms`` and ``p99_ms`` count from there to the last, the median, the 90th and the 99th in a hundred of those that
    are known to run it.
    ``known``: a node has said something about it. ``settled``: no more is to be expected. ``gone`` instances ended
    before they ran it and are in no other number.
    """

    project: str
    environment: str
    epoch: int
    number: int
    since: int
    published_at: datetime
    instances: int
    running: int
    sent: int
    gone: int
    ms: int | None
    p50_ms: int | None
    p99_ms: int | None
    within: int
    known: bool
    settled: bool
    groups: tuple[Group, ...]
    entry: int | None = None
    p90_ms: int | None = None

    @property
    def missing(self) -> int:
        """How many neither run it nor were sent it."""
        return self.instances - self.running - self.sent

    @property
    def everywhere(self) -> bool:
        """Whether every instance that was connected is known to run it."""
        return self.running == self.instances > 0

    @property
    def behind(self) -> tuple[Group, ...]:
        """The groups in which some are not known to run it."""
        return tuple(group for group in self.groups if group.running < group.instances)

    @property
    def streaming(self) -> int:
        """Of all, how many hold a stream."""
        return sum(group.instances for group in self.groups if group.mode == "streaming")

    @property
    def polling(self) -> int:
        """Of all, how many ask from time to time."""
        return self.instances - self.streaming

    def last_ms(self, mode: str) -> int | None:
        """To the last of one mode that is known to run it; of all modes where a node does not tell them apart."""
        last = [group.slowest_ms for group in self.groups if group.mode == mode and group.running]
        return self.ms if last and None in last else max((ms for ms in last if ms is not None), default=None)

    @property
    def sentence(self) -> str:
        """The whole of it in a sentence or two."""
        if not self.known:
            return UNKNOWN if self.settled else "On its way."
        if not self.instances:
            return "No application was connected when this was published." if self.settled else "On its way."
        after = f" after {duration(self.ms)}" if self.ms is not None and self.running else ""
        text = f"Live on {self.running:,} of {self.instances:,} instance{'' if self.instances == 1 else 's'}"
        if self.everywhere:
            return f"{text}{after}."
        parts = [text if self.settled else f"{text} so far"]
        if self.settled and self.sent and not self.missing:
            parts[0] += after
        if self.sent:
            verb = "was" if self.sent == 1 else "were"
            parts.append(f"{self.sent:,} {verb} sent it" + (" and cannot confirm" if self.settled else ""))
        if self.missing:
            parts.append(self._missing())
        return "; ".join(parts) + "."

    def _missing(self) -> str:
        one = self.missing == 1
        if self.settled:
            return f"{self.missing:,} did not take it within {int(WAIT.total_seconds() // 60)} min"
        if self.within and self.missing == sum(group.missing for group in self.groups if group.mode == "polling"):
            return f"{self.missing:,} poll{'s' if one else ''} and take{'s' if one else ''} it within {self.within} s"
        return f"{self.missing:,} {'has' if one else 'have'} yet to take it"


def duration(ms: int | None) -> str:
    """Milliseconds as people say them: ``38 ms``, ``1.2 s``, ``3 min``."""
    if ms is None:
        return "an unknown time"
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    return f"{ms / 60_000:.1f} min"


def added_up(
    reports: Sequence[Report],
    *,
    project: str,
    environment: str,
    epoch: int,
    number: int,
    published_at: datetime,
    at: datetime,
    entry: int | None = None,
) -> ReachView:
    """One view out of what all nodes said.

    A node counts its own instances; what others heard of them is added to what it knows, and never more than there are.
    """
    own = [report for report in reports if report.node == report.reporter]
    known = {report.node for report in own}
    heard = [report for report in reports if report.node != report.reporter and report.node in known]
    groups: dict[tuple[str, str, str], Group] = {}
    for report in own:
        also = _running((r for r in heard if r.node == report.node), published_at)
        for group in _from(report, published_at):
            more = also.get(group.key)
            running = min(group.instances, group.running + (more.running if more else 0))
            last = _later(group.slowest_ms, more.slowest_ms if more else None)
            sent = min(group.sent, group.instances - running)
            counted = replace(group, running=running, sent=sent, slowest_ms=last)
            groups[group.key] = _sum(groups.get(group.key), counted)
    times: dict[int, int] = {}
    slowest: list[int] = []
    for report in (*own, *heard):
        shift = _shift(report, published_at)
        for ms, count in report.times.items():
            times[shift + ms] = times.get(shift + ms, 0) + count
        slowest += [] if report.slowest_ms is None else [shift + report.slowest_ms]
    instances, running = (sum(getattr(g, name) for g in groups.values()) for name in ("instances", "running"))
    over = at - published_at > WAIT + timedelta(seconds=30)
    # The quantiles are rounded up to two digits; the slowest is not.
    most = max(slowest, default=None)
    return ReachView(
        project=project, environment=environment, epoch=epoch, number=number,
        since=min((r.since for r in own), default=number), published_at=published_at,
        instances=instances, running=running, sent=sum(g.sent for g in groups.values()),
        gone=sum(r.gone for r in own), ms=most, p50_ms=_quantile(times, 0.5, most), p99_ms=_quantile(times, 0.99, most),
        within=max((r.within for r in own), default=0),
        known=bool(own), settled=over or (bool(own) and (all(r.final for r in own) or running == instances)),
        groups=tuple(sorted(groups.values(), key=lambda g: (-g.missing, -g.instances, g.key))), entry=entry,
        p90_ms=_quantile(times, 0.9, most),
    )  # fmt: skip


def _shift(report: Report, published_at: datetime) -> int:
    return max(0, round((report.began_at - published_at).total_seconds() * 1000))


def _from(report: Report, published_at: datetime) -> Iterable[Group]:
    """The groups, with times from the publication on."""
    shift = _shift(report, published_at)
    return (g if g.slowest_ms is None else replace(g, slowest_ms=g.slowest_ms + shift) for g in report.groups)


def _running(reports: Iterable[Report], published_at: datetime) -> dict[tuple[str, str, str], Group]:
    found: dict[tuple[str, str, str], Group] = {}
    for report in reports:
        for group in _from(report, published_at):
            found[group.key] = _sum(found.get(group.key), group)
    return found


def _later(one: int | None, other: int | None) -> int | None:
    return max((ms for ms in (one, other) if ms is not None), default=None)


def _sum(one: Group | None, other: Group) -> Group:
    if one is None:
        return other
    return replace(
        one, instances=one.instances + other.instances, running=one.running + other.running, sent=one.sent + other.sent,
        slowest_ms=_later(one.slowest_ms, other.slowest_ms),
    )  # fmt: skip


def _quantile(times: Mapping[int, int], share: float, most: int | None) -> int | None:
    """The time within which ``share`` of all had it; None when nobody is known to have it."""
    total, passed = sum(times.values()), 0
    for ms in sorted(times):
        passed += times[ms]
        if passed >= total * share:
            return ms if most is None else min(ms, most)
    return None
