"""Counting what SDKs report: sums per hour in memory, handed to a sink in the background. Never a context."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

log = logging.getLogger("ensign.delivery")

MAX_ROWS = 100_000
"""Distinct keys between two flushes; what goes beyond is dropped, and how much is logged."""
MAX_INSTANCES = 10_000


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
    """What came in since the last batch. `refusals` counts refused requests by status and reason."""

    counts: tuple[Count, ...]
    applications: tuple[Seen, ...]
    refusals: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts or self.applications or self.refusals)


class Sink(Protocol):
    """Stores a batch; runs in a thread and may block. Whatever it raises, the batch is kept and tried again."""

    def __call__(self, batch: UsageBatch, /) -> None: ...


class Usage:
    """Adds up; `start` and `stop` frame the thread that flushes every `interval` seconds."""

    def __init__(self, sink: Sink | None, *, interval: float = 10.0) -> None:
        self._sink = sink
        self._interval = interval
        self._lock = threading.Lock()
        self._counts: dict[CountKey, Count] = {}
        self._applications: dict[tuple[str, str, str, str], Seen] = {}
        self._instances: dict[tuple[str, str, str, str], tuple[datetime, set[str]]] = {}
        self._refusals: dict[str, int] = {}
        self._dropped = 0
        self._failing = False
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
        hour = at.replace(minute=0, second=0, microsecond=0)
        with self._lock:
            since, instances = self._instances.get(key, (hour, set()))
            if since != hour:
                instances = set()
            if key not in self._instances and len(self._instances) >= MAX_ROWS:
                self._dropped += 1
                return
            if len(instances) < MAX_INSTANCES:
                instances.add(instance)
            self._instances[key] = (hour, instances)
            self._applications[key] = Seen(*key, len(instances), at)

    def refused(self, reason: str, times: int = 1) -> None:
        """A request was refused, e.g. `401 unknown token`; or rules were, by an SDK, e.g. `sdk ruleset altered`."""
        with self._lock:
            self._refusals[reason] = self._refusals.get(reason, 0) + times

    def start(self) -> None:
        """Begin to flush, if there is a sink."""
        if self._sink is not None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="ensign-delivery-usage", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Flush a last time and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
            self.flush()

    def flush(self) -> bool:
        """Hand over what there is; False when the sink failed, and then everything is kept."""
        batch = self._take()
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
        while not self._stop.wait(self._interval):
            self.flush()

    def _take(self) -> UsageBatch:
        with self._lock:
            batch = UsageBatch(tuple(self._counts.values()), tuple(self._applications.values()), self._refusals)
            if self._dropped:
                log.warning("%d counts were dropped: more than %d rows between two flushes", self._dropped, MAX_ROWS)
            self._counts, self._applications, self._refusals, self._dropped = {}, {}, {}, 0
            return batch

    def _restore(self, batch: UsageBatch) -> None:
        for row in batch.counts:
            self.count(row.key, yes=row.yes, no=row.no)
        with self._lock:
            for seen in batch.applications:
                self._applications.setdefault((seen.project, seen.environment, seen.app_name, seen.sdk), seen)
            for reason, number in batch.refusals.items():
                self._refusals[reason] = self._refusals.get(reason, 0) + number
