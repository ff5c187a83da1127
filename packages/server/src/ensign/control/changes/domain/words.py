"""Words for what operations carry: short phrases that stand inside a sentence or a row of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ensign.control.flags import strategies as types
from ensign.control.flags import words as flag_words
from ensign.control.flags.domain import Dependency, Strategy, Variant
from ensign.control.projects import policy_words
from ensign.control.projects.domain import PolicyRules
from ensign.control.segments import words as conditions

constraint = conditions.constraint
rules = conditions.constraints
listing = conditions.listing
weight = flag_words.weight


def per_cent(text: str) -> str:
    """``50`` -> ``50 %``."""
    return f"{text} %"


def strategy_clause(strategy: Strategy) -> str:
    """A strategy in a clause: ``“Canary”: Rollout to 50 % of users, by userId, where country is one of SE``."""
    title = f"“{strategy.title}”: " if strategy.title else ""
    return f"{title}{flag_words.strategy(strategy)}"


def strategy_name(strategy: Strategy) -> str:
    """How rows call it: its title, or its type's label."""
    kind = types.TYPES.get(strategy.name)
    return f"“{strategy.title}”" if strategy.title else kind.label if kind else strategy.name


def variants(values: Sequence[Variant]) -> str:
    """``blue 50 %, green 50 %`` or ``no variants``."""
    return flag_words.variants(values) if values else "no variants"


def dependency(value: Dependency) -> str:
    """``parent is on``, ``parent is off``, ``parent is on with one of blue, green``."""
    return flag_words.dependency(value)


def policy(rules: PolicyRules) -> str:
    """A policy's rules in a phrase."""
    return policy_words.phrase_of(rules)


def strategy_change(flag: str, environment: str, old: Strategy, new: Strategy) -> str:
    """The sentence for one strategy that becomes another.

    A change of the share alone is said as a share; everything else as what it was and what it becomes.
    """
    where = f"{flag} in {environment}"
    if old == new:
        return f"A strategy of {where} stays as it is: {strategy_clause(new)}."
    key = flag_words.SHARES.get(new.name)
    if key is not None and old.name == new.name:
        after = new.parameters.get(key, "0")
        if replace(old, parameters={**old.parameters, key: after}) == replace(new, parameters=dict(new.parameters)):
            rest = flag_words.strategy(new).partition(" % of ")[2]
            return f"Rollout of {where} goes from {old.parameters.get(key, '0')} % to {after} % of {rest}."
    if replace(old, disabled=new.disabled) == new:
        return f"A strategy of {where} is {'disabled' if new.disabled else 'enabled'}: {strategy_clause(new)}."
    return f"A strategy of {where} goes from “{strategy_clause(old)}” to “{strategy_clause(new)}”."
