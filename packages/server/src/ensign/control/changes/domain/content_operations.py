"""Operations on a flag's content in one environment: strategies, variants, dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ensign.control.changes.domain import words
from ensign.control.changes.domain.base import Operation, operation_type
from ensign.control.changes.domain.content import dependency_state, read_dependency, read_strategy, read_variant
from ensign.control.changes.domain.reading import Reader
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.flags.domain import Dependency, FlagConfig, Strategy, Variant

T = TypeVar("T")


def _inserted(items: Sequence[T], item: T, position: int | None) -> tuple[T, ...]:
    place = len(items) if position is None else min(position, len(items))
    return (*items[:place], item, *items[place:])


def _strategy_index(config: FlagConfig, flag: str, strategy: str) -> int:
    for index, candidate in enumerate(config.strategies):
        if candidate.id == strategy:
            return index
    raise OperationError(
        f"{flag} has no strategy {strategy} here.", remedy="It was removed meanwhile; make your change again."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnConfig(Operation):
    flag: str

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("config", environment, self.flag),)


@operation_type("strategy.add")
@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyAdd(_OnConfig):
    """Add a strategy at ``position`` (0 is first; None or beyond the end: last)."""

    strategy: Strategy
    position: int | None = None

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "strategy": self.strategy.to_state(), "position": self.position}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(
            flag=reader.text("flag"),
            strategy=reader.inner("strategy", read_strategy),
            position=reader.optional_integer("position"),
        )

    def apply(self, world: World) -> World:
        config = world.live(self.flag)
        if any(self.strategy.id == other.id for other in config.strategies):
            raise OperationError(f"{self.flag} already has a strategy {self.strategy.id}.")
        return world.with_config(
            self.flag, replace(config, strategies=_inserted(config.strategies, self.strategy, self.position))
        )

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (StrategyRemove(flag=self.flag, strategy=self.strategy.id),)

    def describe(self, before: World) -> str:
        return f"{self.flag} in {before.environment} gains a strategy: {words.strategy_clause(self.strategy)}."


@operation_type("strategy.update")
@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyUpdate(_OnConfig):
    """Replace the strategy with the same id, in its place."""

    strategy: Strategy

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "strategy": self.strategy.to_state()}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"), strategy=reader.inner("strategy", read_strategy))

    def apply(self, world: World) -> World:
        config = world.live(self.flag)
        index = _strategy_index(config, self.flag, self.strategy.id)
        strategies = (*config.strategies[:index], self.strategy, *config.strategies[index + 1 :])
        return world.with_config(self.flag, replace(config, strategies=strategies))

    def invert(self, before: World) -> tuple[Operation, ...]:
        return (StrategyUpdate(flag=self.flag, strategy=self._old(before)),)

    def describe(self, before: World) -> str:
        return words.strategy_change(self.flag, before.environment, self._old(before), self.strategy)

    def _old(self, before: World) -> Strategy:
        config = before.live(self.flag)
        return config.strategies[_strategy_index(config, self.flag, self.strategy.id)]


@operation_type("strategy.remove")
@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRemove(_OnConfig):
    """Remove the strategy with the id ``strategy``."""

    strategy: str

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "strategy": self.strategy}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"), strategy=reader.text("strategy"))

    def apply(self, world: World) -> World:
        config = world.live(self.flag)
        index = _strategy_index(config, self.flag, self.strategy)
        strategies = config.strategies[:index] + config.strategies[index + 1 :]
        return world.with_config(self.flag, replace(config, strategies=strategies))

    def invert(self, before: World) -> tuple[Operation, ...]:
        config = before.live(self.flag)
        index = _strategy_index(config, self.flag, self.strategy)
        return (StrategyAdd(flag=self.flag, strategy=config.strategies[index], position=index),)

    def describe(self, before: World) -> str:
        config = before.live(self.flag)
        old = config.strategies[_strategy_index(config, self.flag, self.strategy)]
        left = len(config.strategies) - 1
        rest = "" if left else ", its last: the flag then has none, which lets everybody in while it is on"
        return f"{self.flag} in {before.environment} loses a strategy: {words.strategy_clause(old)}{rest}."


@operation_type("strategy.reorder")
@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyReorder(_OnConfig):
    """Put the strategies into the order of ``order``, which names each id once."""

    order: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "order": list(self.order)}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"), order=reader.texts("order"))

    def apply(self, world: World) -> World:
        config = world.live(self.flag)
        by_id = {strategy.id: strategy for strategy in config.strategies}
        if sorted(self.order) != sorted(by_id):
            raise OperationError(
                f"The new order must name each strategy of {self.flag} once.",
                remedy="A strategy was added or removed meanwhile; order them again.",
            )
        return world.with_config(self.flag, replace(config, strategies=tuple(by_id[id_] for id_ in self.order)))

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (StrategyReorder(flag=self.flag, order=tuple(s.id for s in before.live(self.flag).strategies)),)

    def describe(self, before: World) -> str:
        return f"The strategies of {self.flag} in {before.environment} are put into another order."


@operation_type("variants.set")
@dataclass(frozen=True, slots=True, kw_only=True)
class VariantsSet(_OnConfig):
    """Replace the flag's own variants (those that apply when the strategy that matched has none)."""

    variants: tuple[Variant, ...]

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "variants": [variant.to_state() for variant in self.variants]}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"), variants=reader.items("variants", read_variant))

    def apply(self, world: World) -> World:
        return world.with_config(self.flag, replace(world.live(self.flag), variants=self.variants))

    def invert(self, before: World) -> tuple[Operation, ...]:
        return (VariantsSet(flag=self.flag, variants=before.live(self.flag).variants),)

    def describe(self, before: World) -> str:
        old, new = words.variants(before.live(self.flag).variants), words.variants(self.variants)
        return f"The variants of {self.flag} in {before.environment} go from {old} to {new}."


