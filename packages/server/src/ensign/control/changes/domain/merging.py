"""Three-way merge of a change set with what changed meanwhile: base, theirs, mine; line by line. Pure.

A *line* is one thing that either side changed: whether a flag is on, one parameter of one strategy, the variants. A
line that one side alone changed, or both in the same way, merges by itself; one that both changed differently
*clashes*, and a person takes ``mine`` or ``theirs``. Lists whose members mean something only together (the
constraints of a strategy, variants whose weights add up, a segment, a policy) are one line each: a mixture of both is
what nobody wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from ensign.control.changes.domain import algebra, words
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagRevive, FlagSetImpressions
from ensign.control.changes.domain.settings_operations import (
    EnvironmentProtect,
    EnvironmentUnprotect,
    PolicySet,
    SegmentMap,
    SegmentSet,
)
from ensign.control.changes.domain.world import OperationError, World
from ensign.control.flags.domain import Dependency, FlagConfig, FlagInfo, Strategy

T = TypeVar("T")

Side = Literal["mine", "theirs"]
State = Literal["mine", "theirs", "same", "clash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that either side changed, with all three values in words; None where a side lacks it.

    ``key`` names it for a choice; ``path`` says it to a person. ``state``: who changed it, or ``clash``. ``taken``: the
    side that was taken; None while a clash waits for a choice. ``only``: the side that alone is possible.
    """

    key: str
    path: str
    base: str | None
    theirs: str | None
    mine: str | None
    state: State
    taken: Side | None
    only: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What comes of a merge: its lines, and the operations that lead from theirs to it (none while one is open)."""

    lines: tuple[Line, ...]
    operations: tuple[Operation, ...]

    @property
    def open(self) -> tuple[Line, ...]:
        """The clashes that wait for a choice."""
        return tuple(line for line in self.lines if line.taken is None)

    @property
    def clashes(self) -> tuple[Line, ...]:
        """All clashes, decided or not."""
        return tuple(line for line in self.lines if line.state == "clash")


def merge(
    base: World, theirs: World, operations: Sequence[Operation], *, choices: Mapping[str, Side] | None = None
) -> Merged:
    """Carry ``operations``, written on ``base``, over to ``theirs``. ``choices``: the side to take, by line key.

    ``base`` and ``theirs`` hold the same objects. Where nothing of what the operations touch moved, they stay as
    they are.

    :raises OperationError: when the operations cannot be applied to ``base``, which they were written on.
    """
    mine = algebra.apply_all(base, operations)
    work = _Work(choices or {})
    touched = sorted(algebra.touched(base.environment, operations))
    world = theirs
    for ref in touched:
        if ref.kind == "flag":
            world = world.with_info(work.info(base.info(ref.key), theirs.info(ref.key), mine.info(ref.key)))
    for ref in touched:
        if ref.kind == "config":
            world = world.with_config(
                ref.key, work.config(ref.key, base, theirs, mine, gone=_gone(base, theirs, world, ref.key))
            )
        elif ref.kind == "segment" and not ref.environment:
            held = [ref.key in side.mapped for side in (base, theirs, mine)]
            mapped = work.pick(f"segment/{ref.key}/mapped", f"segment {ref.key}: environment-mapped", *held, say=_yes)
            world = replace(world, mapped=world.mapped | {ref.key} if mapped else world.mapped - {ref.key})
        elif ref.kind == "segment":
            sides = [side.segments.get(ref.key, ()) for side in (base, theirs, mine)]
            path = f"segment {ref.key} in {base.environment}"
            chosen = work.pick(f"segment/{ref.key}", path, *sides, say=words.rules)
            world = replace(world, segments={**world.segments, ref.key: chosen})
    if any(ref.kind in {"policy", "environment"} for ref in touched):
        world = work.settings(world, base, theirs, mine)
    lines = tuple(work.lines)
    if any(line.taken is None for line in lines):
        return Merged(lines=lines, operations=())
    return Merged(lines=lines, operations=_steps(theirs, world, operations))


def _gone(base: World, theirs: World, merged: World, flag: str) -> bool:
    """Whether they archived it meanwhile, and it stays so: then nothing of it can be changed."""
    return theirs.info(flag).archived and merged.info(flag).archived and not base.info(flag).archived


def _steps(theirs: World, wanted: World, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The author's own operations where they lead there, as their sentences are the author's; else those between."""
    try:
        if algebra.apply_all(theirs, operations) == wanted:
            return tuple(operations)
    except OperationError:
        pass
    return steps_between(theirs, wanted)


