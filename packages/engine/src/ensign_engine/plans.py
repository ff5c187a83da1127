"""A flag linked to what it refers to: tests, segments, parents, variants.

The plan is the single source for both ways of evaluating: `codegen` turns it into a function, `explain` walks
it. A plan holds no reference to the ruleset it came from, so that an old ruleset can go when it is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from ensign_engine.constraints import Test, compile_constraint
from ensign_engine.model import (
    ConstraintDefinition,
    DependencyDefinition,
    FlagDefinition,
    SegmentDefinition,
    StrategyDefinition,
)
from ensign_engine.results import Evaluation
from ensign_engine.settings import Settings
from ensign_engine.strategies import Never, Plan, plan
from ensign_engine.variants import VariantPlan, variant_plan

OFF = 0
"""The outcome code of a flag that is off; strategy k gives k + 1, an empty list of strategies gives 1."""


class ParentFlag(Protocol):
    """What a child needs of its parent's compiled form."""

    plan: FlagPlan | None
    decide: Callable[[Any], int]
    choose: Callable[[Any], Evaluation]


class SegmentPlan(NamedTuple):
    """A segment that a strategy names; `definition` is None when no such segment exists."""

    id: object
    definition: SegmentDefinition | None
    tests: tuple[Test, ...]


class StrategyPlan(NamedTuple):
    """A strategy ready to be asked; `problem` says why it is off for everybody, if it is."""

    definition: StrategyDefinition
    plan: Plan
    tests: tuple[Test, ...]
    segments: tuple[SegmentPlan, ...]
    variants: VariantPlan
    problem: str | None

    def all_tests(self) -> tuple[Test, ...]:
        """The strategy's own tests, then those of its segments (section 7)."""
        return self.tests + tuple(test for segment in self.segments for test in segment.tests)

    @property
    def dead(self) -> bool:
        """Whether the strategy can never be on, so that no code is needed for it."""
        return (
            self.problem is not None
            or isinstance(self.plan, Never)
            or any(test.form == "never" for test in self.all_tests())
        )


class DependencyPlan(NamedTuple):
    """A parent ready to be asked, or None and the `problem` that leaves the dependency unsatisfied."""

    definition: DependencyDefinition
    parent: ParentFlag | None
    problem: str | None


class FlagPlan(NamedTuple):
    """A flag ready to be compiled or explained.

    `off` says why the flag is off for everybody, if it is. `variants` are the flag's own.
    """

    definition: FlagDefinition
    strategies: tuple[StrategyPlan, ...]
    dependencies: tuple[DependencyPlan, ...]
    variants: VariantPlan
    settings: Settings
    off: str | None

    def variants_for(self, code: int) -> VariantPlan:
        """The variants that compete when the outcome is `code` (1 or more)."""
        if self.strategies and self.strategies[code - 1].variants.variants:
            return self.strategies[code - 1].variants
        return self.variants


Parent = Callable[[str], tuple[ParentFlag | None, str | None]]
"""Flag name -> its compiled form, or None and why it cannot be a parent."""


def link(
    definition: FlagDefinition,
    *,
    segments: Mapping[int, SegmentDefinition],
    parent: Parent,
    settings: Settings,
) -> FlagPlan:
    """The plan for `definition`, looking up segments and parents. Never raises on odd definitions."""
    dependencies: tuple[DependencyPlan, ...] = ()
    off: str | None = None
    if not definition.enabled:
        off = "the flag is switched off in this environment"
    elif definition.strategies is None:
        off = "the flag's list of strategies is missing or malformed"
    else:
        dependencies = tuple(_dependency(item, parent) for item in definition.dependencies)
        off = next((item.problem for item in dependencies if item.problem), None)
    return FlagPlan(
        definition=definition,
        strategies=tuple(_strategy(item, definition.name, segments, settings) for item in definition.strategies or ()),
        dependencies=dependencies,
        variants=variant_plan(definition.variants, source="flag", group=definition.name, stickiness="default"),
        settings=settings,
        off=off,
    )


def _dependency(definition: DependencyDefinition, parent: Parent) -> DependencyPlan:
    found, problem = parent(definition.feature)
    return DependencyPlan(definition, found, problem)


def _strategy(
    definition: StrategyDefinition,
    flag_name: str,
    segments: Mapping[int, SegmentDefinition],
    settings: Settings,
) -> StrategyPlan:
    problem = None
    if definition.constraints is None:
        problem = "the strategy's constraints are malformed"
    if definition.segments is None:
        problem = "the strategy's segments are malformed"
    used = tuple(_segment(item, segments) for item in definition.segments or ())
    for segment in used:
        if segment.definition is None:
            problem = f"the segment {segment.id!r} does not exist"
        elif segment.definition.constraints is None:
            problem = f"the segment {segment.id!r} is malformed"
    return StrategyPlan(
        definition=definition,
        plan=plan(definition, flag_name=flag_name, settings=settings),
        tests=_tests(definition.constraints),
        segments=used,
        variants=variant_plan(
            definition.variants,
            source="strategy",
            group=definition.parameters.get("groupId", flag_name),
            stickiness=definition.parameters.get("stickiness", ""),
        ),
        problem=problem,
    )


def _segment(segment_id: object, segments: Mapping[int, SegmentDefinition]) -> SegmentPlan:
    found = None
    if isinstance(segment_id, int) and not isinstance(segment_id, bool):
        found = segments.get(segment_id)
    return SegmentPlan(segment_id, found, _tests(found.constraints if found else None))


def _tests(constraints: tuple[ConstraintDefinition, ...] | None) -> tuple[Test, ...]:
    return tuple(map(compile_constraint, constraints or ()))
