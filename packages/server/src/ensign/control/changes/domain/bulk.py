"""One act on many flags, as the operations of one change: what it does to each, and why it leaves some alone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable
from ensign.control.changes.domain.world import World
from ensign.control.flags import words
from ensign.control.flags.domain import FlagConfig, Strategy

Act = Literal["on", "off", "archive", "rollout"]
ACTS: tuple[Act, ...] = ("on", "off", "archive", "rollout")

#: How many operations a change holds at most.
MAX_OPERATIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A flag that is left alone, and why."""

    flag: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The operations, and the flags that they leave alone; together every flag that was chosen."""

    operations: tuple[Operation, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def plan(world: World, flags: Iterable[str], act: Act, *, percent: int = 0, parents: Collection[str] = ()) -> Plan:
    """``act`` on each of ``flags``, in the environment of ``world``.

    ``percent`` is the share that ``rollout`` gives to every gradual strategy. ``parents`` are the flags on which others
    depend: they cannot be archived.
    """
    made: list[Operation] = []
    skipped: list[Skipped] = []
    for key in dict.fromkeys(flags):
        info = world.flags.get(key)
        if info is None:
            found: list[Operation] | str = f"There is no such flag in {world.project}."
        elif info.archived:
            found = "It is archived."
        elif act == "archive":
            found = "Other flags depend on it." if key in parents else [FlagArchive(flag=key)]
        else:
            found = _content(key, world.configs.get(key, FlagConfig()), act, percent)
        if isinstance(found, str):
            skipped.append(Skipped(flag=key, why=found))
        else:
            made += found
    return Plan(operations=tuple(made), skipped=tuple(skipped))


def _content(key: str, config: FlagConfig, act: Act, percent: int) -> list[Operation] | str:
    """What it takes, or why nothing is done."""
    if act == "on":
        if config.enabled:
            return "It is on already."
        if config.strategies and all(s.disabled for s in config.strategies):
            return "All of its strategies are switched off."
        return [FlagEnable(flag=key)]
    if act == "off":
        return [FlagDisable(flag=key)] if config.enabled else "It is off already."
    gradual = [s for s in config.strategies if words.share(s) is not None]
    if not gradual:
        return "It has no gradual rollout here."
    changed = [_shared(s, percent) for s in gradual if words.share(s) != percent]
    return [StrategyUpdate(flag=key, strategy=s) for s in changed] or f"It is at {percent} % already."


def _shared(strategy: Strategy, percent: int) -> Strategy:
    return replace(strategy, parameters={**strategy.parameters, words.SHARES[strategy.name]: str(percent)})