def steps_between(before: World, after: World) -> tuple[Operation, ...]:
    """Operations that take one state to another with the same objects."""
    first: list[Operation] = []
    last: list[Operation] = []
    for key in sorted(after.flags):
        old, new = before.flags[key], after.flags[key]
        inside: list[Operation] = []
        if old.impression_data is not new.impression_data:
            inside.append(FlagSetImpressions(flag=key, enabled=new.impression_data))
        inside += algebra.between(key, before.configs[key], after.configs[key])
        # What is archived is changed by reviving it first, and goes back to where it was.
        revived = old.archived and (bool(inside) or not new.archived)
        first += [FlagRevive(flag=key), *inside] if revived else inside
        if new.archived and (revived or not old.archived):
            last.append(FlagArchive(flag=key))
    for key in sorted(after.segments):
        if before.segments[key] != after.segments[key]:
            first.append(SegmentSet(segment=key, constraints=after.segments[key]))
    first += [SegmentMap(segment=key, mapped=key in after.mapped) for key in sorted(before.mapped ^ after.mapped)]
    settings: list[Operation] = []
    if before.protected is not after.protected:
        settings.append(EnvironmentProtect() if after.protected else EnvironmentUnprotect())
    reached = algebra.apply_all(before, settings).policy
    if after.policy is not None and reached != after.policy:
        settings.append(PolicySet(rules=after.policy))
    return (*first, *settings, *last)


