"""Claims: a rebase of disjoint changes is both of them; nothing of theirs is lost; every clash can be decided."""

from __future__ import annotations

from dataclasses import replace

from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate, VariantsSet
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagEnable
from ensign.control.changes.domain.merging import Merged, merge, steps_between
from ensign.control.changes.domain.world import OperationError, World
from ensign.control.flags.domain import FlagConfig, FlagInfo, Strategy, Variant
from ensign_testkit.change_worlds import operations, worlds
from hypothesis import given, settings
from hypothesis import strategies as st

CANARY = Strategy(id="str_1", name="flexibleRollout", parameters={"rollout": "10", "stickiness": "userId"})


def fitting(world: World, candidates: list[Operation]) -> list[Operation]:
    kept: list[Operation] = []
    for operation in candidates:
        try:
            world = operation.apply(world)
        except OperationError:
            continue
        kept.append(operation)
    return kept


def about(operation: Operation) -> frozenset[str]:
    """The names of what an operation touches; policy and protection are one thing."""
    kinds = {"policy": "settings", "environment": "settings", "config": "flag"}
    return frozenset(f"{kinds.get(r.kind, r.kind)}/{r.key}" for r in operation.touches("production"))


def world(config: FlagConfig) -> World:
    return World(
        project="shop", environment="production", flags={"f": FlagInfo(key="f", project="shop")}, configs={"f": config}
    )


def onto(base: FlagConfig, theirs: FlagConfig, mine: FlagConfig, **choices: str) -> tuple[Merged, FlagConfig]:
    named = {key.replace("__", "/"): side for key, side in choices.items()}
    done = merge(world(base), world(theirs), algebra.between("f", base, mine), choices=named)  # type: ignore[arg-type]  # sides as texts
    return done, algebra.apply_all(world(theirs), done.operations).configs["f"]


@settings(max_examples=60, deadline=None)
@given(worlds, st.lists(operations, max_size=6), st.lists(operations, max_size=6))
def test_a_rebase_of_changes_of_different_things_equals_applying_both(
    base: World, first: list[Operation], second: list[Operation]
) -> None:
    mine = fitting(base, first)
    taken = frozenset[str]().union(*map(about, mine))
    theirs = fitting(base, [o for o in second if not about(o) & taken])
    now = algebra.apply_all(base, theirs)
    done = merge(base, now, mine)
    assert done.clashes == ()
    assert algebra.apply_all(now, done.operations) == algebra.apply_all(algebra.apply_all(base, theirs), mine)


@settings(max_examples=60, deadline=None)
@given(worlds, st.lists(operations, max_size=8))
def test_onto_what_did_not_move_a_request_stays_word_for_word(base: World, candidates: list[Operation]) -> None:
    mine = fitting(base, candidates)
    done = merge(base, base, mine)
    assert done.operations == tuple(mine)
    assert {line.state for line in done.lines} <= {"mine"}


@settings(max_examples=60, deadline=None)
@given(worlds, st.lists(operations, max_size=6), st.lists(operations, max_size=6), st.sampled_from(["mine", "theirs"]))
def test_every_clash_can_be_decided_and_what_comes_of_it_applies(
    base: World, first: list[Operation], second: list[Operation], side: str
) -> None:
    mine, theirs = fitting(base, first), fitting(base, second)
    now = algebra.apply_all(base, theirs)
    asked = merge(base, now, mine)
    if asked.open:
        assert asked.operations == (), "nothing comes of a merge while a line is open"
    choices = {line.key: line.only or side for line in asked.open}
    done = merge(base, now, mine, choices=choices)  # type: ignore[arg-type]  # sides as texts
    assert done.open == ()
    algebra.apply_all(now, done.operations)


@settings(max_examples=60, deadline=None)
@given(worlds, st.lists(operations, max_size=6), st.lists(operations, max_size=6))
def test_taking_theirs_everywhere_keeps_all_that_they_changed(
    base: World, first: list[Operation], second: list[Operation]
) -> None:
    mine, theirs = fitting(base, first), fitting(base, second)
    now = algebra.apply_all(base, theirs)
    asked = merge(base, now, mine)
    done = merge(base, now, mine, choices=dict.fromkeys([line.key for line in asked.open], "theirs"))
    after = algebra.apply_all(now, done.operations)
    again = merge(base, after, theirs)
    lost = [line for line in again.clashes if not line.key.endswith("/gone")]  # archived by me, else as they left it
    assert not lost


