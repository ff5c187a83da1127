"""What a flag does, in plain words: the sentences of pages, differences and explanations. Pure.

“Rollout to 50 % of users, by userId, where country is one of SE, NO”.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ensign.control.flags.domain import Dependency, FlagConfig, Strategy, Variant
from ensign.control.segments import words as conditions

#: The parameter in which a strategy type keeps its share, in per cent.
SHARES: Mapping[str, str] = {
    "flexibleRollout": "rollout",
    "gradualRolloutUserId": "percentage",
    "gradualRolloutSessionId": "percentage",
    "gradualRolloutRandom": "percentage",
}
_LISTED = {
    "userWithId": ("userIds", "Users"),
    "remoteAddress": ("IPs", "Callers from"),
    "applicationHostname": ("hostNames", "Applications on"),
}
_OLD_STICKINESS = {
    "gradualRolloutUserId": "userId",
    "gradualRolloutSessionId": "sessionId",
    "gradualRolloutRandom": "random",
}


def share(strategy: Strategy) -> int | None:
    """The percentage of a gradual strategy, 0 to 100; None for the other types."""
    name = SHARES.get(strategy.name)
    if name is None:
        return None
    text = strategy.parameters.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def rollout(config: FlagConfig) -> int | None:
    """The share of the widest strategy that counts, in per cent; None when the flag is off.

    A strategy without a share of its own counts as 100. What constraints leave out is not in this number.
    """
    if not config.enabled:
        return None
    live = [s for s in config.strategies if not s.disabled]
    if not config.strategies:
        return 100
    return max((100 if (percent := share(s)) is None else percent for s in live), default=0)


def who(strategy: Strategy) -> str:
    """Whom it reaches before its conditions: “50 % of users, by userId”, “Everybody”, “Users a, b and 4 more”."""
    percent = share(strategy)
    if percent is not None:
        stickiness = strategy.parameters.get("stickiness") or _OLD_STICKINESS.get(strategy.name, "default")
        return f"Rollout to {percent} % of {_of_whom(stickiness)}{_by(stickiness)}"
    listed = _LISTED.get(strategy.name)
    if listed is None:
        return "Everybody" if strategy.name == "default" else f"Whom the strategy “{strategy.name}” picks"
    parameter, noun = listed
    entries = [e for entry in strategy.parameters.get(parameter, "").split(",") if (e := entry.strip())]
    return f"{noun} {conditions.listing(entries)}"


def _of_whom(stickiness: str) -> str:
    return {"default": "users", "userId": "users", "sessionId": "sessions", "random": "evaluations"}.get(
        stickiness, f"values of {stickiness}"
    )


def _by(stickiness: str) -> str:
    return {
        "default": "",
        "userId": ", by userId",
        "sessionId": ", by sessionId",
        "random": ", drawn anew each time",
    }.get(stickiness, f", by {stickiness}")


def strategy(value: Strategy, *, segments: Mapping[str, str] | None = None) -> str:
    """A strategy as one sentence. ``segments`` maps segment keys to their names."""
    names = segments or {}
    parts = [f"in segment {names.get(key, key)}" for key in value.segments]
    parts += [conditions.constraint(c) for c in value.constraints]
    sentence = who(value) + (f", where {' and '.join(parts)}" if parts else "")
    if value.variants:
        sentence += f", as {variants(value.variants)}"
    return f"{sentence} (switched off)" if value.disabled else sentence


def weight(thousandths: int) -> str:
    """``333`` -> ``33.3 %``."""
    whole, rest = divmod(thousandths, 10)
    return f"{whole}.{rest} %" if rest else f"{whole} %"


def variants(values: Sequence[Variant]) -> str:
    """``blue 50 %, green 50 %``."""
    return conditions.listing([f"{v.name} {weight(v.weight)}" for v in values])


def dependency(value: Dependency) -> str:
    """“new-menu is on”, “new-menu is on with one of blue, green”, “new-menu is off”."""
    if not value.enabled:
        return f"{value.flag} is off"
    if value.variants:
        return f"{value.flag} is on with one of {conditions.listing(value.variants)}"
    return f"{value.flag} is on"


def config(value: FlagConfig, *, segments: Mapping[str, str] | None = None) -> str:
    """A flag in one environment as one sentence: “Off.”, “On for everybody.”, “On: …; or …, as long as …”."""
    if not value.enabled:
        return "Off."
    live = [strategy(s, segments=segments) for s in value.strategies if not s.disabled]
    if value.strategies and not live:
        return "Off, as all of its strategies are switched off."
    text = f"On: {'; or '.join(live)}" if live else "On for everybody"
    if value.variants:
        text += f", as {variants(value.variants)}"
    if value.dependencies:
        text += f", as long as {' and '.join(dependency(d) for d in value.dependencies)}"
    return f"{text}."
