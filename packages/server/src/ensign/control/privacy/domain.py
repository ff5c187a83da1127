"""Rules of erasing, and finding names in texts. Pure; no Django."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

#: soc2-evidence: a year of audit, the fieldwork after it, and the year to compare with.
KEEP_MONTHS: Final = 24
KEEP_MONTHS_MAX: Final = 120
#: How long an erasure waits for the second person.
OPEN_FOR: Final = timedelta(days=14)
#: What stands where a name stood.
INSTEAD: Final = "[erased]"

Status = Literal["asked", "withdrawn", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureView:
    """An erasure as it stands. ``open_until`` is when it has to be asked for anew."""

    id: str
    person: str
    asked_by: str
    asked_at: datetime
    early: bool
    status: Status
    ended_by: str | None
    ended_at: datetime | None
    remaining: tuple[str, ...]
    version: int

    @property
    def open_until(self) -> datetime:
        """The end of the time for the second person."""
        return self.asked_at + OPEN_FOR

    def open(self, *, at: datetime) -> bool:
        """Whether somebody else can still confirm it."""
        return self.status == "asked" and at < self.open_until


def months_later(start: datetime, months: int) -> datetime:
    """The same day ``months`` later, or the last day of a shorter month."""
    year, month = divmod(start.month - 1 + months, 12)
    for day in (start.day, 30, 29, 28):
        try:
            return start.replace(year=start.year + year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


@dataclass(frozen=True, slots=True)
class Needles:
    """What to look for in texts: addresses, and names of at least two words. A single word is too common to be taken
    for somebody's name."""

    words: tuple[str, ...]

    @staticmethod
    def of(*, emails: Iterable[str], names: Iterable[str]) -> Needles:
        """The needles of somebody's present and former addresses and names, longest first."""
        found = {email.strip() for email in emails if email} | {name for name in names if len(name.split()) > 1}
        return Needles(tuple(sorted(found, key=lambda word: (-len(word), word))))

    def found_in(self, text: str) -> bool:
        """Whether any of them stands in ``text`` as words of their own, in upper or lower case."""
        return any(pattern.search(text) for pattern in self._patterns())

    def taken_out(self, text: str) -> str:
        """``text`` with all of them replaced."""
        for pattern in self._patterns():
            text = pattern.sub(INSTEAD, text)
        return text

    def _patterns(self) -> Iterable[re.Pattern[str]]:
        for word in self.words:
            yield re.compile(rf"(?<![\w.+-]){re.escape(word)}(?![\w-]|\.\w)", re.IGNORECASE)
