"""The interpreter: walks a flag's plan step by step and says what it saw.

It is slower than the generated functions by orders of magnitude and gives the same answers (a property test
holds both to that, draw for draw when randomness is injected). The generated code falls back to it for odd
contexts. Steps follow semantics, section 3: dependencies, then strategies in order, then the variant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ensign_engine.bucketing import ROLLOUT_NORMALISER, bucket
from ensign_engine.constraints import Test
from ensign_engine.parsing import instant_of
from ensign_engine.plans import OFF, DependencyPlan, FlagPlan, SegmentPlan, StrategyPlan
from ensign_engine.results import DISABLED, NO_VARIANT, Variant
from ensign_engine.settings import Settings
from ensign_engine.strategies import Addresses, Always, Custom, Members, Never, Rollout, Share
from ensign_engine.traces import (
    ConstraintTrace,
    DependencyTrace,
    Explanation,
    SegmentTrace,
    StrategyTrace,
    VariantTrace,
)
from ensign_engine.variants import results


def explain_outcome(plan: FlagPlan, context: Any) -> int:
    """The outcome code alone: 0 for off, else the deciding strategy's position plus 1."""
    return _walk(plan, context).code


def explain_flag(plan: FlagPlan, context: Any) -> Explanation:
    """The whole explanation for one flag and context. Never raises on odd contexts."""
    walk = _walk(plan, context)
    enabled = walk.code != OFF
    variant, choice = _variant(plan, walk.code, context) if enabled else (DISABLED, None)
    return Explanation(
        name=plan.definition.name,
        found=True,
        enabled=enabled,
        variant=variant,
        reason=walk.reason,
        decided_by=walk.code - 1 if enabled and plan.strategies else None,
        dependencies=walk.dependencies,
        strategies=walk.strategies,
        variant_choice=choice,
    )


def explain_unknown(name: str) -> Explanation:
    """The explanation for a name that the ruleset does not know."""
    return Explanation(name, False, False, DISABLED, "no flag of this name is known", None, (), (), None)


class _Walk(NamedTuple):
    code: int
    reason: str
    dependencies: tuple[DependencyTrace, ...] = ()
    strategies: tuple[StrategyTrace, ...] = ()


def _walk(plan: FlagPlan, context: Any) -> _Walk:
    dependencies: list[DependencyTrace] = []
    for dependency in plan.dependencies:
        trace = _dependency(dependency, context)
        dependencies.append(trace)
        if plan.off is None and not trace.satisfied:
            reason = f"off: {trace.reason}"
            return _Walk(OFF, reason, tuple(dependencies), _unreached(plan, context))
    if plan.off is not None:
        return _Walk(OFF, f"off: {plan.off}", tuple(dependencies), _unreached(plan, context))
    if not plan.strategies:
        return _Walk(1, "on: the flag has no strategies, so it is on for everybody", tuple(dependencies))
    code = OFF
    traces: list[StrategyTrace] = []
    for index, strategy in enumerate(plan.strategies):
        reached = code == OFF
        trace_of = _strategy(strategy, index, context, plan.settings, reached=reached)
        traces.append(trace_of)
        if reached and trace_of.result == "on":
            code = index + 1
    if code == OFF:
        reason = "off: no strategy is on for this context"
    else:
        decided = traces[code - 1]
        reason = f"on: strategy {code} ({decided.name}): {decided.reason}"
    return _Walk(code, reason, tuple(dependencies), tuple(traces))


def _unreached(plan: FlagPlan, context: Any) -> tuple[StrategyTrace, ...]:
    return tuple(
        _strategy(strategy, index, context, plan.settings, reached=False)
        for index, strategy in enumerate(plan.strategies)
    )


def _dependency(dependency: DependencyPlan, context: Any) -> DependencyTrace:
    wanted = dependency.definition
    name = wanted.feature

    def trace(satisfied: bool, reason: str, enabled: bool | None = None, variant: str | None = None) -> DependencyTrace:
        return DependencyTrace(name, wanted.enabled, wanted.variants, satisfied, reason, enabled, variant)

    if dependency.parent is None or dependency.parent.plan is None:
        return trace(False, dependency.problem or f"the parent {name!r} is not known")
    parent = dependency.parent.plan
    code = explain_outcome(parent, context)
    on = code != OFF
    if not wanted.enabled:
        return trace(not on, f"the parent {name!r} must be off and is {'on' if on else 'off'}", on)
    if not wanted.variants or not on:
        return trace(on, f"the parent {name!r} must be on and is {'on' if on else 'off'}", on)
    variant = _variant(parent, code, context)[0].name
    listed = variant in wanted.variants
    reason = f"the parent {name!r} gives the variant {variant!r}, which is {'' if listed else 'not '}listed"
    return trace(listed, reason, on, variant)


