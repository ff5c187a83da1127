"""Claim: for any rules and context, the client answers what the engine answers, by every way of asking."""

from __future__ import annotations

from typing import Any

from ensign_engine import Ruleset
from ensign_sdk import Client, Impression
from ensign_testkit.delivery import constraint, flag, strategy
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("a", "b", "c")
VALUES = st.sampled_from(["", "1", "2", "7", "x", "ü"])

constraints = st.builds(
    lambda field, operator, values, inverted: constraint(field, operator, *values, inverted=inverted),
    st.sampled_from(["userId", "plan", "appName"]),
    st.sampled_from(["IN", "NOT_IN", "STR_CONTAINS", "NUM_GT", "NO_SUCH"]),
    st.lists(VALUES, max_size=3),
    st.booleans(),
)
rollouts = st.builds(
    lambda percent, more: strategy(
        "flexibleRollout", constraints=more,
        parameters={"rollout": str(percent), "stickiness": "userId", "groupId": "g"},
    ),
    st.integers(0, 100), st.lists(constraints, max_size=2),
)  # fmt: skip
variants = st.lists(
    st.builds(
        lambda name, weight: {"name": name, "weight": weight, "weightType": "variable", "stickiness": "userId"},
        st.sampled_from(["red", "blue"]), st.integers(0, 1000),
    ),
    max_size=3,
)  # fmt: skip
flags = st.builds(
    lambda enabled, impressions, strategies, given: {
        "enabled": enabled, "impressionData": impressions, "strategies": strategies, "variants": given
    },
    st.booleans(), st.booleans(), st.lists(rollouts, max_size=3), variants,
)  # fmt: skip
# There is always a user: without one a variant is drawn at random, and two draws differ.
contexts = st.fixed_dictionaries(
    {"userId": st.sampled_from(["1", "2", "7", "x", "ü"])},
    optional={"plan": VALUES, "properties": st.just({"plan": "7"})},
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, flags)), contexts, st.booleans())
def test_client_and_engine_agree(described: dict[str, Any], context: dict[str, Any], listening: bool) -> None:
    document = {"version": 2, "features": [flag(name, **rest) for name, rest in described.items()]}
    engine = Ruleset.parse(document, static_context={"appName": "7"})
    heard: list[Impression] = []
    client = Client.offline(document, app_name="7", on_impression=heard.append if listening else None)
    for name in NAMES:
        wanted, variant = engine.is_enabled(name, context), engine.get_variant(name, context)
        handle = client.flag(name)
        assert client.is_enabled(name, context) is handle(context) is wanted
        assert client.get_variant(name, context) == handle.variant(context) == variant
        asks = described.get(name, {}).get("impressionData", False)
        assert len([i for i in heard if i.flag == name]) == (4 if listening and asks else 0)
    assert client.evaluate_all(context) == engine.evaluate_all(context)
    counted = client._store.ruleset.counters.collect()
    for name in NAMES:
        on = engine.is_enabled(name, context)
        assert (counted[name].yes, counted[name].no) == ((4, 0) if on else (0, 4))
        assert counted[name].variants == {engine.get_variant(name, context).name: 2}
