"""Claims: every answer is of the shape that the protocol's own description gives, whatever is asked, and is true.

The description is vendored in `specs`. Where it contradicts itself the test says how it is read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ensign.delivery.app import DeliveryApp
from ensign.delivery.context import from_evaluation
from ensign.delivery.ofrep import Evaluator
from ensign_engine import Evaluation, Ruleset
from ensign_testkit import rules
from ensign_testkit.delivery import MemorySource, constraint, flag, serving, strategy
from hypothesis import given, settings
from hypothesis import strategies as st

SPEC = Path(__file__).parent / "specs" / "ofrep-0.3.0.yaml"
TOKEN = "shop:production.frontend-secret"
REASONS = {"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED"}


def described() -> dict[str, Any]:
    """The description. Taken literally no value passes it: each matches `codeDefaultFlag`, too, and every integer is a
    number, while exactly one may match. So: no value at all is the code default, and any of the others will do."""
    document: dict[str, Any] = yaml.safe_load(SPEC.read_text())
    schemas = document["components"]["schemas"]
    schemas["codeDefaultFlag"]["not"] = {"required": ["value"]}
    values = schemas["evaluationSuccess"]["allOf"][1]
    values["anyOf"] = values.pop("oneOf")
    return document


def variant(name: str, kind: str = "", value: str = "") -> dict[str, Any]:
    payload = {"payload": {"type": kind, "value": value}} if kind else {}
    return {"name": name, "weight": 500, "weightType": "variable", "stickiness": "userId", "overrides": [], **payload}


FLAGS = [
    flag("discount-banner"), flag("off", enabled=False), flag("a/b"),
    flag("theme", variants=[variant("blue"), variant("red", "string", "x")]),
    flag("size", variants=[variant("s", "number", "1"), variant("l", "number", "2.5")]),
    flag("count", variants=[variant("one", "number", "1")]),
    flag("layout", variants=[variant("a", "json", '{"a":[1]}'), variant("b", "json", "{}")]),
    flag("broken", variants=[variant("a", "json", "{")]),
    flag("varied-off", enabled=False, variants=[variant("a", "json", "{}")]),
    flag("for-some", strategies=[strategy(constraints=[constraint("plan", "IN", "premium")])]),
]  # fmt: skip


def test_no_generated_request_gets_an_answer_that_the_protocol_does_not_know(tmp_path: Path) -> None:
    source = MemorySource()
    source.token(TOKEN, "frontend")
    source.publish(FLAGS)
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(described()))
    app = DeliveryApp(source, refusal_limit=10**9)
    with serving(app) as server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", str(tmp_path / "openapi.yaml"),
            "--url", server.url, "--header", f"Authorization: Bearer {TOKEN}", "--checks",
            "not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance",
            "--max-examples", "60", "--phases", "examples,coverage,fuzzing", "--seed", "1", "--workers", "1",
            "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def varied(definition: dict[str, Any]) -> bool:
    """Whether a generated flag has variants."""
    return bool(definition["variants"]) or any(strategy.get("variants") for strategy in definition["strategies"])


def worth(evaluation: Evaluation, definition: dict[str, Any]) -> Any:
    """What the answer must hold, derived anew: generated payloads are texts."""
    if not varied(definition):
        return evaluation.enabled
    if not evaluation.variant.enabled:
        return None
    payload = evaluation.variant.payload
    return evaluation.variant.name if payload is None else payload["value"]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Generated rules, of which half the flags have no variants."""
    document: dict[str, Any] = draw(rules.documents())
    for definition in document["features"]:
        if draw(st.booleans()):
            definition["variants"] = []
            for rule in definition["strategies"]:
                rule.pop("variants", None)
    return document


@settings(max_examples=200, deadline=None)
@given(document=documents(), contexts=st.lists(rules.contexts(), min_size=4, max_size=8))
def test_answers_agree_with_the_engine_for_generated_rules(document: dict[str, Any], contexts: list[Any]) -> None:
    engine = Ruleset.parse(document, random=lambda: 0.25)
    definitions = {definition["name"]: definition for definition in document["features"]}
    evaluator = Evaluator(engine, sorted(definitions), metadata={})
    for attributes in contexts:
        inner = attributes.get("properties") or {}
        given = {**inner, **{name: value for name, value in attributes.items() if name != "properties"}}
        given["targetingKey"] = given.pop("userId", None)
        given.setdefault("sessionId", "s")
        context = from_evaluation({"context": given}, address="", size=100)
        items = {item["key"]: item for item in json.loads(b"[" + evaluator.bulk(context) + b"]")}
        assert items.keys() == definitions.keys()
        for name, item in items.items():
            evaluation = engine.evaluate(name, context)
            assert item.get("value") == worth(evaluation, definitions[name]), name
            on = "enabled" if evaluation.enabled else "disabled"
            assert item["variant"] == (evaluation.variant.name if varied(definitions[name]) else on)
            assert item["reason"] in REASONS
            assert item.get("metadata", {}).get("enabled", item.get("value")) is evaluation.enabled
            plan = engine.compiled(name).plan
            assert plan is not None
            assert (item["reason"] == "DISABLED") == (plan.off is not None)
            single = evaluator.flags[name].answer(evaluator.flags[name].flag.choose(context))
            assert json.loads(single.body) == item


@settings(max_examples=80, deadline=None)
@given(document=rules.documents(odd=True), contexts=st.lists(rules.contexts(odd=True), min_size=2, max_size=5))
def test_what_is_said_to_be_static_is_the_same_for_everybody(document: dict[str, Any], contexts: list[Any]) -> None:
    engine = Ruleset.parse(document)
    names = [definition["name"] for definition in document["features"]]
    evaluator = Evaluator(engine, names, metadata={})
    seen: dict[str, set[str]] = {}
    for attributes in contexts:
        context = from_evaluation({"context": {**attributes, "targetingKey": None}}, address="", size=100)
        for item in json.loads(b"[" + evaluator.bulk(context) + b"]"):
            if item.get("reason") in {"STATIC", "DISABLED"}:
                seen.setdefault(item["key"], set()).add(json.dumps(item))
            else:
                seen.setdefault(item["key"], set()).add("dynamic")
    for key, answers in seen.items():
        assert len(answers) == 1, key


@pytest.mark.parametrize("name", ["evaluationSuccess", "evaluationFailure", "bulkEvaluationSuccess"])
def test_the_vendored_description_is_the_one_that_the_tests_mean(name: str) -> None:
    document = described()
    assert document["info"]["version"] == "0.3.0"
    assert name in document["components"]["schemas"]