@settings(max_examples=60, deadline=None)
@given(worlds, st.lists(operations, max_size=8))
def test_steps_between_two_states_lead_from_one_to_the_other(base: World, candidates: list[Operation]) -> None:
    after = algebra.apply_all(base, fitting(base, candidates))
    assert algebra.apply_all(base, steps_between(base, after)) == after


def test_two_parameters_of_one_strategy_merge_and_the_same_one_clashes() -> None:
    base = FlagConfig(enabled=True, strategies=(CANARY,))
    wider = replace(CANARY, parameters={**CANARY.parameters, "rollout": "50"})
    by_session = replace(CANARY, parameters={**CANARY.parameters, "stickiness": "sessionId"})
    done, made = onto(base, replace(base, strategies=(by_session,)), replace(base, strategies=(wider,)))
    assert made.strategies[0].parameters == {"rollout": "50", "stickiness": "sessionId"}
    assert [(line.path.rpartition(" › ")[2], line.state) for line in done.lines] == [
        ("rollout", "mine"),
        ("stickiness", "theirs"),
    ]
    quarter = replace(CANARY, parameters={**CANARY.parameters, "rollout": "25"})
    done, _ = onto(base, replace(base, strategies=(quarter,)), replace(base, strategies=(wider,)))
    (clash,) = done.open
    assert (clash.base, clash.theirs, clash.mine) == ("10", "25", "50")
    for side, percent in (("mine", "50"), ("theirs", "25")):
        _, made = onto(
            base, replace(base, strategies=(quarter,)), replace(base, strategies=(wider,)), **{clash.key: side}
        )
        assert made.strategies[0].parameters["rollout"] == percent


def test_what_they_removed_and_i_edited_is_a_clash_not_a_silent_return() -> None:
    base = FlagConfig(strategies=(CANARY,))
    wider = replace(CANARY, parameters={"rollout": "50"})
    done, _ = onto(base, FlagConfig(), replace(base, strategies=(wider,)))
    (clash,) = done.open
    assert clash.theirs is None
    assert "50 %" in (clash.mine or "")


def test_both_doing_the_same_leaves_nothing_to_do() -> None:
    base = FlagConfig()
    done, _ = onto(base, replace(base, enabled=True), replace(base, enabled=True))
    assert [line.state for line in done.lines] == ["same"]
    assert done.operations == ()


def test_strategies_that_both_added_are_both_there_in_order() -> None:
    base = FlagConfig(strategies=(CANARY,))
    one, two = replace(CANARY, id="str_2", title="Theirs"), replace(CANARY, id="str_3", title="Mine")
    done, made = onto(base, replace(base, strategies=(CANARY, one)), replace(base, strategies=(two, CANARY)))
    assert done.clashes == ()
    assert [s.id for s in made.strategies] == ["str_3", "str_1", "str_2"]


def test_variants_of_both_sides_are_never_mixed() -> None:
    base = FlagConfig()
    red, blue = (Variant(name="red", weight=1000),), (Variant(name="blue", weight=1000),)
    done, _ = onto(base, replace(base, variants=red), replace(base, variants=blue))
    assert [line.path for line in done.open] == ["f in production › variants"]


def test_of_an_archived_flag_only_theirs_can_be_taken() -> None:
    base = world(FlagConfig())
    now = algebra.apply_all(base, [FlagArchive(flag="f")])
    mine = [StrategyAdd(flag="f", strategy=CANARY), FlagEnable(flag="f")]
    (clash,) = merge(base, now, mine).open
    assert clash.only == "theirs"
    assert merge(base, now, mine, choices={clash.key: "mine"}).open, "mine is not possible"
    assert merge(base, now, mine, choices={clash.key: "theirs"}).operations == ()


def test_the_authors_own_operations_stay_where_they_do_the_same() -> None:
    base = FlagConfig(strategies=(CANARY,))
    mine = (VariantsSet(flag="f", variants=()), StrategyUpdate(flag="f", strategy=replace(CANARY, title="New")))
    done = merge(world(base), world(replace(base, enabled=True)), mine)
    assert done.operations == mine
