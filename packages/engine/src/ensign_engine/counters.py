"""Counting evaluations without a lock (semantics, section 11).

A `Tally` only ever grows, so reading it loses nothing: `Counters.collect` reports the difference since the
last report and never resets a number that another thread may be adding to. Under the interpreter's lock
`counts[on] += 1` on a list is not interrupted; on a free-threaded build two threads that add to one flag in
the same nanosecond may lose a count, never corrupt one.
"""

from threading import Lock

MAX_UNKNOWN = 1_000
"""Names that the ruleset does not know are counted one by one up to this many."""


class Tally:
    """`counts` is [times off, times on]; `variants` counts answers of get_variant by variant name."""

    __slots__ = ("counts", "variants")

    def __init__(self) -> None:
        self.counts: list[int] = [0, 0]
        self.variants: dict[str, int] = {}


class Report:
    """What was counted for one flag since the last report."""

    __slots__ = ("no", "variants", "yes")

    def __init__(self, yes: int, no: int, variants: dict[str, int]) -> None:
        self.yes = yes
        self.no = no
        self.variants = variants


class Counters:
    """The tallies of a chain of rulesets, by flag name; a new ruleset goes on with the old one's."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._unknown: set[str] = set()
        self._overflow = Tally()
        self._reported: dict[str, tuple[int, int, dict[str, int]]] = {}
        self._lock = Lock()

    def tally(self, name: str, *, known: bool = True) -> Tally:
        """The tally of `name`; beyond 1,000 unknown names they share one that is never reported."""
        found = self._tallies.get(name)
        if found is not None:
            return found
        if not known:
            if len(self._unknown) >= MAX_UNKNOWN:
                return self._overflow
            self._unknown.add(name)
        return self._tallies.setdefault(name, Tally())

    def collect(self) -> dict[str, Report]:
        """What was counted since the last call, by flag name; flags without a count are left out."""
        with self._lock:
            fresh: dict[str, Report] = {}
            for name, tally in list(self._tallies.items()):
                no, yes = tally.counts
                variants = dict(tally.variants)
                no_before, yes_before, before = self._reported.get(name, (0, 0, {}))
                if (no, yes) == (no_before, yes_before) and variants == before:
                    continue
                grown = {key: n - before.get(key, 0) for key, n in variants.items() if n > before.get(key, 0)}
                fresh[name] = Report(yes - yes_before, no - no_before, grown)
                self._reported[name] = (no, yes, variants)
            return fresh
