"""Generated rulesets and contexts: Yggdrasil and Ensign agree, save where a named CANON rule says otherwise.

Yggdrasil (0.21.5) is the engine inside the official Python, Ruby, .NET, Java and Rust SDKs and Unleash Edge.
The rules and their predicates are in ensign_testkit.canon.
"""

import json
import logging

import pytest
from ensign_engine import Ruleset
from ensign_testkit.canon import CANON, Answer, Case, Json, Rule
from ensign_testkit.rules import contexts, documents
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from yggdrasil_engine.engine import UnleashEngine


def _theirs(document: Json, name: str, context: Json) -> Answer:
    engine = UnleashEngine()
    engine.take_state(json.dumps(document))
    variant = engine.check_variant(name, context).variant
    return engine.check_enabled(name, context).is_enabled, variant.name, variant.payload, variant.feature_enabled


def _ours(document: Json, name: str, context: Json) -> tuple[Answer, bool]:
    draws: list[float] = []

    def draw() -> float:
        draws.append(0.37)
        return 0.37

    found = Ruleset.parse(document, random=draw).evaluate(name, context)
    variant = found.variant
    return (found.enabled, variant.name, variant.payload, variant.feature_enabled), bool(draws)


def test_the_engines_agree_on_what_a_server_lets_through() -> None:
    """Rules that pass write-time validation: equal answers, random draws excepted, on thousands of cases."""
    compared = _compare(documents(), contexts(), {"CHANCE", "A_PARENT_WITHOUT_VARIANTS_GIVES_DISABLED"})
    assert compared["equal"] > 500, "too few cases were compared for the claim to mean anything"
    assert compared["equal"] > 10 * compared["excused"]


def test_the_engines_differ_on_odd_rules_only_by_named_rules() -> None:
    """Malformed rules too: a difference is excused only by a rule whose predicate applies to the case."""
    compared = _compare(documents(odd=True), contexts(), {rule.name for rule in CANON})
    assert compared["equal"] > 200


def _compare(rules: st.SearchStrategy[Json], people: st.SearchStrategy[Json], allowed: set[str]) -> dict[str, int]:
    tally = {"equal": 0, "excused": 0}

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rules, people)
    def compare(document: Json, context: Json) -> None:
        for flag in document["features"]:
            ours, drew = _ours(document, flag["name"], context)
            case = Case(document, flag, context, drew)
            excuses = [rule.name for rule in CANON if rule.name in allowed and rule.applies(case)]
            theirs = _theirs(document, flag["name"], context)
            event(f"excused by {excuses}" if ours != theirs else "equal")
            assert ours == theirs or excuses, (flag, context, ours, theirs)
            tally["equal" if ours == theirs else "excused"] += 1

    compare()
    return tally


WITNESSED = [rule for rule in CANON if rule.name != "CHANCE"]  # chance has no fixed answer to show


@pytest.mark.parametrize("rule", WITNESSED, ids=lambda rule: rule.name)
def test_every_rule_has_a_witness(rule: Rule, caplog: pytest.LogCaptureFixture) -> None:
    """The rule's witness falls under its predicate, and the engines differ on it exactly as stated."""
    assert rule.ours != rule.theirs
    caplog.set_level(logging.CRITICAL)
    flag: Json = {"name": "witness", "enabled": True, "strategies": list(rule.strategies), "variants": []}
    features = [flag]
    if rule.extra is not None:
        flag["dependencies"] = [{"feature": "parent", **(rule.wanted or {})}]
        features.append(rule.extra)
    document = {"version": 2, "features": features, "segments": []}
    context = rule.context or {}
    ours, drew = _ours(document, "witness", context)
    assert rule.applies(Case(document, flag, context, drew))
    assert (ours, _theirs(document, "witness", context)) == (rule.ours, rule.theirs)
