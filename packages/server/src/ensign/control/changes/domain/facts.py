"""What the conditions of policies ask about a change, from the states before and after it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from ensign.control.access.domain import FlagFacts
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.domain.world import World
from ensign.control.flags import words
from ensign.control.flags.domain import FlagConfig, Strategy
from ensign.control.projects.demands import ChangeFacts

#: What every step of a ramp is.
_STEP = "strategy.update"


def change_facts(
    before: World, after: World, operations: Sequence[Operation], *, at: datetime, leaning: Collection[FlagFacts]
) -> ChangeFacts:
    """The facts of a change that takes ``before`` to ``after``. ``leaning``: of the flags that use a segment, or depend
    on a flag, that it alters; rules about flags hold for these as for those that it touches.

    What plans a ramp counts with all of its plan: the share that it ends with, the largest of its steps, and that its
    steps change a strategy. Whom a segment's constraints reach cannot be said in per cent: rollout and step are None
    then.
    """
    touched = algebra.touched(after.environment, operations)
    flags = {ref.key for ref in touched if ref.kind in {"flag", "config"}}
    # What a flag was and what it becomes: they differ where it is classified anew.
    known = frozenset(
        None if (info := world.flags.get(key)) is None else info.facts for key in flags for world in (before, after)
    )
    other = any(ref.kind not in {"flag", "config"} for ref in touched)
    unsaid = any(ref.kind == "segment" for ref in touched)
    sides = [(_config(before, key), _config(after, key)) for key in flags]
    plans = [operation for operation in operations if isinstance(operation, RampPlan)]
    shares = [words.rollout(new) or 0 for _, new in sides] + [plan.steps[-1].percent for plan in plans]
    steps = [step(old, new) for old, new in sides] + [plan.largest_step for plan in plans]
    return ChangeFacts(
        operations=frozenset(operation.type for operation in operations) | ({_STEP} if plans else set()),
        flags=(known | {None} if other or not known else known) | frozenset(leaning),
        rollout=None if unsaid else max(shares, default=0),
        step=None if unsaid else max(steps, default=0),
        at=at,
        classifies=any(operation.type == "flag.classify" for operation in operations),
    )


def step_of(before: World, after: World, operations: Sequence[Operation]) -> int:
    """By how many percentage points the share of users of a touched flag grows at most; segments left out."""
    touched = algebra.touched(after.environment, operations)
    flags = {ref.key for ref in touched if ref.kind in {"flag", "config"}}
    return max((step(_config(before, key), _config(after, key)) for key in flags), default=0)


def _config(world: World, flag: str) -> FlagConfig:
    """A flag's content as applications see it: an archived flag is off."""
    info = world.flags.get(flag)
    if info is None or info.archived:
        return FlagConfig()
    return world.configs.get(flag, FlagConfig())


def step(old: FlagConfig, new: FlagConfig) -> int:
    """By how many percentage points the share of users grows at most: of the flag, or of any one of its strategies.

    A strategy that is new, or was not in effect, grew from nothing: whom it reaches was not reached by it before.
    """
    grown = [(words.rollout(new) or 0) - (words.rollout(old) or 0), 0]
    if new.enabled:
        shares = {s.id: _share(s) for s in old.strategies if old.enabled and not s.disabled}
        grown += [_share(s) - shares.get(s.id, 0) for s in new.strategies if not s.disabled]
    return max(grown)


def _share(strategy: Strategy) -> int:
    percent = words.share(strategy)
    return 100 if percent is None else percent
