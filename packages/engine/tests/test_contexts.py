"""Evaluation takes any context, changes none and never raises."""

import copy
from collections.abc import Iterator, Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_engine.context import lookup, text
from ensign_testkit.rules import contexts, documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]


class Colour(str, Enum):  # noqa: UP042 - applications on older style enums pass these
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Hostile(Mapping[str, Any]):
    """A mapping that raises on every access."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def get(self, key: str, default: Any = None) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "x"), ("", ""), (5, "5"), (5.0, "5.0"), (0.1, "0.1"), (True, "true"), (False, "false"), (None, None),
        (float("nan"), None), (float("inf"), None), ([1], None), ({}, None), (object(), None), (b"x", None),
        (Colour.RED, "red"), (Level.HIGH, "3"),
    ],
)  # fmt: skip
def test_values_become_text(value: object, expected: str | None) -> None:
    """Section 2: what each type of value stands for."""
    assert text(value) == expected
    assert lookup({"x": value}, "x") == expected
    assert lookup({"properties": {"x": value}}, "x") == expected
    assert lookup({"x": value}, "x", "static") == (expected if expected is not None else "static")


@pytest.mark.parametrize(
    "context",
    [None, 5, "text", [], object(), Hostile(), {"properties": Hostile()}, {"properties": 5}, {"userId": "\ud800"},
     {1: 2}, {"userId": object()}, MappingProxyType({"userId": "7"}), {"properties": {"userId": b"7"}}],
    ids=lambda context: type(context).__name__,
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents(odd=True))
def test_no_context_raises(context: Any, document: Json) -> None:
    """Contexts that are no mapping, raise on access or hold impossible text give an answer all the same."""
    rules = Ruleset.parse(document)
    for name in [*rules.names(), "unknown"]:
        assert rules.is_enabled(name, context) in {True, False}
        rules.get_variant(name, context)
        rules.explain(name, context)
    assert set(rules.evaluate_all(context)) == set(rules.names())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(odd=True), contexts(odd=True))
def test_contexts_are_never_changed(document: Json, context: Json) -> None:
    """The caller's context is as it was, key order included."""
    before = copy.deepcopy(context)
    rules = Ruleset.parse(document)
    rules.evaluate_all(context)
    for name in rules.names():
        rules.explain(name, context)
    assert repr(context) == repr(before)


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_any_mapping_will_do(values: dict[str, str], name: str) -> None:
    """A read-only mapping is read like a dictionary."""
    constraint = {"contextName": name, "operator": "IN", "values": ["x", "y"]}
    flag = {"name": "f", "enabled": True, "strategies": [{"name": "default", "constraints": [constraint]}]}
    rules = Ruleset.parse({"features": [flag]})
    assert rules.is_enabled("f", values) == rules.is_enabled("f", MappingProxyType(values))


def test_a_custom_strategy_sees_the_callers_context() -> None:
    """It gets its parameters and the context as given; what it raises counts as off."""
    seen: list[object] = []

    def strategy(parameters: Mapping[str, str], context: Any) -> bool:
        seen.append((dict(parameters), context))
        return bool(context["ok"])

    flag = {"name": "f", "enabled": True, "strategies": [{"name": "mine", "parameters": {"a": "1", "n": 5}}]}
    rules = Ruleset.parse({"features": [flag]}, custom_strategies={"mine": strategy})
    context = {"ok": True}
    assert rules.is_enabled("f", context)
    assert seen == [({"a": "1", "n": "5"}, context)]
    assert not rules.is_enabled("f", {"ok": False})
    assert not rules.is_enabled("f", {})


def test_a_number_beyond_the_digit_limit_is_absent() -> None:
    """Python refuses to write out integers of more than 4,300 digits; nobody compares with those."""
    assert text(10**5_000) is None
