"""Claims: a plan that was approved once takes its steps by itself, each an entry, and none that is not in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest
from ensign.control.access import people
from ensign.control.access.findings import findings
from ensign.control.access.grants import end
from ensign.control.access.queries import grants
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries as changes
from ensign.control.changes.domain.content_operations import StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep
from ensign.control.changes.timing import SCHEDULER
from ensign.control.incidents.operations import kill
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.releases import guards, operations, queries, running
from ensign.control.releases.domain import Judgement
from ensign_testkit.changing import (
    FLAG,
    approve,
    by_token,
    last_entry,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)
from ensign_testkit.ramping import later, now, percent, plan, ramping, stricter
from ensign_testkit.targets import rollout


def steps_of(request: str) -> list[int]:
    """The shares that steps of the plan of ``request`` set, oldest first, as the log says."""
    found = []
    for body in Entry.objects.filter(action="change_request.applied").order_by("seq").values_list("body", flat=True):
        approval = json.loads(body)["approval"]
        if approval.get("plan", {}).get("request") == request:
            found.append(approval["plan"]["percent"])
    return found


def test_the_whole_way_up(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    assert percent() == 5
    assert ramp.initial == 1
    assert ramp.status == "running"
    assert ramp.owner == cast.dev.id
    for minutes, share in ((59, 5), (60, 25), (61, 25), (119, 25), (121, 50), (180, 50), (181, 100), (400, 100)):
        running.tick(at=later(ramp, minutes))
        assert percent() == share, minutes
    after = now(ramp)
    assert after.status == "finished"
    assert [t.percent for t in after.taken] == [5, 25, 50, 100]
    assert steps_of(ramp.request) == [25, 50, 100]
    entry = last_entry("change_request.applied")
    plan_entry = changes.request(ramp.request, reader=cast.dev.id).request
    assert entry["actor"]["id"] == "sys_scheduler"
    assert entry["approval"]["mode"] == "plan"
    assert entry["approval"]["digest"] == plan_entry.digest
    assert [a["id"] for a in entry["approval"]["approvers"]] == [cast.approver.id]
    assert last_entry("ramp.finished")["detail"]["complete"] is True
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_late_beats_take_one_step_each_and_hold_it(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    running.tick(at=later(ramp, 1000))
    running.tick(at=later(ramp, 1000))
    assert percent() == 25
    assert now(ramp).since == later(ramp, 1000)
    running.tick(at=later(ramp, 1059))
    assert percent() == 25
    running.tick(at=later(ramp, 1060))
    assert percent() == 50


def test_a_clock_that_goes_backwards_takes_no_step_sooner(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    running.tick(at=later(ramp, 60))
    for minutes in (-600, 0, 60, 119):
        running.tick(at=later(ramp, minutes))
    assert percent() == 25


def test_paused_it_takes_no_step_and_resumed_it_holds_anew(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    operations.pause(actor=cast.other, at=later(ramp, 30), ramp_id=ramp.id, reason="The error rate looks odd.")
    running.tick(at=later(ramp, 600))
    assert percent() == 5
    assert now(ramp).pause.reason == "The error rate looks odd."
    operations.resume(actor=cast.second, at=later(ramp, 600), ramp_id=ramp.id)
    assert now(ramp).owner == cast.second.id
    running.tick(at=later(ramp, 659))
    assert percent() == 5
    running.tick(at=later(ramp, 660))
    assert percent() == 25


def test_somebody_elses_change_of_the_flag_pauses_it_and_is_never_overwritten(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    other = requested(cast, (StrategyAdd(flag=FLAG, strategy=rollout(3)),), author=cast.other)
    approve(cast, other)
    door.apply(actor=cast.other, at=cast.at, request_id=other.request.id)
    running.tick(at=later(ramp, 1))
    paused = now(ramp)
    assert paused.status == "paused"
    assert paused.pause is not None
    assert paused.pause.code == "conflicted"
    running.tick(at=later(ramp, 600))
    assert percent() == 5
    with pytest.raises(Conflict) as refused:
        operations.resume(actor=cast.dev, at=later(ramp, 601), ramp_id=ramp.id)
    assert refused.value.code == "conflicted"
    back = operations.roll_back(actor=cast.dev, at=later(ramp, 602), ramp_id=ramp.id)
    assert back.status == "rolled_back"
    assert percent() == 1
    assert rows_equal_the_log()


def test_after_a_kill_and_switching_on_again_it_can_go_on(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    kill(
        actor=cast.dev, at=cast.at, project="shop", environment="production", flag=FLAG, reason="Errors.",
        now=lambda: cast.at,
    )  # fmt: skip
    running.tick(at=later(ramp, 1))
    assert now(ramp).status == "paused"
    with pytest.raises(Conflict):
        operations.resume(actor=cast.dev, at=later(ramp, 2), ramp_id=ramp.id)
    on = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, on)
    door.apply(actor=cast.dev, at=cast.at, request_id=on.request.id)
    operations.resume(actor=cast.dev, at=later(ramp, 3), ramp_id=ramp.id)
    running.tick(at=later(ramp, 63))
    assert percent() == 25


def test_rolled_back_and_stopped_ramps_are_over(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    running.tick(at=later(ramp, 60))
    operations.roll_back(actor=cast.approver, at=later(ramp, 61), ramp_id=ramp.id, reason="Errors.")
    assert percent() == 1
    entry = last_entry("change_request.applied")
    assert entry["approval"]["plan"]["step"] is None
    assert entry["actor"]["id"] == cast.approver.id
    again = requested(cast, (plan(10, 20),))
    approve(cast, again)
    door.apply(actor=cast.dev, at=later(ramp, 62), request_id=again.request.id)
    (second,) = queries.ramps(request=again.request.id)
    operations.stop(actor=cast.dev, at=later(ramp, 63), ramp_id=second.id)
    running.tick(at=later(ramp, 6000))
    assert percent() == 10
    for act in (operations.stop, operations.roll_back, operations.pause, operations.resume):
        with pytest.raises(Conflict):
            act(actor=cast.dev, at=later(ramp, 64), ramp_id=second.id)


@pytest.mark.parametrize("how", ["left", "lost the role"])
def test_when_its_owner_is_gone_it_pauses_and_asks_for_another(db: str, how: str) -> None:
    cast = story()
    ramp = ramping(cast)
    if how == "left":
        people.deactivate(actor=cast.admin, at=later(ramp, 5), person_id=cast.dev.id)
    else:
        for grant in grants(subject=cast.dev.id):
            end(actor=cast.admin, at=later(ramp, 5), grant_id=grant.id)
    running.tick(at=later(ramp, 60))
    assert now(ramp).status == "paused"
    assert percent() == 5
    assert ("ramp-without-owner" in {one.code for one in findings(at=later(ramp, 61))}) is (how == "left")
    operations.resume(actor=cast.other, at=later(ramp, 61), ramp_id=ramp.id)
    running.tick(at=later(ramp, 121))
    assert percent() == 25
    assert now(ramp).owner == cast.other.id
    assert rows_equal_the_log()


def test_a_new_policy_ends_what_was_approved_under_the_old_one(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    stricter(cast)
    running.tick(at=later(ramp, 60))
    paused = now(ramp)
    assert percent() == 5
    assert paused.pause is not None
    assert paused.pause.code == "policy-changed"


def test_nobody_takes_a_step_by_hand(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    for actor in (cast.dev, cast.admin, by_token(cast.dev)):
        with pytest.raises(Denied):
            operations.advance(actor=actor, at=later(ramp, 60), ramp_id=ramp.id)
    assert percent() == 5


def test_who_may_do_what_to_it(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    for act in (operations.pause, operations.stop, operations.roll_back):
        with pytest.raises(Denied):
            act(actor=cast.viewer, at=later(ramp, 1), ramp_id=ramp.id)
    operations.pause(actor=cast.admin, at=later(ramp, 1), ramp_id=ramp.id)
    for actor in (cast.viewer, cast.admin):
        with pytest.raises(Denied):
            operations.resume(actor=actor, at=later(ramp, 1), ramp_id=ramp.id)


@pytest.fixture
def judged() -> Iterator[dict[str, Judgement]]:
    """What a judge says, by name."""
    said: dict[str, Judgement] = {}

    def judge(_: guards.Question) -> Mapping[str, Judgement]:
        return said

    guards.register("test", judge)
    yield said
    guards._judges.pop("test")


def test_a_bad_guard_pauses_and_only_a_person_lets_it_go_on(db: str, judged: dict[str, Judgement]) -> None:
    cast = story()
    judged["errors"] = Judgement(state="unknown")
    ramp = ramping(cast, guards=["errors"])
    running.tick(at=later(ramp, 60))
    assert percent() == 5
    assert now(ramp).status == "running"
    judged["errors"] = Judgement(state="bad", reason="4 % of requests fail")
    running.tick(at=later(ramp, 60))
    paused = now(ramp)
    assert paused.pause is not None
    assert paused.pause.safeguard
    assert "4 %" in paused.pause.reason
    judged["errors"] = Judgement(state="good")
    with pytest.raises(Denied):
        operations.resume(actor=SCHEDULER, at=later(ramp, 61), ramp_id=ramp.id)
    operations.resume(actor=cast.dev, at=later(ramp, 61), ramp_id=ramp.id)
    running.tick(at=later(ramp, 121))
    assert percent() == 25


def test_a_bad_guard_rolls_back_where_the_plan_says_so(db: str, judged: dict[str, Judgement]) -> None:
    cast = story()
    judged["errors"] = Judgement(state="good")
    ramp = ramping(cast, guards=["errors"], on_breach="roll_back")
    running.tick(at=later(ramp, 60))
    judged["errors"] = Judgement(state="bad")
    running.tick(at=later(ramp, 61))
    assert percent() == 1
    assert now(ramp).status == "rolled_back"


def test_a_guard_that_nobody_judges_any_more_pauses(db: str, judged: dict[str, Judgement]) -> None:
    cast = story()
    judged["errors"] = Judgement(state="good")
    ramp = ramping(cast, guards=["errors"])
    judged.clear()
    running.tick(at=later(ramp, 1))
    assert now(ramp).status == "paused"


def test_what_cannot_be_planned_is_refused_before_anybody_reviews_it(db: str) -> None:
    cast = story()
    live(cast, 1)
    for operations_, code in (
        ((plan(5, 100, guards=["errors"]),), "unknown-guard"),
        ((plan(5, 100), FlagDisable(flag=FLAG)), "ramp-off"),
        ((plan(5, 100), *widen(7)), "ramp-undone"),
    ):
        with pytest.raises(Conflict) as refused:
            requested(cast, operations_)
        assert refused.value.code == code


def test_two_ramps_of_one_flag_are_not_underway_at_once(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    second = requested(cast, (plan(10, 20),))
    approve(cast, second)
    with pytest.raises(Conflict) as refused:
        door.apply(actor=cast.dev, at=cast.at, request_id=second.request.id)
    assert refused.value.code == "ramp-underway"
    operations.stop(actor=cast.dev, at=later(ramp, 1), ramp_id=ramp.id)
    door.apply(actor=cast.dev, at=later(ramp, 1), request_id=second.request.id)


def test_a_ramp_begins_with_the_flag_in_one_request_and_at_a_time(db: str) -> None:
    cast = story()
    strategy = rollout(0)
    steps = (RampStep(percent=5, hold=60), RampStep(percent=100))
    done = requested(
        cast,
        (
            StrategyAdd(flag=FLAG, strategy=strategy),
            FlagEnable(flag=FLAG),
            RampPlan(flag=FLAG, strategy=strategy.id, steps=steps),
        ),
    )
    approve(cast, done)
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(hours=1))
    running.tick(at=cast.later(hours=1))
    (ramp,) = queries.ramps(request=done.request.id)
    assert percent() == 5
    assert ramp.owner == cast.dev.id
    assert ramp.initial == 0
    running.tick(at=cast.later(hours=1) + timedelta(minutes=61))
    assert percent() == 100
    assert now(ramp).status == "finished"


def test_a_step_is_reverted_like_any_other_change(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    running.tick(at=later(ramp, 60))
    undone = door.revert(actor=cast.dev, at=later(ramp, 61), request_id=now(ramp).taken[-1].request, reason="Odd.")
    assert undone.request.status == "in_review"
