"""An explanation gives the same answer as an evaluation, and says why."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ensign_engine import Ruleset
from ensign_testkit.rules import contexts, documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]


def _draws(values: list[float]) -> Callable[[], float]:
    """A random source that repeats `values` for ever, from the beginning."""
    state = {"next": 0}

    def draw() -> float:
        value = values[state["next"] % len(values)]
        state["next"] += 1
        return value

    return draw


def _even_user(parameters: Mapping[str, str], context: Any) -> bool:
    return len(str(context.get("userId"))) % 2 == 0


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    documents(odd=True),
    st.one_of(contexts(odd=True), contexts(), st.sampled_from([None, 5, "text", [], {"properties": None}])),
    st.lists(st.floats(0, 0.999), min_size=1, max_size=7),
)
def test_explanation_and_evaluation_agree(document: Json, context: Any, values: list[float]) -> None:
    """Whatever the rules, the context and chance, the interpreter and the generated code answer alike.

    Both get the same sequence of random numbers from its start, so they must draw equally often, too.
    """
    for flag in [*document["features"], {"name": "unknown"}]:
        name = flag["name"]
        answers = []
        for ask in ("evaluate", "explain"):
            rules = Ruleset.parse(document, random=_draws(values), custom_strategies={"home-made": _even_user})
            found = getattr(rules, ask)(name, context)
            strategy = found.strategy if ask == "evaluate" else found.decided_by
            answers.append((found.found, found.enabled, found.variant, strategy))
        assert answers[0] == answers[1]
        assert json.loads(json.dumps(found.to_dict()))["enabled"] is found.enabled
        assert found.reason.startswith(("on: ", "off: ")) or not found.found


def _rules(*strategies: Json, **more: Any) -> Ruleset:
    flag = {"name": "f", "enabled": True, "strategies": list(strategies), **more}
    segment = {
        "id": 1,
        "name": "beta",
        "constraints": [{"contextName": "plan", "operator": "IN", "values": ["beta"]}],
    }
    return Ruleset.parse({"features": [flag], "segments": [segment]})


ROLLOUT: Json = {
    "name": "flexibleRollout",
    "parameters": {"rollout": "73", "stickiness": "userId", "groupId": "gr1"},
}


def test_the_bucket_and_the_percentage_are_shown() -> None:
    """A rollout names the group, the identifier, its bucket and the percentage (golden vector gr1/123: 73)."""
    explained = _rules(ROLLOUT).explain("f", {"userId": "123"})
    strategy = explained.strategies[0]
    assert (strategy.bucket, strategy.percentage, strategy.identifier, strategy.group) == (73, 73, "123", "gr1")
    assert explained.decided_by == 0
    assert explained.reason == "on: strategy 1 (flexibleRollout): bucket 73 is within the rollout of 73 %"


def test_the_constraint_that_failed_is_named() -> None:
    """A strategy that is off says which constraint was not met and what the context held."""
    constraint = {"contextName": "country", "operator": "IN", "values": ["no"]}
    explained = _rules({"name": "default", "constraints": [constraint]}).explain("f", {"country": "se"})
    assert explained.strategies[0].reason == "the constraint country IN is not met ('se')"
    assert explained.strategies[0].constraints[0].actual == "se"
    assert explained.reason == "off: no strategy is on for this context"


def test_segments_are_shown_with_their_constraints() -> None:
    """A segment that keeps a context out is named, and so is one that does not exist."""
    explained = _rules({"name": "default", "segments": [1]}, {"name": "default", "segments": [9]}).explain("f")
    first, second = explained.strategies
    assert first.segments[0].result is False
    assert first.reason == "the segment 'beta': the constraint plan IN is not met (absent)"
    assert second.segments[0].found is False
    assert second.reason == "the segment 9 does not exist"


def test_strategies_after_the_deciding_one_are_not_reached() -> None:
    """Later strategies show their constraints but neither draw nor decide."""
    explained = _rules({"name": "default"}, {"name": "gradualRolloutRandom", "parameters": {"percentage": "50"}})
    assert [item.result for item in explained.explain("f").strategies] == ["on", "not reached"]


def test_a_variant_says_how_it_was_chosen() -> None:
    """The bucket, the group, the total weight and whether an override decided (vector Feature.Variants.B/2)."""
    variants = [
        {"name": "one", "weight": 1, "overrides": [{"contextName": "plan", "values": ["vip"]}]},
        {"name": "two", "weight": 1},
    ]
    flag = {"name": "Feature.Variants.B", "enabled": True, "strategies": [], "variants": variants}
    rules = Ruleset.parse({"features": [flag]})
    choice = rules.explain("Feature.Variants.B", {"userId": "2"}).variant_choice
    assert choice is not None
    assert (choice.bucket, choice.total_weight, choice.source) == (2, 2, "flag")
    overridden = rules.explain("Feature.Variants.B", {"userId": "2", "plan": "vip"})
    assert overridden.variant.name == "one"
    assert overridden.variant_choice is not None
    assert overridden.variant_choice.reason == "an override on plan names this variant"


def test_a_parent_that_is_not_satisfied_is_the_reason() -> None:
    """A flag kept off by its parent says which parent and what was wanted of it."""
    explained = _rules({"name": "default"}, dependencies=[{"feature": "parent"}]).explain("f")
    assert explained.reason == "off: the parent 'parent' is not known"
    assert explained.dependencies[0].satisfied is False


def test_an_unknown_flag_is_explained_as_such() -> None:
    """A name that nobody knows is not found, off, and has no strategies to show."""
    explained = _rules().explain("nowhere")
    assert (explained.found, explained.enabled, explained.strategies) == (False, False, ())
