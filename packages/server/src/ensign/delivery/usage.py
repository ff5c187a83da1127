"""Counting what SDKs report: sums per hour in memory, handed to a sink in the background. Never a context."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from ensign.delivery.impact import Impact
from ensign.delivery.reach import Reach, Slot
from ensign.delivery.recency import Recency

log = logging.getLogger("ensign.delivery")

MAX_ROWS = 100_000
"""Distinct keys between two flushes; what goes beyond is dropped, and how much is logged."""
MAX_INSTANCES = 10_000
SOON = 1.0
"""Seconds in which what happens about a publication is gathered."""
MAX_NODES = 1_000
"""Nodes below whose instances are told apart for one application."""


@dataclass(frozen=True, slots=True)
class CountKey:
    """What is counted. An empty `variant` stands for the flag itself."""

    project: str
    environment: str
    flag: str
    app_name: str
    hour: datetime
    variant: str
    known: bool


@dataclass(slots=True)
class Count:
    """How often `key` was answered yes and no."""

    key: CountKey
    yes: int = 0
    no: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """An application that reported: `project` is a key or `*`; `instances` were distinct within this hour."""

    project: str
    environment: str
    app_name: str
    sdk: str
    instances: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """What came in since the last batch. `refusals` counts refused requests by status and reason; `tokens` says when
    tokens were last used, by their hash, where that is news.

    `reach` says how far publications have come; unlike the counts, each replaces an earlier one of the same key.
    """

    counts: tuple[Count, ...]
    applications: tuple[Seen, ...]
    refusals: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, datetime] = field(default_factory=dict)
    reach: tuple[Reach, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.counts or self.applications or self.refusals or self.tokens or self.reach)


class Sink(Protocol):
    """Stores a batch; runs in a thread and may block. Whatever it raises, the batch is kept and tried again."""

    def __call__(self, batch: UsageBatch, /) -> None: ...


class Usage:
    """Adds up; `start` and `stop` frame the thread that flushes every `interval` seconds.

    `impact` holds what applications measure themselves, `recency` which tokens are in use.
    """

    def __init__(self, sink: Sink | None, *, interval: float = 10.0) -> None:
        self.impact = Impact()
        self.recency = Recency()
        self.reach: Callable[[], tuple[Reach, ...]] = tuple
        self._sink = sink
        self._interval = interval
        self._lock = threading.Lock()
        self._counts: dict[CountKey, Count] = {}
        self._applications: dict[tuple[str, str, str, str], Seen] = {}
        self._instances: dict[tuple[str, str, str, str], tuple[datetime, set[str]]] = {}
        self._below: dict[tuple[str, str, str, str], dict[str, tuple[datetime, int]]] = {}
        self._refusals: dict[str, int] = {}
        self._hour = datetime.min.replace(tzinfo=UTC)
        self._dropped = 0
        self._failing = False
        self._unsaid: dict[Slot, Reach] = {}
        self._heard: dict[Slot, Reach] = {}
        self._soon = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, key: CountKey, *, yes: int, no: int) -> None:
        """Add to a flag's or a variant's count."""
        with self._lock:
            row = self._counts.get(key)
            if row is None:
                if len(self._counts) >= MAX_ROWS:
                    self._dropped += 1
                    return
                row = self._counts[key] = Count(key)
            row.yes += yes
            row.no += no

    def seen(self, *, project: str, environment: str, app_name: str, sdk: str, instance: str, at: datetime) -> None:
        """An application's instance reported in. Instances are counted within the hour and not kept."""
        key = (project, environment, app_name, sdk)
        hour = _hour(at)
        with self._lock:
            self._turn(hour)
            since, instances = self._instances.get(key, (hour, set()))
            if since != hour:
                instances = set()
            if key not in self._instances and len(self._instances) >= MAX_ROWS:
                self._dropped += 1
                return
            if len(instances) < MAX_INSTANCES:
                instances.add(instance)
            self._instances[key] = (hour, instances)
            self._applications[key] = Seen(*key, self._all_instances(key, hour), at)

    def absorb(self, batch: UsageBatch, *, source: str, at: datetime) -> None:
        """Add what a node below counted, and said `at` this instant.

        Instances of an application are summed over nodes, `source` being one. When tokens were used is not for here.
        """
        if batch.reach:
            self.pass_on(batch.reach, at=at)
        for row in batch.counts:
            self.count(row.key, yes=row.yes, no=row.no)
        with self._lock:
            self._turn(_hour(at))
            for seen in batch.applications:
                key = (seen.project, seen.environment, seen.app_name, seen.sdk)
                hour = _hour(seen.last_seen)
                if key not in self._below and len(self._below) >= MAX_ROWS:
                    self._dropped += 1
                    continue
                nodes = self._below.setdefault(key, {})
                if source in nodes or len(nodes) < MAX_NODES:
                    nodes[source] = hour, seen.instances
                held = self._applications.get(key)
                latest = seen.last_seen if held is None else max(held.last_seen, seen.last_seen)
                self._applications[key] = Seen(*key, self._all_instances(key, hour), latest)
            for reason, number in batch.refusals.items():
                self._refusals[reason] = self._refusals.get(reason, 0) + number

    def _all_instances(self, key: tuple[str, str, str, str], hour: datetime) -> int:
        """Here and below, within this hour."""
        since, instances = self._instances.get(key, (hour, set()))
        nodes = self._below.get(key, {})
        for source in [source for source, (then, _) in nodes.items() if then < hour]:
            del nodes[source]
        return (len(instances) if since == hour else 0) + sum(number for _, number in nodes.values())

    def refused(self, reason: str, times: int = 1) -> None:
        """A request was refused, e.g. `401 unknown token`; or rules were, by an SDK, e.g. `sdk ruleset altered`."""
        with self._lock:
            self._refusals[reason] = self._refusals.get(reason, 0) + times

    def pass_on(self, reports: Iterable[Reach], *, at: datetime) -> None:
        """Hand on what a node below says about reach, heard `at`."""
        with self._lock:
            for row in reports:
                if row.slot in self._heard or len(self._heard) < MAX_ROWS:
                    self._heard[row.slot] = row.heard(at)
        self._soon.set()

    def soon(self) -> None:
        """There is something about reach: hand it over within `SOON` seconds. Any thread may call it."""
        self._soon.set()

    def start(self) -> None:
        """Begin to flush, if there is a sink."""
        if self._sink is not None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="ensign-delivery-usage", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Flush a last time and end the thread."""
        self._stop.set()
        self._soon.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
            self.flush()

    def flush(self, *, counts: bool = True) -> bool:
        """Hand over what there is, or what is about reach alone; False when the sink failed, and then all is kept."""
        batch = self._take() if counts else UsageBatch((), ())
        batch = replace(batch, reach=self._reached())
        if self._sink is None or not batch:
            return True
        try:
            self._sink(batch)
        except Exception as problem:  # a sink may fail in any way; delivery goes on and tries again
            if not self._failing:
                log.error("usage cannot be stored (%s); it is kept and tried again", type(problem).__name__)
            self._failing = True
            self._restore(batch)
            return False
        if self._failing:
            log.warning("usage is stored again")
        self._failing = False
        return True

    def _run(self) -> None:
        due = time.monotonic() + self._interval
        while not self._stop.is_set():
            self._soon.wait(max(0.0, due - time.monotonic()))
            if self._soon.is_set():
                self._soon.clear()
                self._stop.wait(min(SOON, self._interval))
            if not self._stop.is_set():
                late = time.monotonic() >= due
                self.flush(counts=late)
                due = time.monotonic() + self._interval if late else due

    def _reached(self) -> tuple[Reach, ...]:
        """What is to be said about reach, with what could not be said before and is still true."""
        said, self._unsaid = self._unsaid, {}
        with self._lock:
            said |= self._heard
            self._heard = {}
        said |= {row.slot: row for row in self.reach()}
        return tuple(said.values())

    def _take(self) -> UsageBatch:
        tokens = self.recency.take(datetime.now(UTC))
        with self._lock:
            counts, applications = tuple(self._counts.values()), tuple(self._applications.values())
            batch = UsageBatch(counts, applications, self._refusals, tokens=tokens)
            if self._dropped:
                log.warning("%d counts were dropped: more than %d rows between two flushes", self._dropped, MAX_ROWS)
            self._counts, self._applications, self._refusals, self._dropped = {}, {}, {}, 0
            return batch

    def _turn(self, hour: datetime) -> None:
        """Once an hour, forget instances of before: clients choose their names, and old ones must not fill it."""
        if hour <= self._hour:
            return
        self._hour = hour
        self._instances = {key: item for key, item in self._instances.items() if item[0] >= hour}
        self._below = {
            key: nodes for key, nodes in self._below.items() if any(then >= hour for then, _ in nodes.values())
        }

    def _restore(self, batch: UsageBatch) -> None:
        self._unsaid = {row.slot: row for row in batch.reach[:MAX_ROWS]}
        self.recency.restore(batch.tokens)
        for row in batch.counts:
            self.count(row.key, yes=row.yes, no=row.no)
        with self._lock:
            for seen in batch.applications:
                self._applications.setdefault((seen.project, seen.environment, seen.app_name, seen.sdk), seen)
            for reason, number in batch.refusals.items():
                self._refusals[reason] = self._refusals.get(reason, 0) + number


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
