"""Claims: whatever two people do in whatever order, rows equal the replayed log; nothing is overwritten silently."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import pytest
from django.db import connections
from ensign.control.audit.models import Document, Entry, Touch
from ensign.control.changes import operations as door
from ensign.control.changes import queries, rebasing
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation, from_json
from ensign.control.changes.domain.content_operations import VariantsSet
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.domain.merging import Side
from ensign.control.changes.domain.world import World
from ensign.control.flags.domain import FlagConfig, FlagInfo, Variant
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, EnsignError
from ensign.control.publishing.checks import problems
from ensign_testkit.changing import FLAG, Story, approve, config, live, requested, rows_equal_the_log, story, widen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STEPS: dict[str, tuple[Operation, ...]] = {
    "on": (FlagEnable(flag=FLAG),),
    "off": (FlagDisable(flag=FLAG),),
    "blue": (VariantsSet(flag=FLAG, variants=(Variant(name="blue", weight=1000),)),),
    "plain": (VariantsSet(flag=FLAG, variants=()),),
    "banner": (FlagEnable(flag="old-banner"),),
}
proposals = st.tuples(st.sampled_from(["propose", "ready", "ready"]), st.sampled_from(sorted(STEPS)), st.booleans())
decisions = st.tuples(
    st.sampled_from(["apply", "apply", "apply", "approve", "rebase", "carry", "carry", "revert", "withdraw"]),
    st.integers(0, 3),
    st.booleans(),
)
ready = st.tuples(st.just("ready"), st.sampled_from(["on", "blue", "banner"]), st.booleans())
orders = st.tuples(
    st.lists(ready, min_size=2, max_size=3),
    st.lists(st.one_of(proposals, decisions, decisions), min_size=4, max_size=10),
).map(lambda parts: [*parts[0], *parts[1]])


def replayed() -> dict[str, FlagConfig]:
    """The contents in production by applying, entry by entry, the operations of every request that the log applied."""
    world = World(project="shop", environment="production", flags={}, configs={})
    for key in (FLAG, "old-banner"):
        world = world.with_info(FlagInfo(key=key, project="shop")).with_config(key, FlagConfig())
    for body in Entry.objects.filter(action="change_request.applied").order_by("seq").values_list("body", flat=True):
        entry = json.loads(body)
        touch = next(t for t in entry["touch"] if t["object"].startswith("change_request:"))
        state: dict[str, Any] = json.loads(Document.objects.get(pk=touch["after"]).content or "")
        world = algebra.apply_all(world, [from_json(value) for value in state["operations"]])
    return dict(world.configs)


def perform(cast: Story, made: list[door.Proposed], act: tuple[str, Any, bool]) -> None:
    kind, what, first = act
    who = cast.dev if first else cast.other
    if kind in {"propose", "ready"}:
        made.append(requested(cast, STEPS[what], author=who))
        if kind == "ready":
            approve_current(cast, made[-1], first)
        return
    if not made:
        return
    done = made[what % len(made)]
    place = {"at": cast.at, "request_id": done.request.id}
    if kind == "approve":
        approve_current(cast, done, first)
    elif kind == "apply":
        author = cast.dev if done.request.author == cast.dev.id else cast.other
        door.apply(actor=author, **place)
    elif kind == "rebase":
        door.edit(actor=who, rebase=True, **place)
    elif kind == "carry":
        carry_over(done, who, side="mine" if first else "theirs", **place)
    elif kind == "withdraw":
        door.withdraw(actor=who, **place)
    else:
        made.append(door.revert(actor=who, reason="r", **place))


def carry_over(done: door.Proposed, who: Actor, *, side: Side, **place: Any) -> None:
    """Rebase, taking one side of every line that clashes."""
    row = queries.request(done.request.id, reader=who.id)
    clashes = rebasing.merged(row.request).open
    door.rebase(actor=who, choices={line.key: line.only or side for line in clashes}, **place)


def approve_current(cast: Story, done: door.Proposed, first: bool) -> None:
    """The digest that the reviewer sees is the current one."""
    by = cast.approver if first else cast.second
    digest = queries.request(done.request.id, reader=by.id).request.digest
    door.review(actor=by, at=cast.at, request_id=done.request.id, decision="approve", digest=digest)


def check_order(cast: Story, order: list[tuple[str, Any, bool]]) -> int:
    """Do all of it, whatever is refused; then compare. Returns how many changes applied."""
    made: list[door.Proposed] = []
    for act in order:
        with contextlib.suppress(EnsignError):
            perform(cast, made, act)
    assert {key: config(flag=key) for key in (FLAG, "old-banner")} == replayed()
    assert rows_equal_the_log()
    assert problems() == []
    bodies = list(Entry.objects.filter(action="change_request.applied").values_list("body", flat=True))
    for body in bodies:
        approval = json.loads(body)["approval"]
        approvers = {a["id"] for a in approval["approvers"]}
        assert len(approvers) >= approval["required"] == 1
        assert not approvers & {approval["author"], *approval["contributors"]}
    return len(bodies)


def test_rows_equal_the_replayed_log_whatever_two_people_do(databases: Any) -> None:
    applied: list[int] = []

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(orders)
    def run(order: list[tuple[str, Any, bool]]) -> None:
        with databases.clone():
            applied.append(check_order(story(), order))

    run()
    assert sum(applied) >= 5, "these interleavings must apply changes, else the claim is about nothing"


def test_two_applies_of_the_same_flag_at_the_same_moment_apply_one(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine, theirs = requested(cast, widen(50)), requested(cast, widen(90), author=cast.other)
    approve(cast, mine)
    approve(cast, theirs)
    outcomes: list[str] = []
    start = threading.Barrier(2, timeout=20)

    def run(who: Any, done: door.Proposed) -> None:
        try:
            start.wait()
            door.apply(actor=who, at=cast.at, request_id=done.request.id)
            outcomes.append("applied")
        except Conflict as refused:
            outcomes.append(refused.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in ((cast.dev, mine), (cast.other, theirs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["applied", "conflicted"]
    versions = Touch.objects.filter(object__startswith="flag_config:").count()
    assert versions == 2
    assert config().strategies[0].parameters["rollout"] in {"50", "90"}
    assert rows_equal_the_log()


@pytest.mark.parametrize("point", ["stage", "publish", "record", "finish"])
def test_an_apply_that_dies_at_any_point_leaves_nothing(db: str, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killing the process is a roll-back by the database; an exception at the same places must be one as well."""
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    size = Entry.objects.count()

    class Died(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Died

    target = {
        "stage": "ensign.control.changes.applying.stage_rows",
        "publish": "ensign.control.changes.applying.stage_publication",
        "record": "ensign.control.changes.applying.record",
        "finish": "ensign.control.publishing.operations.Publication.finish",
    }[point]
    with monkeypatch.context() as patch:
        patch.setattr(target, die)
        with pytest.raises(Died):
            door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert Entry.objects.count() == size
    assert not config().enabled
    assert rows_equal_the_log()
    assert door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id).request.status == "applied"
