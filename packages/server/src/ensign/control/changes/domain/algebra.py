"""The algebra of change sets: apply, invert, describe, compose; and what a change set touches and references."""

from __future__ import annotations

from collections.abc import Sequence

from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.classing import FlagClassify
from ensign.control.changes.domain.content_operations import (
    DependencyRemove,
    DependencySet,
    StrategyAdd,
    StrategyRemove,
    StrategyReorder,
    StrategyUpdate,
    VariantsSet,
)
from ensign.control.changes.domain.flag_operations import (
    FlagArchive,
    FlagDisable,
    FlagEnable,
    FlagRevive,
    FlagSetImpressions,
)
from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.domain.settings_operations import (
    EnvironmentProtect,
    EnvironmentUnprotect,
    PolicySet,
    SegmentSet,
)
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.flags.domain import Dependency, FlagConfig


def apply_all(world: World, operations: Sequence[Operation]) -> World:
    """The state after all operations, in order.

    :raises OperationError: with the ``index`` of the first that cannot be applied.
    """
    for index, operation in enumerate(operations):
        try:
            world = operation.apply(world)
        except OperationError as error:
            raise OperationError(error.message, remedy=error.remedy, index=index) from error
    return world


def invert_all(before: World, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """What takes the state after ``operations`` back to ``before``, last undone first.

    :raises OperationError: when ``operations`` cannot be applied to ``before``.
    """
    undone: list[Operation] = []
    world = before
    for index, operation in enumerate(operations):
        try:
            undone = [*operation.invert(world), *undone]
            world = operation.apply(world)
        except OperationError as error:
            raise OperationError(error.message, remedy=error.remedy, index=index) from error
    return tuple(undone)


def describe_all(before: World, operations: Sequence[Operation]) -> tuple[str, ...]:
    """One sentence per operation, each said from the state that it meets."""
    said: list[str] = []
    world = before
    for operation in operations:
        said.append(operation.describe(world))
        world = operation.apply(world)
    return tuple(said)


def touched(environment: str, operations: Sequence[Operation]) -> frozenset[Ref]:
    """The objects that the operations alter."""
    return frozenset(ref for operation in operations for ref in operation.touches(environment))


def referenced(after: World, operations: Sequence[Operation]) -> frozenset[Ref]:
    """The objects that decide what the touched content means: segments that it uses, parents that it asks.

    Computed from the state after the operations, transitively over parents.
    """
    found: set[Ref] = set()
    waiting = [ref.key for ref in touched(after.environment, operations) if ref.kind == "config"]
    seen: set[str] = set()
    while waiting:
        flag = waiting.pop()
        if flag in seen or flag not in after.configs:
            continue
        seen.add(flag)
        config = after.configs[flag]
        for strategy in config.strategies:
            found.update(Ref("segment", after.environment, key) for key in strategy.segments)
        for dependency in config.dependencies:
            found.add(Ref("config", after.environment, dependency.flag))
            waiting.append(dependency.flag)
    return frozenset(found) - touched(after.environment, operations)


def reaches_project(operations: Sequence[Operation]) -> bool:
    """Whether any operation has effect in every environment of the project."""
    return any(operation.reach == "project" for operation in operations)


def compose(first: Sequence[Operation], second: Sequence[Operation]) -> tuple[Operation, ...]:
    """One change set that does ``first`` and then ``second``, without steps that a later one makes needless.

    For every state to which both can be applied in turn, applying the result gives the same state.
    """
    result = list(first)
    for operation in second:
        _append(result, operation)
    return tuple(result)


_OPPOSITES: dict[type[Operation], type[Operation]] = {
    FlagEnable: FlagDisable,
    FlagDisable: FlagEnable,
    FlagArchive: FlagRevive,
    FlagRevive: FlagArchive,
}


def _append(result: list[Operation], new: Operation) -> None:
    for index in range(len(result) - 1, -1, -1):
        old = result[index]
        if type(old) is _OPPOSITES.get(type(new)) and old.body() == new.body():
            del result[index]
            return
        merged = _merged(old, new)
        if merged is not None:
            result[index] = merged
            return
        if _blocks(old, new):
            break
    result.append(new)


def _merged(old: Operation, new: Operation) -> Operation | None:
    """``old`` then ``new`` as one operation, or None when they are about different things."""
    match old, new:
        case (StrategyUpdate(), StrategyUpdate()) if old.flag == new.flag and old.strategy.id == new.strategy.id:
            return new
        case (StrategyAdd(), StrategyUpdate()) if old.flag == new.flag and old.strategy.id == new.strategy.id:
            return StrategyAdd(flag=old.flag, strategy=new.strategy, position=old.position)
        case (RampPlan(), RampPlan()) if old.flag == new.flag and old.strategy == new.strategy:
            return new
        case (StrategyReorder(), StrategyReorder()) if old.flag == new.flag:
            return new
        case (VariantsSet(), VariantsSet()) if old.flag == new.flag:
            return new
        case (FlagSetImpressions(), FlagSetImpressions()) if old.flag == new.flag:
            return new
        case (FlagClassify(), FlagClassify()) if old.flag == new.flag:
            return new
        case (SegmentSet(), SegmentSet()) if old.segment == new.segment:
            return new
        case (PolicySet(), PolicySet()):
            return new
    return None


def between(flag: str, before: FlagConfig, after: FlagConfig) -> tuple[Operation, ...]:
    """Operations that take a flag's content from ``before`` to ``after``."""
    made: list[Operation] = []
    if before.enabled is not after.enabled:
        made.append(FlagEnable(flag=flag) if after.enabled else FlagDisable(flag=flag))
    old, new = {s.id: s for s in before.strategies}, {s.id: s for s in after.strategies}
    made += [StrategyRemove(flag=flag, strategy=id_) for id_ in old if id_ not in new]
    made += [StrategyUpdate(flag=flag, strategy=s) for s in after.strategies if s.id in old and old[s.id] != s]
    made += [
        StrategyAdd(flag=flag, strategy=s, position=place)
        for place, s in enumerate(after.strategies)
        if s.id not in old
    ]
    kept = [s.id for s in before.strategies if s.id in new]
    for place, strategy in enumerate(after.strategies):
        if strategy.id not in old:
            kept.insert(place, strategy.id)
    if kept != [s.id for s in after.strategies]:
        made.append(StrategyReorder(flag=flag, order=tuple(s.id for s in after.strategies)))
    if before.variants != after.variants:
        made.append(VariantsSet(flag=flag, variants=after.variants))
    return (*made, *_dependencies(flag, list(before.dependencies), after.dependencies))


def _dependencies(flag: str, now: list[Dependency], wanted: Sequence[Dependency]) -> list[Operation]:
    made: list[Operation] = []
    names = [d.flag for d in wanted]
    for gone in [d for d in now if d.flag not in names]:
        made.append(DependencyRemove(flag=flag, parent=gone.flag))
        now.remove(gone)
    for place, dependency in enumerate(wanted):
        at = next((i for i, d in enumerate(now) if d.flag == dependency.flag), None)
        if at == place:
            if now[at] != dependency:
                made.append(DependencySet(flag=flag, dependency=dependency))
                now[at] = dependency
            continue
        if at is not None:
            made.append(DependencyRemove(flag=flag, parent=dependency.flag))
            del now[at]
        made.append(DependencySet(flag=flag, dependency=dependency, position=place))
        now.insert(place, dependency)
    return made


_LISTS = (StrategyAdd, StrategyRemove, StrategyReorder, RampPlan, DependencySet, DependencyRemove)


def _blocks(old: Operation, new: Operation) -> bool:
    """Whether ``new`` may not be moved before ``old``: it depends on what ``old`` did.

    Archiving and reviving decide whether anything else about a flag can be applied; adding, removing and ordering
    decide what the next of these means. Everything else about one flag is independent of each other.
    """
    if isinstance(old, FlagArchive | FlagRevive) or isinstance(new, FlagArchive | FlagRevive):
        return getattr(old, "flag", None) == getattr(new, "flag", None)
    settings = (PolicySet, EnvironmentProtect, EnvironmentUnprotect)
    if isinstance(old, settings) and isinstance(new, settings):
        return True
    listed = (StrategyUpdate, *_LISTS)
    if isinstance(old, listed) and isinstance(new, listed):
        both_updates = isinstance(old, StrategyUpdate) and isinstance(new, StrategyUpdate)
        return getattr(old, "flag", None) == getattr(new, "flag", None) and not both_updates
    return False
