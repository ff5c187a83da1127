"""A flag compiled for evaluation: what the ruleset's table holds and an SDK's hot path uses."""

from collections.abc import Callable, Mapping
from typing import Any

from ensign_engine.codegen import Decide, compile_decide
from ensign_engine.counters import Counters, Tally
from ensign_engine.explain import explain_outcome
from ensign_engine.model import FlagDefinition, SegmentDefinition
from ensign_engine.plans import OFF, FlagPlan, Parent, link
from ensign_engine.results import DISABLED, NO_VARIANT, Evaluation, Variant
from ensign_engine.settings import Settings
from ensign_engine.variants import Picker, picker

Choose = Callable[[Any], Evaluation]


class CompiledFlag:
    """One flag, ready: two functions and two counters, all plain attributes.

    * `decide(context) -> int`: 0 for off, else on (k + 1: the strategy at position k decided). No variant is
      chosen. Never raises.
    * `choose(context) -> Evaluation`: the whole answer, prebuilt and shared. Never raises.
    * `counts`: [times off, times on] and `variant_counts`: {variant name: times}, which the *caller* adds to,
      without a lock: `flag.counts[1] += 1`. The engine itself counts nothing, so parents count nothing. They
      belong to the flag's name and survive into the next ruleset; `ruleset.counters.collect()` reads them.
    * `impression_data`: whether the flag asks for impression events.
    * `found`: False for a name that the ruleset does not know.
    """

    __slots__ = (
        "choose",
        "counts",
        "decide",
        "found",
        "impression_data",
        "name",
        "plan",
        "variant_counts",
    )

    def __init__(self, *, name: str, plan: FlagPlan | None, decide: Decide, choose: Choose, tally: Tally) -> None:
        self.name = name
        self.plan = plan
        self.decide = decide
        self.choose = choose
        self.counts = tally.counts
        self.variant_counts = tally.variants
        self.found = plan is not None
        self.impression_data = plan is not None and plan.definition.impression_data


def compile_flag(
    definition: FlagDefinition,
    *,
    segments: Mapping[int, SegmentDefinition],
    parent: Parent,
    settings: Settings,
    counters: Counters,
) -> CompiledFlag:
    """Link and compile one flag. Takes about a millisecond for a new shape, far less for a known one."""
    plan = link(definition, segments=segments, parent=parent, settings=settings)

    def rescue(context: Any) -> int:
        return explain_outcome(plan, context)

    decide = compile_decide(plan, rescue)
    return CompiledFlag(
        name=definition.name,
        plan=plan,
        decide=decide,
        choose=_chooser(plan, decide),
        tally=counters.tally(definition.name),
    )


def unknown_flag(name: str, counters: Counters) -> CompiledFlag:
    """The stand-in for a name that the ruleset does not know: always off, not found."""
    nothing = Evaluation(name, False, False, DISABLED)
    return CompiledFlag(
        name=name,
        plan=None,
        decide=lambda _context: OFF,
        choose=lambda _context: nothing,
        tally=counters.tally(name, known=False),
    )


def _chooser(plan: FlagPlan, decide: Decide) -> Choose:
    definition = plan.definition
    name, impressions = definition.name, definition.impression_data
    off = Evaluation(name, True, False, DISABLED, None, impressions)
    if plan.off is not None:
        return lambda _context: off

    def outcome(code: int) -> Callable[[Variant], Evaluation]:
        strategy = code - 1 if plan.strategies else None
        return lambda variant: Evaluation(name, True, True, variant, strategy, impressions)

    codes = range(1, max(len(plan.strategies), 1) + 1)
    if all(plan.variants_for(code).total <= 0 for code in codes):
        outcomes = (off, *(outcome(code)(NO_VARIANT) for code in codes))
        return lambda context: outcomes[decide(context)]

    if len(codes) == 1:
        pick = picker(plan.variants_for(1), outcome(1), plan.settings)
        return lambda context: pick(context) if decide(context) else off
    pickers: tuple[Picker, ...] = (
        lambda _context: off,
        *(picker(plan.variants_for(code), outcome(code), plan.settings) for code in codes),
    )
    return lambda context: pickers[decide(context)](context)
