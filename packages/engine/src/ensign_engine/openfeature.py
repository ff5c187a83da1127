"""OpenFeature's view of a flag: its type, its value, its variant and why (ADR 0017).

No standard says how Unleash-style flags look to OpenFeature. This module does, for the Python provider and for OFREP
alike; conformance/openfeature.json holds it as vectors. Pure: no clock, no I/O.

>>> from ensign_engine import Ruleset
>>> from ensign_engine.openfeature import Mapped, context_of
>>> rules = Ruleset.parse({"features": [{"name": "menu", "enabled": True, "strategies": []}]})
>>> menu = Mapped(rules.table["menu"])
>>> menu.resolution(menu.flag.choose(context_of("7", {"plan": "gold"})))[:3]
(True, 'enabled', 'STATIC')
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any, Literal, NamedTuple, NoReturn

from ensign_engine.compiled import CompiledFlag
from ensign_engine.context import FIELDS, text
from ensign_engine.model import FlagDefinition
from ensign_engine.plans import FlagPlan, StrategyPlan
from ensign_engine.results import Evaluation, Variant
from ensign_engine.strategies import Always, Rollout, Share

Kind = Literal["boolean", "string", "integer", "float", "object"]
Reason = Literal["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "DEFAULT", "ERROR"]
ErrorCode = Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TYPE_MISMATCH"]

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Resolution(NamedTuple):
    """The answer for one flag. `value` is None when the application's own default is meant: the flag is off, its
    variant has nothing to give, or there is an `error`. `metadata` is flat.
    """

    value: Any
    variant: str
    reason: Reason
    error: ErrorCode | None = None
    message: str = ""
    metadata: Mapping[str, bool | str] = {}  # shared by all, and changed by none


class UnreadableError(Exception):
    """A payload is not what its type says."""


class Mapped:
    """One flag as OpenFeature sees it. Make it once per compiled flag: type, reasons and metadata are found here.

    `fixed` is whether every context gets the same answer.
    """

    __slots__ = ("_drawn", "_off", "_on", "fixed", "flag", "kind", "metadata")

    def __init__(self, flag: CompiledFlag) -> None:
        self.flag = flag
        plan = flag.plan
        self.kind: Kind = "boolean" if plan is None else kind_of(plan.definition)
        self.fixed = True
        self._on: tuple[Reason, ...] = ()
        self._off: Reason = "DEFAULT"
        self._drawn: tuple[bool, ...] = ()
        self.metadata: dict[str, bool | str] = {}
        if plan is not None:
            codes = range(1, max(len(plan.strategies), 1) + 1)
            self._on = tuple(_reason(plan, code) for code in codes)
            self._drawn = tuple(_several(plan, code) for code in codes)
            first = next((code for code in codes if not (plan.strategies and plan.strategies[code - 1].dead)), None)
            self._off = "DISABLED" if plan.off is not None else "STATIC" if first is None else "DEFAULT"
            self.fixed = self._off != "DEFAULT" or self._reason(first or 1) == "STATIC"
            definition = plan.definition
            texts = {"flagSetId": definition.project, "type": definition.type}
            self.metadata = {name: text for name, text in texts.items() if text}
            if definition.stale:
                self.metadata["stale"] = True

    def resolution(self, answer: Evaluation) -> Resolution:
        """`answer`, which `flag.choose` gave, as a value of the flag's own type."""
        code = (answer.strategy or 0) + 1 if answer.enabled else 0
        if self.kind == "boolean" or not answer.found:
            return self.boolean(code)
        variant = answer.variant
        try:
            value = value_of(variant, self.kind) if variant.enabled else None
        except UnreadableError as problem:
            message = f"the variant {variant.name!r} of {answer.name!r}: {problem}"
            return Resolution(None, variant.name, "ERROR", "PARSE_ERROR", message, self.metadata)
        return Resolution(value, variant.name, self._reason(code), metadata=self.metadata)

    def boolean(self, code: int) -> Resolution:
        """Whether the flag is on, whatever its type; `code` is what `flag.decide` gave."""
        if not self.flag.found:
            return Resolution(None, "", "ERROR", "FLAG_NOT_FOUND", f"there is no flag {self.flag.name!r}")
        if code:
            return Resolution(True, "enabled", self._on[code - 1], metadata=self.metadata)
        return Resolution(False, "disabled", self._off, metadata=self.metadata)

    def booleans(self) -> tuple[Resolution, ...]:
        """What `boolean` gives for each outcome code, for those who prepare answers."""
        return tuple(map(self.boolean, range(len(self._on) + 1)))

    def _reason(self, code: int) -> Reason:
        """Why the answer with this outcome code is what it is, its variant included."""
        if not code:
            return self._off
        return "SPLIT" if self._drawn[code - 1] else self._on[code - 1]


