"""What a strategy's parameters ask for (semantics, section 5; CANON where SDKs differ).

`plan` reads the text parameters once; the generated functions and the interpreter both work from the plan.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ensign_engine.memo import Memo
from ensign_engine.model import StrategyDefinition
from ensign_engine.notices import warn_once
from ensign_engine.parsing import AddressSet
from ensign_engine.settings import CustomStrategy, Settings

_PERCENTAGE = re.compile(r"\+?0*(100|[0-9]{1,2})")


class Never(NamedTuple):
    """The strategy is off for everybody, and why."""

    reason: str


class Always(NamedTuple):
    """The strategy is on for everybody whom its constraints let through, and why."""

    reason: str


class Members(NamedTuple):
    """On when `field` is one of `values`."""

    field: str
    values: frozenset[str]


class Rollout(NamedTuple):
    """On when the identifier's bucket is at most `percentage` (1..100).

    `stickiness` is `default`, `random` or a context name.
    """

    stickiness: str
    group: str
    percentage: int


class Share(NamedTuple):
    """On for a random draw of `percentage` (1..99) in 100."""

    percentage: int


class Addresses(NamedTuple):
    """On when `remoteAddress` is in one of the networks; the memo is asked for the address or None."""

    memo: Memo


class Custom(NamedTuple):
    """On when the application's own function says so; `call` takes the context and never raises."""

    name: str
    call: Callable[[Any], bool]


Plan = Never | Always | Members | Rollout | Share | Addresses | Custom

_GRADUAL = {"gradualRolloutUserId": "userId", "gradualRolloutSessionId": "sessionId"}

BUILT_IN = frozenset(
    {
        "default",
        "userWithId",
        "flexibleRollout",
        "gradualRolloutRandom",
        "remoteAddress",
        "applicationHostname",
        *_GRADUAL,
    }
)
"""The strategies that the engine knows by itself."""


def plan(strategy: StrategyDefinition, *, flag_name: str, settings: Settings) -> Plan:
    """The plan for `strategy` of the flag `flag_name`."""
    name, parameters = strategy.name, strategy.parameters
    if name == "default":
        return Always("the default strategy is on for everybody")
    if name == "flexibleRollout":
        stickiness = parameters.get("stickiness") or "default"
        return _rollout(parameters, "rollout", stickiness, flag_name)
    if name in _GRADUAL:
        return _rollout(parameters, "percentage", _GRADUAL[name], flag_name)
    if name == "gradualRolloutRandom":
        return _share(parameters)
    if name == "userWithId":
        return _members(parameters)
    if name == "remoteAddress":
        return _addresses(parameters)
    if name == "applicationHostname":
        return _hostname(parameters, settings)
    function = settings.custom_strategies.get(name)
    if function is None:
        warn_once(f"the strategy {name!r} is not known here, so it is off; register it as a custom strategy")
        return Never(f"the strategy {name!r} is not known here")
    return Custom(name, _guarded(name, function, parameters))


def entries(listed: str | None) -> tuple[str, ...]:
    """The trimmed, non-empty entries of a comma-separated parameter."""
    return tuple(item for item in (part.strip() for part in (listed or "").split(",")) if item)


def percentage(parameters: Mapping[str, str], key: str) -> int | None:
    """The parameter as a whole number 0..100, or None when it is anything else (section 5.1)."""
    match = _PERCENTAGE.fullmatch(parameters.get(key, ""))
    return int(match.group(1)) if match else None


def _rollout(parameters: Mapping[str, str], key: str, stickiness: str, flag_name: str) -> Plan:
    share = percentage(parameters, key)
    if share is None:
        return Never(f"{key} is not a whole number from 0 to 100")
    if share == 0:
        return Never(f"{key} is 0 %")
    if share == 100 and stickiness in {"default", "random"}:
        return Always(f"{key} is 100 %")
    return Rollout(stickiness, parameters.get("groupId", flag_name), share)


def _share(parameters: Mapping[str, str]) -> Plan:
    share = percentage(parameters, "percentage")
    if share is None:
        return Never("percentage is not a whole number from 0 to 100")
    if share in {0, 100}:
        return Never("percentage is 0 %") if share == 0 else Always("percentage is 100 %")
    return Share(share)


def _members(parameters: Mapping[str, str]) -> Plan:
    listed = entries(parameters.get("userIds"))
    return Members("userId", frozenset(listed)) if listed else Never("no user is listed")


def _addresses(parameters: Mapping[str, str]) -> Plan:
    networks = AddressSet(entries(parameters.get("IPs")))
    if not networks:
        return Never("no valid address is listed")
    return Addresses(Memo(lambda value: value is not None and networks.contains(value)))


def _hostname(parameters: Mapping[str, str], settings: Settings) -> Plan:
    listed = {entry.lower() for entry in entries(parameters.get("hostNames"))}
    host = settings.host()
    if host in listed:
        return Always(f"this host, {host}, is listed")
    return Never(f"this host, {host}, is not listed")


def _guarded(name: str, function: CustomStrategy, parameters: Mapping[str, str]) -> Callable[[Any], bool]:
    def call(context: Any) -> bool:
        try:
            return bool(function(parameters, context))
        except Exception as problem:  # the application's own code; an evaluation never raises into the caller
            warn_once(f"the custom strategy {name!r} raised {type(problem).__name__} and counts as off")
            return False

    return call
