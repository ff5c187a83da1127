"""The calendar of the demo: what happens when, in office hours, each act with the clock at its time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from ensign.control.kernel import clock

Act = Callable[[datetime], object]

_OPENS, _CLOSES = 8, 17


class Calendar:
    """Acts in the order of their times. What lies past ``end`` never happens: that is what is open today."""

    def __init__(self, *, rng: random.Random, begin: datetime, end: datetime) -> None:
        self.rng, self.begin, self.end = rng, begin, end
        self._acts: list[tuple[datetime, int, Act]] = []
        self._serial = itertools.count()

    def put(self, at: datetime, act: Act) -> None:
        """Have ``act(at)`` happen."""
        heapq.heappush(self._acts, (at, next(self._serial), act))

    def after(self, at: datetime, act: Act, *, least: timedelta, most: timedelta) -> None:
        """Have it happen some time later, in office hours."""
        self.put(self.working(at + least + (most - least) * self.rng.random()), act)

    def on_day(self, day: float, act: Act) -> None:
        """Have it happen on the working day ``day`` days after the beginning, at some hour of it."""
        at = self.begin + timedelta(days=day)
        hours = self.rng.triangular(_OPENS, _CLOSES, 11)
        self.put(self.working(at.replace(hour=0, minute=0, second=0) + timedelta(hours=hours)), act)

    def working(self, at: datetime) -> datetime:
        """``at``, moved to the next time at which people work (UTC, Monday to Friday)."""
        if at.hour >= _CLOSES:
            at = (at + timedelta(days=1)).replace(hour=_OPENS, minute=self.rng.randrange(60))
        elif at.hour < _OPENS:
            at = at.replace(hour=_OPENS, minute=self.rng.randrange(60))
        while at.weekday() >= 5:
            at += timedelta(days=1)
        return at

    def ago(self, hours: float) -> datetime:
        """The time so many working hours before the end: what waits today was done by day, whenever the demo starts."""
        at, left = _back_to_work(self.end), timedelta(hours=hours)
        while True:
            opened = at.replace(hour=_OPENS, minute=0, second=0, microsecond=0)
            if at - opened >= left:
                return at - left
            left -= at - opened
            at = _back_to_work(opened - timedelta(microseconds=1))

    def run(self, progress: Callable[[datetime], None]) -> None:
        """Let everything happen up to ``end``; acts may put further ones."""
        while self._acts and self._acts[0][0] <= self.end:
            at, _, act = heapq.heappop(self._acts)
            with clock.simulated(at):
                act(at)
            progress(at)


def _back_to_work(at: datetime) -> datetime:
    """``at``, moved back to when people last worked."""
    if at.hour < _OPENS:
        at = (at - timedelta(days=1)).replace(hour=_CLOSES, minute=0, second=0, microsecond=0)
    elif at.hour >= _CLOSES:
        at = at.replace(hour=_CLOSES, minute=0, second=0, microsecond=0)
    while at.weekday() >= 5:
        at = (at - timedelta(days=1)).replace(hour=_CLOSES, minute=0, second=0, microsecond=0)
    return at