def context_of(targeting_key: str | None, attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """The engine's context for OpenFeature's: the targeting key is the property `targetingKey`, and `userId` unless an
    attribute of that name says otherwise; the wire's own fields by name, other scalars and dates as text under
    `properties`; what is null, a list or an object is left out, but what an object named `properties` holds counts
    like an attribute.
    """
    context: dict[str, Any] = {}
    properties: dict[str, str] = {}
    inner = attributes.get("properties")
    if isinstance(inner, Mapping):
        attributes = {**inner, **attributes}
    for name, value in attributes.items():
        plain = value.isoformat() if isinstance(value, datetime) else text(value)
        if plain is None or not isinstance(name, str) or name == "targetingKey":
            continue
        if name in FIELDS:
            context[name] = plain
        else:
            properties[name] = plain
    if targeting_key is not None:
        properties["targetingKey"] = targeting_key
        context.setdefault("userId", targeting_key)
    if properties:
        context["properties"] = properties
    return context


def kind_of(definition: FlagDefinition) -> Kind:
    """One type for all that a flag may answer, from the payloads of its variants and those of its strategies.

    No variants: boolean. All payloads of one type: that; numbers are integers when all are written so. No payloads,
    or of several types: string. Variants without a payload have no say, unless none has one; nor have numbers that
    are none, so that a slip in one variant changes no other's type.
    """
    strategies = definition.strategies or ()
    every = [*definition.variants, *(variant for strategy in strategies for variant in strategy.variants)]
    if not every:
        return "boolean"
    payloads = [variant.payload for variant in every if variant.payload is not None]
    types = {text(payload.get("type")) for payload in payloads}
    if types == {"json"}:
        return "object"
    if types == {"number"}:
        written = (text(payload.get("value")) for payload in payloads)
        numbers = {type(number) for one in written if (number := _number(one)) is not None}
        return "integer" if numbers == {int} else "float"
    return "string"


def value_of(variant: Variant, kind: Kind) -> Any:
    """What `variant` gives to a flag of this type; None for a payload that is missing, or null as JSON. Raises
    UnreadableError, whose text holds nothing of the payload.
    """
    if variant.payload is None:
        return variant.name if kind == "string" else None
    raw = text(variant.payload.get("value"))
    if raw is None:
        raise UnreadableError("its payload has no value")
    if kind == "string":
        return raw
    if kind == "object":
        return _object(raw)
    number = _number(raw)
    if number is None:
        raise UnreadableError("its payload is no number, or one that clients cannot hold")
    if kind == "integer" and not isinstance(number, int):
        raise UnreadableError("its payload is no whole number")
    return number if kind == "integer" else float(number)


def _number(raw: str | None) -> int | float | None:
    """The number as it was written: 1 is an integer, 1.0 and 1e3 are floats. None for none that a float can hold."""
    plain = (raw or "").strip()
    if not _DECIMAL.fullmatch(plain) or not isfinite(float(plain)):
        return None
    return int(plain) if _WHOLE.fullmatch(plain) else float(plain)


def _object(raw: str) -> Any:
    try:
        found = json.loads(raw, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise UnreadableError("its payload is no JSON") from None
    if not isinstance(found, dict | list | None):
        raise UnreadableError("its payload is neither an object nor a list")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _reason(plan: FlagPlan, code: int) -> Reason:
    """Why the flag is on when the strategy at position code - 1 decided."""
    if not plan.strategies:
        return "TARGETING_MATCH" if plan.dependencies else "STATIC"
    strategy = plan.strategies[code - 1]
    if isinstance(strategy.plan, Share) or (isinstance(strategy.plan, Rollout) and strategy.plan.percentage < 100):
        return "SPLIT"
    earlier = any(not one.dead for one in plan.strategies[: code - 1])
    return "TARGETING_MATCH" if earlier or plan.dependencies or not _bare(strategy) else "STATIC"


def _bare(strategy: StrategyPlan) -> bool:
    return isinstance(strategy.plan, Always) and not strategy.all_tests()


def _several(plan: FlagPlan, code: int) -> bool:
    """Whether the context decides between variants then."""
    competing = plan.variants_for(code)
    drawn = sum(variant.weight > 0 for variant in competing.variants) > 1
    return drawn or (bool(competing.overrides) and competing.total > 0)
