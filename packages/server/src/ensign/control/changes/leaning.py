"""The flags that a change alters without touching them: they use a segment that it touches, or depend on such a flag.

A policy's rules about flags hold for these, too: whoever rewrites the segment of a high-risk flag, or switches its
parent, decides who gets that flag as surely as who edits it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ensign.control.access.domain import FlagFacts
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.facts import change_facts
from ensign.control.changes.domain.world import World
from ensign.control.flags.domain import FlagInfo
from ensign.control.flags.models import Flag
from ensign.control.flags.queries import configs_depending, configs_naming
from ensign.control.projects.demands import ChangeFacts

#: What says something about a flag and alters no answer of it, nor of what leans on it.
_SAYING = frozenset({"flag.classify", "flag.set_impressions"})


@dataclass(slots=True)
class Leaning:
    """Who leans on what in one environment as things are, each read once; keep it for no longer than one act."""

    project: str
    environment: str
    _segments: dict[str, frozenset[str]] = field(default_factory=dict)
    _parents: dict[str, set[str]] | None = None
    _facts: dict[str, FlagFacts | None] = field(default_factory=dict)

    def on(self, operations: Sequence[Operation]) -> frozenset[FlagFacts]:
        """The facts of the flags in use that lean on what the operations alter, however far; not of those touched."""
        refs = algebra.touched(self.environment, [o for o in operations if o.type not in _SAYING])
        touched = {ref.key for ref in refs if ref.kind in {"flag", "config"}}
        waiting = set(touched)
        for ref in refs:
            if ref.kind == "segment" and ref.environment:
                waiting |= self._using(ref.key)
        found: set[str] = set()
        while waiting:
            key = waiting.pop()
            found.add(key)
            waiting |= self._depending(key) - found
        return self._facts_of(found - touched)

    def _using(self, segment: str) -> frozenset[str]:
        if segment not in self._segments:
            rows = configs_naming(self.project, self.environment, segment)
            named = [
                row.flag for row in rows if any(segment in strategy.segments for strategy in row.config.strategies)
            ]
            self._segments[segment] = frozenset(named)
        return self._segments[segment]

    def _depending(self, flag: str) -> set[str]:
        if self._parents is None:
            self._parents = {}
            for row in configs_depending(self.project, self.environment):
                for dependency in row.config.dependencies:
                    self._parents.setdefault(dependency.flag, set()).add(row.flag)
        return self._parents.get(flag, set())

    def _facts_of(self, keys: Collection[str]) -> frozenset[FlagFacts]:
        unread = [key for key in keys if key not in self._facts]
        if unread:
            self._facts |= dict.fromkeys(unread)
            for row in Flag.objects.filter(project=self.project, key__in=unread, archived=False):
                self._facts[str(row.key)] = FlagInfo.from_state(row.state).facts
        return frozenset(facts for key in keys if (facts := self._facts[key]) is not None)


def facts_between(
    before: World, after: World, operations: Sequence[Operation], *, at: datetime, leaning: Leaning | None = None
) -> ChangeFacts:
    """The facts of a change, with those of the flags that lean on what it alters. ``leaning``: what was read before."""
    if leaning is None:
        leaning = Leaning(project=after.project, environment=after.environment)
    return change_facts(before, after, operations, at=at, leaning=leaning.on(operations))
