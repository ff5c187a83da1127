"""Claims: the algebra of change sets obeys its laws, for every operation and every state."""

from __future__ import annotations

import json

import pytest
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation, from_json, operation_types
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.diff import diff
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagEnable
from ensign.control.changes.domain.world import OperationError, World
from ensign.control.flags.domain import Dependency, FlagConfig, FlagInfo, Strategy
from ensign.control.kernel.errors import Invalid
from ensign_testkit.change_worlds import BY_TYPE, configs, operations, worlds
from hypothesis import assume, given, settings
from hypothesis import strategies as st


def fitting(world: World, candidates: list[Operation]) -> list[Operation]:
    """Those of ``candidates`` that can be applied, each after the ones before it."""
    kept: list[Operation] = []
    for operation in candidates:
        try:
            world = operation.apply(world)
        except OperationError:
            continue
        kept.append(operation)
    return kept


@settings(max_examples=100, deadline=None)
@given(worlds, st.lists(operations, max_size=8))
def test_applying_and_then_the_inverse_is_the_identity(world: World, candidates: list[Operation]) -> None:
    steps = fitting(world, candidates)
    after = algebra.apply_all(world, steps)
    assert algebra.apply_all(after, algebra.invert_all(world, steps)) == world


@settings(max_examples=100, deadline=None)
@given(operations)
def test_json_and_back_is_the_same_operation(operation: Operation) -> None:
    assert from_json(json.loads(json.dumps(operation.to_json()))) == operation


@settings(max_examples=100, deadline=None)
@given(operations, st.data())
def test_an_unknown_field_anywhere_is_refused_and_named(operation: Operation, data: st.DataObject) -> None:
    value = json.loads(json.dumps(operation.to_json()))
    places = [("operation", value)]
    for path, place in places:
        for name, inner in place.items():
            if isinstance(inner, dict) and name != "parameters":
                places.append((f"{path}.{name}", inner))
    path, place = data.draw(st.sampled_from(places))
    place["colour"] = "red"
    with pytest.raises(Invalid) as refused:
        from_json(value)
    assert f"{path}.colour" in refused.value.fields


@settings(max_examples=100, deadline=None)
@given(worlds, worlds, st.lists(operations, max_size=6))
def test_the_difference_is_empty_exactly_when_the_states_are_equal(
    world: World, other: World, candidates: list[Operation]
) -> None:
    after = algebra.apply_all(world, fitting(world, candidates))
    assert (diff(world, after) == ()) is (world == after)
    assert (diff(world, other) == ()) is (world == other)
    assert diff(other, other) == ()


@settings(max_examples=100, deadline=None)
@given(worlds, st.lists(operations, max_size=8), st.integers(0, 8))
def test_composing_two_change_sets_does_what_both_do_in_turn(
    world: World, candidates: list[Operation], cut: int
) -> None:
    steps = fitting(world, candidates)
    composed = algebra.compose(algebra.compose((), steps[:cut]), steps[cut:])
    assert len(composed) <= len(steps)
    assert algebra.apply_all(world, composed) == algebra.apply_all(world, steps)


@settings(max_examples=200, deadline=None)
@given(configs, configs)
def test_operations_between_two_contents_lead_from_one_to_the_other(before: FlagConfig, after: FlagConfig) -> None:
    world = World(project="shop", environment="production", flags={"f": FlagInfo(key="f", project="shop")})
    steps = algebra.between("f", before, after)
    assert algebra.apply_all(world.with_config("f", before), steps).configs["f"] == after
    assert (steps == ()) is (before == after)


@settings(max_examples=100, deadline=None)
@given(worlds, operations)
def test_an_operation_alters_only_what_it_says_it_touches(world: World, operation: Operation) -> None:
    assume(fitting(world, [operation]))
    after = operation.apply(world)
    names = {(ref.kind, ref.key) for ref in operation.touches("production")}
    changed = {("flag", key) for key in world.flags if world.flags[key] != after.flags[key]}
    changed |= {("config", key) for key in world.configs if world.configs[key] != after.configs[key]}
    changed |= {("segment", key) for key in world.segments if world.segments[key] != after.segments[key]}
    changed |= {("policy", "")} if world.policy != after.policy else set()
    changed |= {("environment", "")} if world.protected != after.protected else set()
    assert changed <= names


@settings(max_examples=100, deadline=None)
@given(worlds, operations)
def test_every_operation_describes_itself_in_one_sentence(world: World, operation: Operation) -> None:
    assume(fitting(world, [operation]))
    sentence = operation.describe(world)
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_every_kind_of_operation_is_generated_by_these_tests() -> None:
    assert set(BY_TYPE) == set(operation_types().values())


def world_with(strategy: Strategy) -> World:
    return World(
        project="shop",
        environment="production",
        flags={"new-checkout": FlagInfo(key="new-checkout", project="shop")},
        configs={"new-checkout": FlagConfig(enabled=True, strategies=(strategy,))},
    )


def rollout(share: str) -> Strategy:
    return Strategy(
        id="str_1", name="flexibleRollout", parameters={"rollout": share, "stickiness": "userId", "groupId": "n"}
    )


def test_a_change_of_the_share_is_said_as_a_share() -> None:
    operation = StrategyUpdate(flag="new-checkout", strategy=rollout("50"))
    before = world_with(rollout("10"))
    assert operation.describe(before) == (
        "Rollout of new-checkout in production goes from 10 % to 50 % of users, by userId."
    )
    rows = diff(before, operation.apply(before))
    assert [(row.before, row.after) for row in rows] == [("10 %", "50 %")]
    assert rows[0].path == "new-checkout in production › strategy 1 Gradual rollout › rollout"


def test_an_operation_on_an_archived_flag_says_why_it_is_refused_and_which_one_it_was() -> None:
    before = world_with(rollout("10"))
    with pytest.raises(OperationError) as refused:
        algebra.apply_all(before, [FlagArchive(flag="new-checkout"), FlagEnable(flag="new-checkout")])
    assert refused.value.message == "new-checkout is archived."
    assert refused.value.index == 1
    with pytest.raises(OperationError, match="no flag nope"):
        FlagEnable(flag="nope").apply(before)


def test_the_digest_covers_operations_order_and_base_versions() -> None:
    steps = [StrategyUpdate(flag="f", strategy=rollout("50")), FlagEnable(flag="f")]
    digests = {
        change_digest(project="p", environment="e", operations=ops, base=base)
        for ops, base in (
            (steps, {"config:e/f": 1}),
            (steps[::-1], {"config:e/f": 1}),
            (steps[:1], {"config:e/f": 1}),
            (steps, {"config:e/f": 2}),
            (steps, {"config:e/f": 1, "segment:e/s": 1}),
        )
    }
    assert len(digests) == 5


def test_a_reference_of_a_parent_is_followed_to_the_segments_that_it_uses() -> None:
    from_parent = Strategy(id="str_9", name="default", segments=("staff",))
    world = world_with(rollout("10"))
    child = FlagConfig(dependencies=(Dependency(flag="new-checkout"),))
    world = world.with_config("child", child).with_config("new-checkout", FlagConfig(strategies=(from_parent,)))
    world = world.with_info(FlagInfo(key="child", project="shop"))
    steps = [FlagEnable(flag="child")]
    found = {ref.name for ref in algebra.referenced(algebra.apply_all(world, steps), steps)}
    assert found == {"config:production/new-checkout", "segment:production/staff"}
