"""Rules in a few words, for tests: `{"menu": True, "colour": "red", "beta": when(plan="gold")}`."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

Payload = str | int | float | list[Any] | dict[str, Any]

WHOLE = 1_000
"""What the weights of a flag's variants add up to."""


class Rule(NamedTuple):
    """Who gets a flag, and which variants; `strategies` and `variants` are in the wire's shape."""

    enabled: bool = True
    strategies: tuple[dict[str, Any], ...] = ()
    variants: tuple[dict[str, Any], ...] = ()

    def giving(self, name: str, payload: Payload | None = None) -> "Rule":
        """The same people, who get this variant."""
        return self._replace(variants=(_variant(name, WHOLE, payload),))


Meaning = bool | str | Rule | Mapping[str, Any]
"""True: on for everybody; False: off; a text: on, with the variant of that name; a Rule; a flag in the wire's shape."""

Flags = Mapping[str, Meaning]


def variant(name: str, payload: Payload | None = None) -> Rule:
    """On for everybody, with this variant. The payload's type follows from the value: text, number, or JSON."""
    return Rule().giving(name, payload)


def split(weights: Mapping[str, int]) -> Rule:
    """On for everybody, with one of several variants, in proportion to these weights."""
    return Rule(variants=tuple(_variant(name, weight, None) for name, weight in weights.items()))


def rollout(percentage: int, *, stickiness: str = "default", group: str = "testing") -> Rule:
    """On for this share of users."""
    parameters = {"rollout": str(percentage), "stickiness": stickiness, "groupId": group}
    strategy = {"name": "flexibleRollout", "constraints": [], "parameters": parameters, "variants": []}
    return Rule(strategies=(strategy,))


def when(**attributes: str | list[str]) -> Rule:
    """On where each of these attributes of the context is the given text, or one of the given texts."""
    constraints = [
        {"contextName": name, "operator": "IN", "values": [wanted] if isinstance(wanted, str) else list(wanted)}
        for name, wanted in attributes.items()
    ]
    return Rule(strategies=({"name": "default", "constraints": constraints, "parameters": {}, "variants": []},))


def document(flags: Flags) -> dict[str, Any]:
    """The rules in the wire format, for `Client.offline` and `bootstrap`. Raises TypeError for what is no meaning."""
    return {"version": 2, "features": [_flag(name, meaning) for name, meaning in flags.items()], "segments": []}


def _flag(name: str, meaning: Meaning) -> dict[str, Any]:
    if isinstance(meaning, bool):
        meaning = Rule(enabled=meaning)
    elif isinstance(meaning, str):
        meaning = variant(meaning)
    elif isinstance(meaning, Mapping):
        return {"enabled": True, "strategies": [], **meaning, "name": name}
    elif not isinstance(meaning, Rule):
        raise TypeError(f"the flag {name!r} cannot be {meaning!r}: give True, False, a variant's name, or a Rule")
    shape = {"strategies": list(meaning.strategies), "variants": list(meaning.variants)}
    return {"name": name, "type": "release", "project": "testing", "enabled": meaning.enabled, **shape}


def _variant(name: str, weight: int, payload: Payload | None) -> dict[str, Any]:
    shape = {"name": name, "weight": weight, "weightType": "variable", "stickiness": "default", "overrides": []}
    if payload is None:
        return shape
    if isinstance(payload, str):
        return {**shape, "payload": {"type": "string", "value": payload}}
    kind = "json" if isinstance(payload, dict | list | bool) else "number"
    return {**shape, "payload": {"type": kind, "value": json.dumps(payload)}}