def _strategy(strategy: StrategyPlan, index: int, context: Any, settings: Settings, *, reached: bool) -> StrategyTrace:
    constraints = tuple(_constraint(test, context, settings) for test in strategy.tests)
    segments = tuple(_segment(segment, context, settings) for segment in strategy.segments)
    trace = StrategyTrace(index, strategy.definition.name, "not reached", "", constraints, segments)
    blocked = strategy.problem or _blocked(constraints, segments)
    trace = _described(trace, strategy, context, settings, draw=reached and blocked is None)
    if not reached:
        return trace._replace(result="not reached", reason="not reached")
    if blocked is not None:
        return trace._replace(result="off", reason=blocked)
    return trace


def _blocked(constraints: tuple[ConstraintTrace, ...], segments: tuple[SegmentTrace, ...]) -> str | None:
    for constraint in constraints:
        if not constraint.result:
            return _constraint_words(constraint)
    for segment in segments:
        for constraint in segment.constraints:
            if not constraint.result:
                return f"the segment {segment.name!r}: {_constraint_words(constraint)}"
    return None


def _constraint_words(trace: ConstraintTrace) -> str:
    if trace.problem is not None:
        return f"a constraint on {trace.context_name} cannot be met: {trace.problem}"
    inverted = "not " if trace.inverted else ""
    actual = "absent" if trace.actual is None else repr(trace.actual)
    return f"the constraint {trace.context_name} {inverted}{trace.operator} is not met ({actual})"


def _described(
    trace: StrategyTrace, strategy: StrategyPlan, context: Any, settings: Settings, *, draw: bool
) -> StrategyTrace:
    """`trace` with the strategy's own answer; `draw` says whether chance and custom code may be asked."""

    def answer(on: bool, reason: str) -> StrategyTrace:
        return trace._replace(result="on" if on else "off", reason=reason)

    match strategy.plan:
        case Never(reason):
            return answer(False, reason)
        case Always(reason):
            return answer(True, reason)
        case Members(field, values):
            listed = settings.value(context, field) in values
            return answer(listed, f"{field} is {'' if listed else 'not '}listed")
        case Addresses(memo):
            within = memo.ask(settings.value(context, "remoteAddress"))
            return answer(within, f"remoteAddress is {'' if within else 'not '}within the listed addresses")
        case Share(percentage):
            on = draw and settings.random() * 100 < percentage
            return answer(on, f"a random draw of {percentage} %")._replace(percentage=percentage)
        case Custom(name, call):
            on = draw and call(context)
            return answer(on, f"the application's own strategy {name!r} says {'on' if on else 'off'}")
        case Rollout() as plan:
            return _rollout(trace, plan, context, settings, draw=draw)


def _rollout(trace: StrategyTrace, plan: Rollout, context: Any, settings: Settings, *, draw: bool) -> StrategyTrace:
    found = None
    if plan.stickiness == "default":
        found = settings.value(context, "userId") or settings.value(context, "sessionId")
    elif plan.stickiness != "random":
        found = settings.value(context, plan.stickiness)
    if not found and draw and plan.stickiness in {"default", "random"}:
        found = settings.random_identifier()
    trace = trace._replace(
        percentage=plan.percentage,
        stickiness=plan.stickiness,
        group=plan.group,
        identifier=found or None,
    )
    if not found:
        return trace._replace(result="off", reason=f"there is no {plan.stickiness} to roll out by")
    place = bucket(plan.group, found, ROLLOUT_NORMALISER)
    on = place <= plan.percentage
    reason = f"bucket {place} is {'within' if on else 'beyond'} the rollout of {plan.percentage} %"
    return trace._replace(result="on" if on else "off", reason=reason, bucket=place)


def _segment(segment: SegmentPlan, context: Any, settings: Settings) -> SegmentTrace:
    definition = segment.definition
    constraints = tuple(_constraint(test, context, settings) for test in segment.tests)
    usable = definition is not None and definition.constraints is not None
    return SegmentTrace(
        id=segment.id,
        name=definition.name if definition else "",
        found=definition is not None,
        result=usable and all(item.result for item in constraints),
        constraints=constraints,
    )


def _constraint(test: Test, context: Any, settings: Settings) -> ConstraintTrace:
    definition = test.definition
    actual = settings.value(context, test.field)
    if test.compare_instant is not None and test.field == "currentTime" and not _has_time(context, settings):
        result = test.compare_instant(instant_of(settings.now()))
    else:
        result = test.holds(actual)
    return ConstraintTrace(
        context_name=definition.context_name,
        operator=definition.operator,
        values=definition.values,
        value=definition.value,
        inverted=definition.inverted,
        case_insensitive=definition.case_insensitive,
        actual=actual,
        result=result,
        problem=test.problem,
    )


def _has_time(context: Any, settings: Settings) -> bool:
    return settings.given(context, "currentTime") is not None


def _variant(plan: FlagPlan, code: int, context: Any) -> tuple[Variant, VariantTrace]:
    competing = plan.variants_for(code)
    choice = competing.choose(context, plan.settings)
    variant = NO_VARIANT if choice.position is None else results(competing)[choice.position]
    return variant, VariantTrace(
        source=competing.source,
        reason=choice.reason,
        stickiness=competing.stickiness,
        group=competing.group,
        identifier=choice.identifier,
        bucket=choice.bucket,
        total_weight=choice.total,
    )
