"""One publication on its way: who was there when it came, who runs it by now, and how long that took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from ensign.delivery.instances import Instance
from ensign.delivery.published import Revision
from ensign.delivery.reach import POLLING, STREAMING, Group, Reach, bounded, rounded
from ensign.delivery.state import Place

WAIT = 300.0
"""Seconds after a publication in which it is watched."""

GroupKey = tuple[str, str, str]


@dataclass(slots=True)
class Tally:
    """Instances that run it, by group, and after how long."""

    running: dict[GroupKey, int] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    slowest: dict[GroupKey, int] = field(default_factory=dict)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The times with their counts, in order."""
        return tuple(sorted(self.times.items()))

    def add(self, group: GroupKey, ms: float) -> None:
        """One more."""
        ms = max(0.0, ms)
        self.running[group] = self.running.get(group, 0) + 1
        self.times[rounded(ms)] = self.times.get(rounded(ms), 0) + 1
        self.slowest[group] = max(self.slowest.get(group, 0), int(ms + 0.999))

    @property
    def last(self) -> int | None:
        """Milliseconds to the last of all."""
        return max(self.slowest.values(), default=None)


class Spreading:
    """A publication of one place, among the instances that were there `began` (monotonic; `began_at` by the clock)."""

    def __init__(self, place: Place, revision: Revision, *, since: int, began: float, began_at: datetime) -> None:
        self.place = place
        self.revision = revision
        self.since = since
        self.began = began
        self.began_at = began_at
        self.here = Tally()
        self.elsewhere: dict[str, Tally] = {}
        self.ended = False
        self.news = True
        self._said: list[Reach] = []
        self._there: dict[GroupKey, int] = {}
        self._waiting: dict[Instance, GroupKey] = {}
        self._relayed: set[tuple[str, str]] = set()
        self._left = 0
        self._interval = 0.0

    def begin(self, instances: Iterable[Instance]) -> None:
        """Take down who was there. Called when the streams have been served, which comes first."""
        for instance in instances:
            if instance.joined <= self.began and instance.sees(self.place):
                group = (instance.app, instance.sdk, instance.mode)
                self._there[group] = self._there.get(group, 0) + 1
                self._waiting[instance] = group
                if instance.mode == POLLING:
                    self._interval = max(self._interval, instance.interval)
                self.runs(instance)

    def runs(self, instance: Instance) -> None:
        """Look at an instance again: does it run this by now?"""
        if instance.running >= self.revision:
            group = self._waiting.pop(instance, None)
            if group is not None:
                self.here.add(group, (instance.running_at - self.began) * 1000)
                self.news = True

    def relay(self, node: str, key: tuple[str, str], group: GroupKey, at: float) -> None:
        """An instance whose stream `node` holds says here that it runs this since `at`."""
        if key not in self._relayed:
            self._relayed.add(key)
            self.elsewhere.setdefault(node, Tally()).add(group, (at - self.began) * 1000)
            self.news = True

    def left(self, instance: Instance) -> None:
        """An instance has ended. One that did not run this yet is one that it need not reach."""
        group = self._waiting.pop(instance, None)
        if group is not None:
            self._there[group] -= 1
            self._left += 1
            self.news = True

    def old(self, at: float) -> bool:
        """Whether it need not be watched any longer."""
        return self.ended or at - self.began > WAIT

    def reports(self, node: str, at: float, said_at: datetime) -> list[Reach]:
        """How far it has come, where that is news."""
        for instance in tuple(self._waiting):
            self.runs(instance)
        self.news = False
        final = self.old(at) or not any(_may_confirm(i, self.revision) for i in self._waiting)
        found = [self._report(node, said_at, final=final)]
        found += [self._relayed_report(node, holder, tally, said_at) for holder, tally in self.elsewhere.items()]
        said = {replace(report, said_at=said_at) for report in self._said}
        self._said = found
        return [report for report in found if report not in said]

    def _report(self, node: str, said_at: datetime, *, final: bool) -> Reach:
        sent: dict[GroupKey, int] = {}
        for instance, group in self._waiting.items():
            if instance.sent >= self.revision:
                sent[group] = sent.get(group, 0) + 1
        groups = [
            Group(*key, there, self.here.running.get(key, 0), sent.get(key, 0), self.here.slowest.get(key))
            for key, there in self._there.items()
            if there
        ]
        return Reach(
            node, node, *self.place, self.revision, self.since, self.began_at, said_at, bounded(groups),
            self.here.pairs, self.here.last, self._left, int(self._interval + 0.999), final,
        )  # fmt: skip

    def _relayed_report(self, node: str, holder: str, tally: Tally, said_at: datetime) -> Reach:
        groups = bounded(
            Group(*key, running=count, slowest_ms=tally.slowest[key]) for key, count in tally.running.items()
        )
        return Reach(
            holder, node, *self.place, self.revision, self.since, self.began_at, said_at, groups, tally.pairs,
            tally.last,
        )  # fmt: skip


def _may_confirm(instance: Instance, revision: Revision) -> bool:
    """Whether it is still to show that it runs `revision`; a stream of an SDK that says nothing can only be sent it."""
    if instance.sent < revision:
        return True
    # One that polled once may yet name what it has; one that named nothing twice never will.
    return instance.confirms or (instance.mode != STREAMING and instance.asked < 2)
