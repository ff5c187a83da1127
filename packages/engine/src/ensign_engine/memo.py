"""Remembering what a slow test answered, in bounded memory."""

from collections.abc import Callable

ENTRIES = 256
LONGEST = 128
"""A memo holds at most so many values, each of at most so many characters."""


class Memo:
    """The answers of `test` for the values met lately; `yes` and `no` may be looked into directly.

    Threads may share it: the sets only ever hold right answers, and forgetting one costs a repeated test.
    """

    __slots__ = ("no", "test", "yes")

    def __init__(self, test: Callable[[str | None], bool]) -> None:
        self.test = test
        self.yes: set[str | None] = set()
        self.no: set[str | None] = set()

    def ask(self, value: str | None) -> bool:
        """The answer for `value` (None: absent), from memory if it is there."""
        if value in self.yes:
            return True
        if value in self.no:
            return False
        answer = self.test(value)
        if value is None or len(value) <= LONGEST:
            known = self.yes if answer else self.no
            if len(known) >= ENTRIES:
                known.clear()
            known.add(value)
        return answer