class _Work:
    """Merges value by value and notes each line."""

    def __init__(self, choices: Mapping[str, Side]) -> None:
        self._choices = choices
        self.lines: list[Line] = []

    def pick(
        self,
        key: str,
        path: str,
        base: T,
        theirs: T,
        mine: T,
        *,
        say: Callable[[T], str | None],
        only: Side | None = None,
    ) -> T:
        """The value to take. Of an open clash theirs: nothing is overwritten before somebody chose."""
        if base == theirs == mine:
            return mine
        state: State = "clash"
        taken: Side | None
        if mine == base:
            state, taken = "theirs", "theirs"
        elif theirs == base:
            state, taken = "mine", "mine"
        elif theirs == mine:
            state, taken = "same", "theirs"
        else:
            taken = self._choices.get(key)
            if only is not None and taken != only:
                taken = None
        self.lines.append(
            Line(
                key=key,
                path=path,
                base=say(base),
                theirs=say(theirs),
                mine=say(mine),
                state=state,
                taken=taken,
                only=only if state == "clash" else None,
            )
        )
        return mine if taken == "mine" else theirs

    def info(self, base: FlagInfo, theirs: FlagInfo, mine: FlagInfo) -> FlagInfo:
        """What all environments share, as far as operations alter it."""
        key, path = f"flag/{theirs.key}", theirs.key
        sides = (base, theirs, mine)
        archived = self.pick(f"{key}/archived", f"{path}: archived", *(s.archived for s in sides), say=_yes)
        told = self.pick(
            f"{key}/impressions", f"{path}: impression data", *(s.impression_data for s in sides), say=_yes
        )
        return replace(theirs, archived=archived, impression_data=told)

    def config(self, flag: str, base: World, theirs: World, mine: World, *, gone: bool) -> FlagConfig:
        """A flag's content in the environment."""
        old, now, new = (side.configs.get(flag, FlagConfig()) for side in (base, theirs, mine))
        key, path = f"config/{flag}", f"{flag} in {base.environment}"
        if gone:
            if old != new:
                # There is one way only; it is said, not done silently.
                self.pick(f"{key}/gone", path, "in use", "archived", "changed", say=str, only="theirs")
            return now
        enabled = self.pick(f"{key}/enabled", path, old.enabled, now.enabled, new.enabled, say=_on)
        strategies = self._strategies(key, path, old.strategies, now.strategies, new.strategies)
        variants = self.pick(
            f"{key}/variants", f"{path} › variants", old.variants, now.variants, new.variants, say=words.variants
        )
        dependencies = self._dependencies(key, path, old, now, new)
        return FlagConfig(enabled=enabled, strategies=strategies, variants=variants, dependencies=dependencies)

    def _strategies(
        self, key: str, path: str, base: Sequence[Strategy], theirs: Sequence[Strategy], mine: Sequence[Strategy]
    ) -> tuple[Strategy, ...]:
        old, now, new = ({s.id: s for s in side} for side in (base, theirs, mine))
        kept: dict[str, Strategy] = {}
        for id_ in dict.fromkeys([*old, *now, *new]):
            found = self._strategy(f"{key}/strategy/{id_}", path, old.get(id_), now.get(id_), new.get(id_))
            if found is not None:
                kept[id_] = found
        names = {id_: words.strategy_name(s) for id_, s in kept.items()}
        order = self._order(f"{key}/order", f"{path} › order of strategies", [*old], [*now], [*new], names)
        return tuple(kept[id_] for id_ in order)

    def _strategy(
        self, key: str, path: str, old: Strategy | None, now: Strategy | None, new: Strategy | None
    ) -> Strategy | None:
        shown = now or new or old
        if shown is None:
            return None
        path = f"{path} › strategy {words.strategy_name(shown)}"
        if old is None or now is None or new is None or len({old.name, now.name, new.name}) > 1:
            return self.pick(key, path, old, now, new, say=_clause)
        sides = (old, now, new)
        made: dict[str, Any] = {}
        for name in sorted({*old.parameters, *now.parameters, *new.parameters}):
            values = (s.parameters.get(name) for s in sides)
            said = self.pick(f"{key}/parameters/{name}", f"{path} › {name}", *values, say=_text)
            if said is not None:
                made[name] = said
        return replace(
            now,
            title=self.pick(f"{key}/title", f"{path} › title", *(s.title for s in sides), say=_text),
            parameters=made,
            constraints=self.pick(
                f"{key}/constraints", f"{path} › where", *(s.constraints for s in sides), say=words.rules
            ),
            segments=self.pick(f"{key}/segments", f"{path} › segments", *(s.segments for s in sides), say=_names),
            variants=self.pick(
                f"{key}/variants", f"{path} › variants", *(s.variants for s in sides), say=words.variants
            ),
            disabled=self.pick(f"{key}/disabled", f"{path} › enabled", *(s.disabled for s in sides), say=_enabled),
        )

    def _order(
        self, key: str, path: str, old: list[str], now: list[str], new: list[str], kept: Mapping[str, str]
    ) -> list[str]:
        """The order of what is kept: that of the side that moved something, with what the other added in its place."""
        common = [id_ for id_ in old if id_ in now and id_ in new and id_ in kept]
        held = [[id_ for id_ in side if id_ in common] for side in (old, now, new)]
        chosen = self.pick(
            key, path, *(tuple(side) for side in held), say=lambda order: ", ".join(kept[id_] for id_ in order)
        )
        # Beside the chosen order of what all have stands what one side added; of both, theirs first.
        leading, other = (new, now) if chosen == tuple(held[2]) != tuple(held[1]) else (now, new)
        result = [id_ for id_ in leading if id_ in kept]
        for place, id_ in enumerate(other):
            if id_ in kept and id_ not in result:
                before = [one for one in other[:place] if one in result]
                result.insert(result.index(before[-1]) + 1 if before else 0, id_)
        return result + [id_ for id_ in kept if id_ not in result]

    def _dependencies(
        self, key: str, path: str, old: FlagConfig, now: FlagConfig, new: FlagConfig
    ) -> tuple[Dependency, ...]:
        sides = [{d.flag: d for d in side.dependencies} for side in (old, now, new)]
        kept: dict[str, Dependency] = {}
        for parent in dict.fromkeys(name for side in sides for name in side):
            found = self.pick(
                f"{key}/dependency/{parent}",
                f"{path} › depends on {parent}",
                *(side.get(parent) for side in sides),
                say=lambda d: None if d is None else words.dependency(d),
            )
            if found is not None:
                kept[parent] = found
        names = {parent: parent for parent in kept}
        before, theirs, mine = map(list, sides)
        order = self._order(f"{key}/dependencies", f"{path} › order of dependencies", before, theirs, mine, names)
        return tuple(kept[parent] for parent in order)

    def settings(self, world: World, base: World, theirs: World, mine: World) -> World:
        """Protection and policy of the environment."""
        sides = (base, theirs, mine)
        name = base.environment
        protected = self.pick("protected", f"{name}: protected", *(s.protected for s in sides), say=_yes)
        policy = self.pick(
            "policy",
            f"policy of {name}",
            *(s.policy for s in sides),
            say=lambda rules: None if rules is None else words.policy(rules),
        )
        return replace(world, protected=protected, policy=policy)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _on(value: bool) -> str:
    return "on" if value else "off"


def _enabled(disabled: bool) -> str:
    return "no" if disabled else "yes"


def _text(value: str | None) -> str | None:
    return value


def _names(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _clause(value: Strategy | None) -> str | None:
    return None if value is None else words.strategy_clause(value)
