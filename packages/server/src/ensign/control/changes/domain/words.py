"""Words for what operations carry: short phrases that stand inside a sentence or a row of a difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ensign.control.flags.domain import Constraint, Dependency, Strategy, Variant
from ensign.control.projects.domain import PolicyRules

_SHOWN = 5

_NAMES = {
    "default": "everybody",
    "userWithId": "listed users",
    "remoteAddress": "listed addresses",
    "applicationHostname": "listed hosts",
}
#: Parameter in which a strategy type keeps its share, in per cent.
SHARES = {
    "flexibleRollout": "rollout",
    "gradualRolloutUserId": "percentage",
    "gradualRolloutSessionId": "percentage",
    "gradualRolloutRandom": "percentage",
}
_BY = {"gradualRolloutUserId": "userId", "gradualRolloutSessionId": "sessionId", "gradualRolloutRandom": "chance"}
_LISTS = {"userWithId": "userIds", "remoteAddress": "IPs", "applicationHostname": "hostNames"}

_OPERATORS = {
    "IN": "is one of",
    "NOT_IN": "is none of",
    "STR_STARTS_WITH": "starts with",
    "STR_ENDS_WITH": "ends with",
    "STR_CONTAINS": "contains",
    "REGEX": "matches",
    "NUM_EQ": "=",
    "NUM_GT": ">",
    "NUM_GTE": "≥",
    "NUM_LT": "<",
    "NUM_LTE": "≤",
    "DATE_AFTER": "is after",
    "DATE_BEFORE": "is before",
    "SEMVER_EQ": "is version",
    "SEMVER_GT": "is newer than version",
    "SEMVER_GTE": "is at least version",
    "SEMVER_LT": "is older than version",
    "SEMVER_LTE": "is at most version",
    "IN_CIDR": "is in the network",
}


def listing(values: Sequence[str], conjunction: str = "and") -> str:
    """``a, b and c``; beyond five ``a, b, c, d, e and 12 more``."""
    if not values:
        return "nothing"
    shown, rest = list(values[:_SHOWN]), len(values) - _SHOWN
    if rest > 0:
        return f"{', '.join(shown)} and {rest:,} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {conjunction} {shown[-1]}"


def per_cent(text: str) -> str:
    """``50`` -> ``50 %``; what is no number stays as it is."""
    return f"{text} %" if text else "0 %"


def weight(thousandths: int) -> str:
    """``333`` -> ``33.3 %``."""
    whole, rest = divmod(thousandths, 10)
    return f"{whole}.{rest} %" if rest else f"{whole} %"


def constraint(value: Constraint) -> str:
    """``country is one of SE and NO``, ``appVersion is not at least version 2.0``."""
    operator = _OPERATORS.get(value.operator, value.operator)
    listed = value.values or (() if value.value is None else (value.value,))
    negation = "not " if value.inverted else ""
    case = " (ignoring case)" if value.case_insensitive else ""
    return f"{negation}{value.context_name} {operator} {listing(listed, 'or')}{case}"


def rules(constraints: Iterable[Constraint]) -> str:
    """Constraints joined by ``and``; ``everybody`` when there is none."""
    said = [constraint(value) for value in constraints]
    return " and ".join(said) if said else "everybody"


def share(strategy: Strategy) -> str:
    """``50 % of users, by userId``, ``everybody``, ``listed users (a and b)``."""
    if strategy.name in SHARES:
        part = per_cent(strategy.parameters.get(SHARES[strategy.name], "0"))
        by = _BY.get(strategy.name) or strategy.parameters.get("stickiness", "default")
        return f"{part} of users{_by(by)}"
    if strategy.name in _LISTS:
        return f"{_NAMES[strategy.name]} ({listing(_split(strategy.parameters.get(_LISTS[strategy.name], '')))})"
    return _NAMES.get(strategy.name, f"the strategy type {strategy.name}")


def _by(stickiness: str) -> str:
    return "" if stickiness == "default" else f", by {stickiness}"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def conditions(strategy: Strategy) -> str:
    """`` where country is one of SE and in the segment beta``, or nothing."""
    said = [constraint(value) for value in strategy.constraints]
    said += [f"in the segment {key}" for key in strategy.segments]
    return f" where {' and '.join(said)}" if said else ""


def strategy_clause(strategy: Strategy) -> str:
    """A strategy in a clause: ``50 % of users, by userId, where country is one of SE``."""
    title = f"“{strategy.title}”, " if strategy.title else ""
    off = " (disabled)" if strategy.disabled else ""
    split = f", split into {variants(strategy.variants)}" if strategy.variants else ""
    return f"{title}{share(strategy)}{conditions(strategy)}{split}{off}"


def strategy_name(strategy: Strategy) -> str:
    """How rows call it: its title, or its type."""
    return f"“{strategy.title}”" if strategy.title else strategy.name


def variants(values: Sequence[Variant]) -> str:
    """``blue 50 %, green 50 %`` or ``no variants``."""
    return ", ".join(f"{v.name} {weight(v.weight)}" for v in values) if values else "no variants"


def dependency(value: Dependency) -> str:
    """``parent is on``, ``parent is off``, ``parent is on with the variant blue``."""
    state = "on" if value.enabled else "off"
    of = f" with the variant {listing(value.variants, 'or')}" if value.variants else ""
    return f"{value.flag} is {state}{of}"


def policy(rules: PolicyRules) -> str:
    """A policy's rules in a phrase."""
    people = {0: "no approval", 1: "the approval of one other person"}.get(
        rules.approvals, f"the approvals of {rules.approvals} other people"
    )
    said = [people]
    if rules.apply_on_last_approval:
        said.append("applies with the last approval")
    if rules.requires_reason:
        said.append("a reason is asked for")
    if rules.compensating_control:
        said.append(f"compensating control: {rules.compensating_control}")
    return "; ".join(said)


def strategy_change(flag: str, environment: str, old: Strategy, new: Strategy) -> str:
    """The sentence for one strategy that becomes another.

    A change of the share alone is said as a share; everything else as what it was and what it becomes.
    """
    where = f"{flag} in {environment}"
    if old == new:
        return f"A strategy of {where} stays as it is: {strategy_clause(new)}."
    key = SHARES.get(new.name)
    if key is not None and old.name == new.name:
        before, after = old.parameters.get(key, "0"), new.parameters.get(key, "0")
        same_else = {**old.parameters, key: after} == dict(new.parameters)
        others = (old.title, old.constraints, old.segments, old.variants, old.disabled)
        if same_else and others == (new.title, new.constraints, new.segments, new.variants, new.disabled):
            tail = share(new).split(" of users", 1)[1]
            return (
                f"Rollout of {where} goes from {per_cent(before)} to {per_cent(after)} of users{tail}{conditions(new)}."
            )
    if old.disabled != new.disabled:
        flipped = replace(old, disabled=new.disabled)
        if flipped == new:
            return f"A strategy of {where} is {'disabled' if new.disabled else 'enabled'}: {strategy_clause(new)}."
    return f"A strategy of {where} goes from {strategy_clause(old)} to {strategy_clause(new)}."
