"""Watches propagation on one node: instances come, ask, confirm and go; publications reach them (ADR 0018).

The event loop, the feed's thread and the thread that reports all come here; a lock keeps them apart. What happens for
every stream of a publication takes none of it: the hub marks the instance, and the next report looks at all of them.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from ensign.delivery.instances import NEVER, Instance, Who
from ensign.delivery.published import Revision
from ensign.delivery.query import Query
from ensign.delivery.reach import NOW, POLLING, STREAMING, Group, Reach, bounded
from ensign.delivery.spreading import GroupKey, Spreading
from ensign.delivery.state import Place, State
from ensign.delivery.tokens import ALL, Token

log = logging.getLogger("ensign.delivery")

MAX_INSTANCES = 100_000
MAX_WATCHED = 16
"""Publications of one place that are watched at a time; with the next one the oldest is closed as it stands."""
MAX_EARLY = 10_000
CENSUS = 10.0
"""Seconds between two looks at who is connected."""
REPEAT = 60.0
"""Seconds after which a census is reported again though nothing changed: a node that says nothing counts as gone."""
PER_SECOND, LEAST, MOST = 500, 0.1, 60.0
"""Confirmations that a node takes in a second: instances spread theirs over as long as that asks for (s)."""


class Tracker:
    """`node` names this process for as long as it runs; `wake` is called when there is something to report soon."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        wake: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.node = secrets.token_hex(8)
        self._clock = clock
        self._wake = wake
        self._now = now
        self._lock = threading.Lock()
        self._state = State()
        self._warm = False
        self._instances: dict[tuple[str, str], Instance] = {}
        self._streams = 0
        self._watched: dict[Place, list[Spreading]] = {}
        self._closed: list[Spreading] = []
        self._early: list[tuple[str, tuple[str, str], GroupKey, Query, Revision | None, Revision, float]] = []
        self._census: dict[Place, tuple[float, tuple[Group, ...]]] = {}
        self._counted_at = -CENSUS
        self._full = False

    @property
    def within(self) -> float:
        """Over how many seconds instances are to spread their confirmations, so that they never come as one wave."""
        return min(MOST, max(LEAST, self._streams / PER_SECOND))

    def joined(self, who: Who | None, token: Token, query: Query, held: Revision | None) -> Instance:
        """A stream was opened; `held` is what its client says that it has. Pair it with `left`."""
        at = self._now()
        with self._lock:
            instance = self._known(who, token, query, at)
            self._streams += 1
            instance.streams += 1
            instance.mode, instance.seen = STREAMING, at
            instance.confirms = who is not None and who.confirms
            instance.environment, instance.projects = query.environment, query.projects
            if held is not None:
                self._runs(instance, held, at)
            return instance

    def left(self, instance: Instance) -> None:
        """The stream has ended."""
        with self._lock:
            self._streams -= 1
            instance.streams -= 1
            instance.seen = self._now()

    def told(self, instance: Instance, given: Revision | None, newest: Revision) -> None:
        """A stream sends `given`, with which its client has `newest`; None when nothing differs for it."""
        instance.told(given, newest, self._now())

    def polled(self, who: Who | None, token: Token, query: Query, held: Revision | None, given: Revision) -> None:
        """An instance asked for everything: it has `held`, and is answered with `given` if that is another."""
        if who is None:
            return
        at = self._now()
        with self._lock:
            instance = self._known(who, token, query, at)
            instance.seen, instance.interval = at, who.interval
            instance.asked += 1
            if not instance.streams:
                instance.mode = POLLING
                instance.confirms = instance.confirms or held is not None
                instance.environment, instance.projects = query.environment, query.projects
            if held is not None:
                # What it was given the last time it has had since then, as it shows now.
                self._runs(instance, held, instance.sent_at if held == instance.sent else at)
            if held != given and instance.sent != given:
                instance.sent, instance.sent_at = given, at

    def applied(
        self,
        who: Who,
        token: Token,
        query: Query,
        steps: Sequence[tuple[Revision, float]],
        *,
        before: Revision | None,
        node: str,
    ) -> None:
        """An instance runs each revision of `steps`, oldest first, since so many seconds; `before` it ran another.

        `node` holds its stream. If that is another one, the confirmation is counted for it.
        """
        at = self._now()
        with self._lock:
            instance = self._instances.get((token.hash, who.id))
            if instance is not None and (node == self.node or instance.streams):
                for revision, ago in steps:
                    self._runs(instance, revision, at - ago)
            elif node and node != self.node:
                group = (who.app, who.sdk, STREAMING)
                for revision, ago in steps:
                    self._relay(node, (token.hash, who.id), group, query, before, revision, at - ago)
                    before = revision
                self._wake()

    def published(self, state: State) -> Callable[[], None]:
        """There is a newer state. Call what this returns once the streams have been served."""
        began, began_at = self._now(), self._clock()
        with self._lock:
            old, self._state = self._state, state
            warm, self._warm = self._warm, True
        if not warm:
            return lambda: None
        found = [
            Spreading(
                place, ruleset.revision, began=began, began_at=began_at,
                since=old.rulesets[place].revision[1] + 1 if place in old.rulesets else ruleset.revision[1],
            )
            for place, ruleset in state.rulesets.items()
            if place not in old.rulesets or old.rulesets[place].revision < ruleset.revision
        ]  # fmt: skip
        return lambda: self._begin(found)

    def take(self) -> tuple[Reach, ...]:
        """What is to be reported now."""
        at, said_at = self._now(), self._clock()
        with self._lock:
            self._forget(at)
            found: list[Reach] = []
            for spreading in self._closed:
                found += spreading.reports(self.node, at, said_at)
            self._closed.clear()
            for place, watched in list(self._watched.items()):
                for spreading in watched:
                    found += spreading.reports(self.node, at, said_at)
                kept = [spreading for spreading in watched if not spreading.old(at)]
                if kept:
                    self._watched[place] = kept
                else:
                    del self._watched[place]
            if at - self._counted_at >= CENSUS:
                self._counted_at = at
                found += self._present(at, said_at)
            return tuple(found)

    def close(self) -> None:
        """The node stops: its instances go elsewhere, and the next `take` says so."""
        with self._lock:
            for instance in self._instances.values():
                self._gone(instance)
            self._instances.clear()
            for watched in self._watched.values():
                for spreading in watched:
                    spreading.ended = True
            self._counted_at = -CENSUS

    def _known(self, who: Who | None, token: Token, query: Query, at: float) -> Instance:
        if who is None:
            return Instance(("", ""), None, query, at)
        key = (token.hash, who.id)
        found = self._instances.get(key)
        if found is not None:
            return found
        made = Instance(key, who, query, at)
        if len(self._instances) < MAX_INSTANCES:
            self._instances[key] = made
        elif not self._full:
            self._full = True
            log.warning("more than %d instances are connected; what is beyond is not watched", MAX_INSTANCES)
        return made

    def _runs(self, instance: Instance, revision: Revision, at: float) -> None:
        instance.runs(revision, at)
        for place, watched in self._watched.items():
            if instance.sees(place):
                for spreading in watched:
                    spreading.runs(instance)
                    if spreading.news:
                        self._wake()

    def _relay(
        self, node: str, key: tuple[str, str], group: GroupKey, query: Query, before: Revision | None,
        revision: Revision, at: float,
    ) -> None:  # fmt: skip
        seen = (ruleset.revision for ruleset in self._state.scope(query.projects, query.environment))
        if max(seen, default=(0, 0)) < revision and len(self._early) < MAX_EARLY:
            self._early.append((node, key, group, query, before, revision, at))  # this node is behind the other
        for (project, environment), watched in self._watched.items():
            if environment == query.environment and (query.projects is None or project in query.projects):
                for spreading in watched:
                    if spreading.revision <= revision and (before is None or before < spreading.revision):
                        spreading.relay(node, key, group, at)

    def _begin(self, found: Sequence[Spreading]) -> None:
        with self._lock:
            for spreading in found:
                spreading.begin(self._instances.values())
                watched = self._watched.setdefault(spreading.place, [])
                watched.append(spreading)
                if len(watched) > MAX_WATCHED:
                    oldest = watched.pop(0)
                    oldest.ended = True
                    self._closed.append(oldest)
            early, self._early = self._early, []
            for arguments in early:
                self._relay(*arguments)
        if found:
            self._wake()

    def _forget(self, at: float) -> None:
        gone = [instance for instance in self._instances.values() if instance.gone(at)]
        for instance in gone:
            del self._instances[instance.key]
            self._gone(instance)
        self._full = self._full and len(self._instances) >= MAX_INSTANCES

    def _gone(self, instance: Instance) -> None:
        for watched in self._watched.values():
            for spreading in watched:
                spreading.left(instance)

    def _present(self, at: float, said_at: datetime) -> list[Reach]:
        """Who is connected, by place, where that differs from what was reported last."""
        scopes: dict[tuple[str, tuple[str, ...] | None], list[Instance]] = {}
        for instance in self._instances.values():
            scopes.setdefault((instance.environment, instance.projects), []).append(instance)
        newest = {place: ruleset.revision for place, ruleset in self._state.rulesets.items()}
        # Where nothing was published yet, applications may wait for the first flag.
        tokens = [token for token in self._state.tokens.values() if token.projects != ALL]
        for place in [*self._census, *((project, t.environment) for t in tokens for project in t.projects)]:
            newest.setdefault(place, NEVER)
        found = []
        for place, revision in newest.items():
            counts: dict[GroupKey, list[int]] = {}
            for instances in scopes.values():
                if not instances[0].sees(place):
                    continue
                for one in instances:
                    row = counts.setdefault((one.app, one.sdk, one.mode), [0, 0, 0])
                    row[0] += 1
                    row[1] += one.running >= revision
                    row[2] += one.running < revision <= one.sent
            groups = bounded(Group(*key, *row) for key, row in counts.items())
            last, said = self._census.get(place, (-REPEAT, ()))
            if groups != said or (groups and at - last >= REPEAT):
                self._census[place] = (at, groups)
                found.append(Reach(
                    self.node, self.node, *place, (revision[0], NOW), NOW, said_at, said_at, groups, final=True,
                ))  # fmt: skip
        return found
