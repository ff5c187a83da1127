"""Where Ensign's evaluation differs from Yggdrasil's on purpose: the CANON rules of the semantics, named.

Each rule has a predicate that says exactly when it may matter, and a witness: a case in which the two engines
differ in just the stated way (so a rule that no longer matters fails its test and is taken out).
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ensign_engine import Ruleset

Json = dict[str, Any]
Answer = tuple[bool, str, Json | None, bool]
"""Enabled, the variant's name, its payload, feature_enabled."""

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
DATE = re.compile(r"\d{4}-(0\d|1[0-2])-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{3})?(Z|[+-]\d\d:\d\d)")
PART = r"(0|[1-9]\d*)"
SEMVER = re.compile(rf"{PART}\.{PART}\.{PART}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
VALUE_FORMS = {"NUM": NUMBER, "DATE": DATE, "SEMVER": SEMVER}


@dataclass(frozen=True)
class Case:
    """One flag in its document, one context, and whether our engine drew a random number for it."""

    document: Json
    flag: Json
    context: Json
    drew: bool

    def family(self) -> Iterator[Json]:
        """The flag and its parents."""
        yield self.flag
        named = {item["feature"] for item in self.flag.get("dependencies", ())}
        yield from (flag for flag in self.document["features"] if flag["name"] in named)

    def strategies(self) -> Iterator[Json]:
        return (strategy for flag in self.family() for strategy in flag["strategies"])

    def constraints(self) -> Iterator[Json]:
        segments = {segment["id"]: segment for segment in self.document["segments"]}
        for strategy in self.strategies():
            yield from strategy.get("constraints", ())
            for identity in strategy.get("segments", ()):
                yield from segments.get(identity, {}).get("constraints", ())

    def given(self, name: str) -> Any:
        found = self.context.get(name)
        return found if found is not None else self.context.get("properties", {}).get(name)


def _malformed_constraint(case: Case) -> bool:
    for constraint in case.constraints():
        operator, value = constraint["operator"], constraint.get("value")
        form = VALUE_FORMS.get(operator.partition("_")[0])
        if operator == "NO_SUCH_OPERATOR" or (form and not (value and form.fullmatch(value))):
            return True
    return False


def _patterns(case: Case) -> list[Json]:
    return [constraint for constraint in case.constraints() if constraint["operator"] == "REGEX"]


def _ascii_classes(case: Case) -> bool:
    return any(
        re.search(r"\\[wdb]", item["value"]) and not str(case.given(item["contextName"])).isascii()
        for item in _patterns(case)
    )


def _texts(case: Case, kinds: tuple[str, ...]) -> list[Json]:
    return [item for item in case.constraints() if item["operator"].startswith(kinds)]


def _empty_sticky(case: Case) -> bool:
    fields = {"userId", "sessionId"}
    for flag in case.family():
        fields |= {variant["stickiness"] for variant in flag["variants"]}
        for strategy in flag["strategies"]:
            fields |= {strategy["parameters"].get("stickiness", "")}
            fields |= {variant["stickiness"] for variant in strategy.get("variants", ())}
    return any(case.given(name) == "" for name in fields)


def _strategy_stickiness(case: Case) -> bool:
    return any(
        strategy["variants"][0]["stickiness"] != strategy["parameters"].get("stickiness", "default")
        for strategy in case.strategies()
        if strategy.get("variants")
    )


def _zero_weights(case: Case) -> bool:
    lists = [flag["variants"] for flag in case.family()]
    lists += [strategy.get("variants", []) for strategy in case.strategies()]
    return any(found and sum(variant["weight"] for variant in found) == 0 for found in lists)


def _beyond_hundred(case: Case) -> bool:
    return any(
        strategy["parameters"].get(key, "").isdigit() and int(strategy["parameters"][key]) > 100
        for strategy in case.strategies()
        for key in ("rollout", "percentage")
    )


def _parent_without_group(case: Case) -> bool:
    parents = list(case.family())[1:]
    return any("groupId" not in item["parameters"] for flag in parents for item in flag["strategies"])


def _gradual_without_group(case: Case) -> bool:
    return any(item["name"].startswith("gradual") and "groupId" not in item["parameters"] for item in case.strategies())


def _parent_without_variant(case: Case) -> bool:
    wanted = [item["feature"] for item in case.flag.get("dependencies", ()) if item.get("variants")]
    rules = Ruleset.parse(case.document, random=lambda: 0.37)
    return any(not rules.get_variant(name, case.context).enabled for name in wanted)


def _cidr_forms(case: Case) -> bool:
    lists = [item["values"] for item in _texts(case, ("IN_CIDR",))]
    return any(entry != entry.strip() or entry.count(".") > 3 for found in lists for entry in found)


def _numbers(case: Case) -> bool:
    given = [str(case.given(item["contextName"])) for item in _texts(case, ("NUM",))]
    return any(math.isinf(float(text)) for text in given if re.fullmatch(r"[+-]?inf(inity)?", text, re.I))


ON: Answer = (True, "disabled", None, True)
OFF: Answer = (False, "disabled", None, False)


@dataclass(frozen=True)
class Rule:
    """Why the engines may differ (section of the semantics), when, and one case in which they do."""

    name: str
    reason: str
    applies: Callable[[Case], bool]
    strategies: tuple[Json, ...] = ()
    context: Json | None = None
    ours: Answer = OFF
    theirs: Answer = OFF
    extra: Json | None = None
    wanted: Json | None = None


DEFAULT: Json = {"name": "default", "parameters": {}}


def _when(operator: str, *values: str, name: str = "country", **more: Any) -> Json:
    constraint = {"contextName": name, "operator": operator, "values": list(values), **more}
    return {**DEFAULT, "constraints": [constraint]}


def _rollout(share: str, **parameters: str) -> Json:
    return {"name": "flexibleRollout", "parameters": {"rollout": share, **parameters}}


def _parent(**more: Any) -> Json:
    return {"name": "parent", "enabled": True, "strategies": [DEFAULT], "variants": [], **more}


CANON = (
    Rule(
        "ONE_BAD_CONSTRAINT_SPOILS_ONE_STRATEGY",
        "6.1: a malformed constraint is false; Yggdrasil turns the whole flag off",
        _malformed_constraint,
        (_when("NUM_GT", value="abc"), DEFAULT),
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "MISSING_SEGMENT_SPOILS_ONE_STRATEGY",
        "7: an unknown segment turns its strategy off; Yggdrasil the whole flag",
        lambda case: any(
            identity not in {segment["id"] for segment in case.document["segments"]}
            for strategy in case.strategies()
            for identity in strategy.get("segments", ())
        ),
        ({**DEFAULT, "segments": [99]}, DEFAULT),
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "EMPTY_VALUES_MATCH_NOTHING",
        "6.1: no values: false, then inverted; Yggdrasil's rule text does not compile",
        lambda case: any(not item["values"] for item in _texts(case, ("STR", "IN_CIDR"))),
        (_when("STR_CONTAINS", inverted=True),),
        {"properties": {"country": "fr"}},
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "EMPTY_ENTRIES_ARE_IGNORED",
        "6.3: an empty entry matches nothing; in Yggdrasil everything",
        lambda case: any("" in item["values"] for item in _texts(case, ("STR",))),
        (_when("STR_STARTS_WITH", ""),),
        {"properties": {"country": "fr"}},
        ours=OFF,
        theirs=ON,
    ),
    Rule(
        "REGEX_CLASSES_ARE_ASCII",
        "6.7: \\w, \\d and \\b are ASCII as in RE2; Unicode in Yggdrasil",
        _ascii_classes,
        (_when("REGEX", value="^\\w$"),),
        {"properties": {"country": "ø"}},
        ours=OFF,
        theirs=ON,
    ),
    Rule(
        "REGEX_REPETITION_LIMIT",
        "6.7: RE2 repeats at most 1,000 times; Yggdrasil's library more often",
        lambda case: any(re.search(r"\{\d{4,}\}", item["value"]) for item in _patterns(case)),
        (_when("REGEX", value="^x{1001}$", inverted=True),),
        {"properties": {"country": "x" * 1001}},
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "EMPTY_STICKY_VALUES_ARE_ABSENT",
        "10: an empty identifier counts as absent; Yggdrasil hashes it",
        _empty_sticky,
        (_rollout("100", stickiness="userId", groupId="g"),),
        {"userId": ""},
        ours=OFF,
        theirs=ON,
    ),
    Rule(
        "EMPTY_STICKINESS_IS_DEFAULT",
        "5.1: an empty stickiness means default; Yggdrasil looks for a property without a name",
        lambda case: any(item["parameters"].get("stickiness") == "" for item in case.strategies()),
        (_rollout("100", stickiness="", groupId="g"),),
        {"userId": "7"},
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "ROLLOUT_BEYOND_100_SPOILS_ONE_STRATEGY",
        "5.1: over 100: the strategy is off; Yggdrasil turns the whole flag off",
        _beyond_hundred,
        (_rollout("101", groupId="g"), DEFAULT),
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "GRADUAL_GROUP_DEFAULTS_TO_THE_FLAG",
        "5: a gradual rollout without a group uses the flag's name; Yggdrasil is off",
        _gradual_without_group,
        ({"name": "gradualRolloutUserId", "parameters": {"percentage": "100"}},),
        {"userId": "7"},
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "A_PARENT_HASHES_ITS_OWN_NAME",
        "8: a parent without a group hashes its own name; Yggdrasil the child's",
        _parent_without_group,
        (DEFAULT,),
        {"userId": "4"},
        ours=ON,
        theirs=OFF,
        extra=_parent(strategies=[_rollout("35")]),
    ),
    Rule(
        "A_PARENT_THAT_MUST_BE_OFF_HAS_NO_VARIANT",
        "8.5: with enabled false the variants are ignored; Yggdrasil still compares them",
        lambda case: any(
            item.get("enabled") is False and item.get("variants") for item in case.flag.get("dependencies", ())
        ),
        (DEFAULT,),
        ours=ON,
        theirs=OFF,
        extra=_parent(enabled=False, variants=[{"name": "green", "weight": 1}]),
        wanted={"enabled": False, "variants": ["blue"]},
    ),
    Rule(
        "A_PARENT_WITHOUT_VARIANTS_GIVES_DISABLED",
        "8.3: a parent that resolves to no variant gives the name `disabled`; in Yggdrasil any name is met",
        _parent_without_variant,
        (DEFAULT,),
        ours=OFF,
        theirs=ON,
        extra=_parent(),
        wanted={"variants": ["blue"]},
    ),
    Rule(
        "CIDR_ENTRIES_ARE_TRIMMED_PREFIXES",
        "6.8: entries are trimmed and take prefixes only; Yggdrasil takes netmasks and does not trim",
        _cidr_forms,
        (_when("IN_CIDR", " 10.0.0.0/8 ", name="remoteAddress"),),
        {"remoteAddress": "10.1.2.3"},
        ours=ON,
        theirs=OFF,
    ),
    Rule(
        "INFINITY_IS_NO_NUMBER",
        "6.4: a context's `inf` is no number; in Yggdrasil it is",
        _numbers,
        (_when("NUM_GT", value="5"),),
        {"properties": {"country": "inf"}},
        ours=OFF,
        theirs=ON,
    ),
    Rule(
        "THE_FIRST_VARIANT_SAYS_THE_STICKINESS",
        "9.3: a strategy's variants follow their first one's stickiness; Yggdrasil the parameters'",
        _strategy_stickiness,
        (
            {
                **_rollout("100", groupId="g", stickiness="userId"),
                "variants": [
                    {"name": "one", "weight": 1, "stickiness": "sessionId"},
                    {"name": "two", "weight": 1, "stickiness": "sessionId"},
                ],
            },
        ),
        {"userId": "0", "sessionId": "1"},
        ours=(True, "two", None, True),
        theirs=(True, "one", None, True),
    ),
    Rule(
        "NO_WEIGHT_NO_VARIANT",
        "9.a: weights that sum to 0 give the default variant; Yggdrasil fails",
        _zero_weights,
        ({**_rollout("100", groupId="g"), "variants": [{"name": "a", "weight": 0, "stickiness": "default"}]},),
        {"userId": "7"},
        ours=ON,
        theirs=(True, "disabled", None, False),
    ),
    Rule("CHANCE", "5, 9: random draws differ from call to call", lambda case: case.drew),
)