@operation_type("dependency.set")
@dataclass(frozen=True, slots=True, kw_only=True)
class DependencySet(_OnConfig):
    """Make the flag depend on a parent, or alter what it asks of that parent."""

    dependency: Dependency
    position: int | None = None

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "dependency": dependency_state(self.dependency), "position": self.position}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(
            flag=reader.text("flag"),
            dependency=reader.inner("dependency", read_dependency),
            position=reader.optional_integer("position"),
        )

    def apply(self, world: World) -> World:
        config = world.live(self.flag)
        old = [d.flag for d in config.dependencies]
        if self.dependency.flag in old:
            place = old.index(self.dependency.flag)
            changed = (*config.dependencies[:place], self.dependency, *config.dependencies[place + 1 :])
        else:
            changed = _inserted(config.dependencies, self.dependency, self.position)
        return world.with_config(self.flag, replace(config, dependencies=changed))

    def invert(self, before: World) -> tuple[Operation, ...]:
        for dependency in before.live(self.flag).dependencies:
            if dependency.flag == self.dependency.flag:
                return (DependencySet(flag=self.flag, dependency=dependency),)
        return (DependencyRemove(flag=self.flag, parent=self.dependency.flag),)

    def describe(self, before: World) -> str:
        return f"{self.flag} in {before.environment} is only on while {words.dependency(self.dependency)}."


@operation_type("dependency.remove")
@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyRemove(_OnConfig):
    """Make the flag independent of ``parent``."""

    parent: str

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "parent": self.parent}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"), parent=reader.text("parent"))

    def apply(self, world: World) -> World:
        config = world.live(self.flag)
        kept = tuple(d for d in config.dependencies if d.flag != self.parent)
        if len(kept) == len(config.dependencies):
            raise OperationError(f"{self.flag} does not depend on {self.parent} in {world.environment}.")
        return world.with_config(self.flag, replace(config, dependencies=kept))

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        found = before.live(self.flag).dependencies
        place = next(index for index, d in enumerate(found) if d.flag == self.parent)
        return (DependencySet(flag=self.flag, dependency=found[place], position=place),)

    def describe(self, before: World) -> str:
        return f"{self.flag} in {before.environment} no longer depends on {self.parent}."
