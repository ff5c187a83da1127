"""Claims about OpenFeature's view of flags: the vectors hold, and nothing in a document or context can upset it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_engine.openfeature import Mapped, context_of

VECTORS = json.loads((Path(__file__).parents[3] / "conformance" / "openfeature.json").read_text("utf-8"))
RULES = Ruleset.parse(VECTORS["state"])


@pytest.mark.parametrize("case", VECTORS["tests"], ids=lambda case: case["description"])
def test_the_vectors_hold(case: dict[str, Any]) -> None:
    attributes = dict(case["context"])
    context = context_of(attributes.pop("targetingKey", None), attributes)
    mapped = Mapped(RULES.table[case["flag"]])
    found = mapped.resolution(mapped.flag.choose(context))
    expected = case["expected"]
    assert mapped.kind == case["kind"]
    assert (found.reason, found.variant, found.error) == (
        expected["reason"],
        expected["variant"],
        expected.get("errorCode"),
    )
    wanted = expected.get("value")
    assert (type(found.value), found.value) == (type(wanted), wanted)
    if found.error != "FLAG_NOT_FOUND":
        assert found.metadata == {"flagSetId": "shop", "type": "release"}


def test_whether_a_flag_is_on_can_be_asked_of_every_type() -> None:
    for name, on in (("colour", True), ("object", True), ("text-off", False), ("broken-json", True)):
        mapped = Mapped(RULES.table[name])
        assert mapped.boolean(mapped.flag.decide({})).value is on


def test_a_context_keeps_what_is_scalar_and_dates() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    attributes = {"a": 1, "b": 1.5, "c": True, "d": None, "e": [1], "f": {"x": 1}, "g": at, "h": float("nan")}
    found = context_of("k", {**attributes, "sessionId": 3, "currentTime": at, "targetingKey": "other"})
    assert found == {
        "userId": "k", "sessionId": "3", "currentTime": "2026-01-02T00:00:00+00:00",
        "properties": {"a": "1", "b": "1.5", "c": "true", "g": "2026-01-02T00:00:00+00:00", "targetingKey": "k"},
    }  # fmt: skip
    assert context_of(None, {}) == {}


ODD = [
    {},
    {"type": []},
    {"type": "number"},
    {"type": "json", "value": {}},
    {"type": "number", "value": "9" * 5000},
    {"type": "json", "value": "[" * 9000},
]


@pytest.mark.parametrize("payload", ODD)
def test_odd_payloads_are_answers_not_exceptions(payload: dict[str, Any]) -> None:
    flag = {
        "name": "odd",
        "enabled": True,
        "strategies": [],
        "variants": [{"name": "v", "weight": 1, "payload": payload}],
    }
    mapped = Mapped(Ruleset.parse({"features": [flag]}).table["odd"])
    assert mapped.resolution(mapped.flag.choose({})).error == "PARSE_ERROR"
