"""Claims: whatever an application passes, every way of asking gives an answer of the right type, and nothing raises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ensign_engine import Evaluation, Variant
from ensign_sdk import Client
from ensign_sdk.testing import document, rollout, split, when
from hypothesis import given, settings
from hypothesis import strategies as st


class Angry:
    """Raises at every touch."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attribute")


class AngryMapping(Mapping[str, Any]):
    """A mapping of the caller's own that fails when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError(key)

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __len__(self) -> int:
        raise ZeroDivisionError


class AngryText(str):
    """A text whose own methods fail."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    __hash__ = str.__hash__


CYCLIC: dict[str, Any] = {"userId": "7"}
CYCLIC["properties"] = CYCLIC
CYCLIC["plan"] = [CYCLIC]

ODD: list[Any] = [
    Angry(), AngryMapping(), AngryText("gold"), CYCLIC, 10**5000, -(10**400), math.nan, math.inf, b"\xff",
    bytearray(b"x"), "\ud800", "a\x00b", "\U0001f600" * 100, [], [[]], {"a": {}}, object(), type, ..., lambda: None,
    1 + 2j, True, "", " ", "2026-13-45T99:99:99Z", "999.999.999.999", "::ffff:1.2.3.4/129", "v1.2.3-", "x" * 100_000,
]  # fmt: skip

FIELDS = ["userId", "sessionId", "remoteAddress", "environment", "appName", "currentTime", "plan", "properties", "age"]

OPERATORS = ["IN", "NOT_IN", "STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH", "NUM_EQ", "NUM_GT", "NUM_LTE",
             "DATE_AFTER", "DATE_BEFORE", "SEMVER_EQ", "SEMVER_GT", "REGEX", "NO_SUCH"]  # fmt: skip


def _constrained(field: str, operator: str) -> dict[str, Any]:
    constraint = {"contextName": field, "operator": operator, "values": ["1", "gold"], "value": "1.2.3"}
    return {"strategies": [{"name": "default", "constraints": [constraint], "parameters": {}}]}


RULES = document(
    {
        "plain": True, "half": rollout(50), "gold": when(plan="gold"), "two": split({"a": 1, "b": 1}),
        "by-plan": rollout(50, stickiness="plan"), "told": {"impressionData": True},
        "own": {"strategies": [{"name": "own", "parameters": {}}]},
        "address": {"strategies": [{"name": "remoteAddress", "parameters": {"IPs": "10.0.0.0/8,::1"}}]},
        "listed": {"strategies": [{"name": "userWithId", "parameters": {"userIds": "7,8"}}]},
        "child": {"dependencies": [{"feature": "half"}]},
        **{f"{field}-{operator}": _constrained(field, operator) for field in FIELDS for operator in OPERATORS},
    }
)  # fmt: skip


def _raises(*_: Any) -> Any:
    raise RuntimeError("the application's own mistake")


@pytest.fixture(scope="module")
def client() -> Client:
    return Client.offline(RULES, custom_strategies={"own": _raises}, on_impression=_raises)


def ask_all(client: Client, name: Any, context: Any) -> None:
    """Every way of asking, with every kind of default."""
    for default in (False, True, _raises, Angry()):
        assert type(client.is_enabled(name, context, default)) is bool
    for fallback in (None, Variant("mine", True), _raises, Angry()):
        assert isinstance(client.get_variant(name, context, fallback), Variant)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_an_odd_context_gets_an_answer_from_every_flag(client: Client, odd: Any) -> None:
    contexts = [odd, *({field: odd} for field in FIELDS), {"properties": dict.fromkeys(FIELDS, odd)}]
    for context in contexts:
        for name in ("plain", "half", "gold", "two", "by-plan", "told", "own", "address", "listed", "child", "missing"):
            ask_all(client, name, context)
        every = client.evaluate_all(context)
        assert all(type(answer) is Evaluation for answer in every.values())
        assert every["plain"].enabled


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_an_odd_name_gets_the_default(client: Client, odd: Any) -> None:
    ask_all(client, odd, {"userId": "7"})
    assert client.is_enabled(odd, default=True) is True
    handle = client.flag(odd)
    assert handle({"userId": "7"}) is False
    assert handle.variant().enabled is False
    assert client.flag(odd, default=True)() is True


# By position: hypothesis would look at the objects themselves.
_odd = st.integers(0, len(ODD) - 1).map(lambda place: ODD[place])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | _odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_contexts = st.dictionaries(st.sampled_from(FIELDS) | st.text(), _values, max_size=6) | _values


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from([flag["name"] for flag in RULES["features"]]), context=_contexts)
def test_any_flag_answers_any_context(client: Client, name: str, context: Any) -> None:
    assert type(client.is_enabled(name, context)) is bool
    assert isinstance(client.get_variant(name, context), Variant)
    handle = client.flag(name)
    assert type(handle(context)) is bool
    assert isinstance(handle.variant(context), Variant)


def test_what_went_wrong_is_said_a_few_times_not_a_thousand(caplog: pytest.LogCaptureFixture) -> None:
    own = Client.offline(RULES, custom_strategies={"own": _raises}, on_impression=_raises)
    for _ in range(1_000):
        ask_all(own, Angry(), AngryMapping())
        own.is_enabled("told")
        own.is_enabled("own")
    told = [record for record in caplog.records if record.name == "ensign_sdk"]
    assert 0 < len(told) <= 5
