"""Why a flag answered as it did, in OFREP's words, known for each outcome before anybody asks.

`DISABLED`: off in this environment. `SPLIT`: a draw decided, by a share below 100 % or among several variants.
`TARGETING_MATCH`: conditions decided (constraints, segments, lists, parents). `STATIC`: nothing was asked; everybody
gets this answer. `UNKNOWN`: the rules are malformed.
"""

from __future__ import annotations

from ensign_engine.plans import FlagPlan, StrategyPlan
from ensign_engine.strategies import Always, Rollout, Share
from ensign_engine.variants import VariantPlan

DISABLED, SPLIT, MATCH, STATIC, UNKNOWN = "DISABLED", "SPLIT", "TARGETING_MATCH", "STATIC", "UNKNOWN"


def reasons(plan: FlagPlan) -> tuple[str, ...]:
    """The reason for each outcome code of the flag's `decide`: that for off first.

    A strategy is reached only past those before it, so that what they asked counts, too. A draw that was won counts
    before any condition: it was the last to decide. When a flag with both is off, a condition is said to have decided.
    """
    count = max(len(plan.strategies), 1)
    if plan.off is not None:
        return (UNKNOWN if plan.definition.enabled else DISABLED,) * (count + 1)
    asked, chance = bool(plan.dependencies), False
    found: list[str] = []
    for code in range(1, count + 1):
        strategy = plan.strategies[code - 1] if plan.strategies else None
        split = _drawn(plan.variants_for(code)) or (strategy is not None and _partial(strategy))
        if strategy is not None and not strategy.dead:
            asked = asked or _asks(strategy)
        found.append(SPLIT if split else _mildest(asked=asked, chance=chance))
        chance = chance or (strategy is not None and not strategy.dead and _partial(strategy))
    return (_mildest(asked=asked, chance=chance), *found)


def constant(plan: FlagPlan) -> bool:
    """Whether every context gets the same answer: off for all, or nothing is asked and nothing drawn."""
    if plan.off is not None:
        return True
    found = reasons(plan)
    return found[0] == STATIC and SPLIT not in found


def overridden(plan: FlagPlan, code: int) -> VariantPlan | None:
    """The variants of outcome `code` if some contexts get theirs by name: what decided is then known only by asking."""
    variants = plan.variants_for(code)
    return variants if variants.overrides and _drawn(variants) else None


def _mildest(*, asked: bool, chance: bool) -> str:
    return MATCH if asked else SPLIT if chance else STATIC


def _drawn(variants: VariantPlan) -> bool:
    return sum(variant.weight > 0 for variant in variants.variants) > 1


def _partial(strategy: StrategyPlan) -> bool:
    return isinstance(strategy.plan, Share) or (isinstance(strategy.plan, Rollout) and strategy.plan.percentage < 100)


def _asks(strategy: StrategyPlan) -> bool:
    """Whether the strategy looks at anything but its draw. A full share that wants some field of a context does."""
    return bool(strategy.all_tests()) or not (isinstance(strategy.plan, Always) or _partial(strategy))
