"""Claims: a drill switches off by the ordinary way, measures what is known, and asks for on as anybody must."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from ensign.control.access import findings
from ensign.control.changes import operations as door
from ensign.control.changes import queries as changes
from ensign.control.incidents import drills, queries, reading
from ensign.control.incidents.drilling import Counted, Drill, Plan, measured
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.publishing import reach_rows
from ensign.control.publishing.models import Revision
from ensign_testkit.changing import FLAG, Story, config, last_entry, live, rows_equal_the_log, story
from ensign_testkit.people import add_person
from ensign_testkit.reaching import group, said

PLACE = ("shop", "production")


def planned(cast: Story, **more: object) -> Plan:
    given = {"project": "shop", "environment": "production", "flag": FLAG, "every_days": 30, **more}
    return drills.plan(actor=cast.dev, at=cast.at, **given)  # type: ignore[arg-type]  # of one shape


def run(cast: Story, plan: Plan) -> Drill:
    return drills.run(actor=cast.dev, at=cast.at, plan_id=plan.id, now=clock.now)


def report(*groups: object, at: datetime, **more: object) -> None:
    number = Revision.objects.filter(project="shop", environment="production").latest("number").number
    reach_rows.store([said(PLACE, number, *groups, at=at, **more)], at=at)  # type: ignore[arg-type]  # groups


def test_a_drill_is_measured_filed_and_asks_for_on_by_a_request(db: str) -> None:
    cast = story()
    live(cast)
    plan = planned(cast, target_ms=500)
    started = run(cast, plan)
    assert not config().enabled
    assert last_entry("change_request.applied")["approval"]["mode"] == "standard"
    assert queries.kill(started.kill).reason == f"Drill {started.id}"
    assert drills.tick(at=cast.later(seconds=5), now=clock.now) == 0
    report(group("web", 10, 10), group("worker", 2, 0, sent=2), at=cast.at)
    assert drills.tick(at=cast.later(seconds=20), now=clock.now) == 1
    found = drills.drill(started.id)
    assert (found.status, found.all_ms, found.p50_ms, found.p90_ms) == ("passed", 38, 38, 38)
    assert found.streaming == Counted(instances=12, running=10, sent=2, last_ms=38)
    restore = changes.request(found.restore, reader=cast.dev.id).request
    assert (restore.status, restore.author) == ("in_review", "sys_drill")
    assert not config().enabled
    entry = last_entry("drill.run")
    assert (entry["detail"]["result"], entry["detail"]["all_ms"]) == ("passed", 38)
    file = reading.export(actor=cast.viewer, at=cast.later(minutes=1), subject="drills", format="json")
    (row,) = json.loads(file.data)["rows"]
    assert row.keys() == set(reading.COLUMNS["drills"])
    assert row["started_by_name"] == "Dan Dev"
    done = door.review(
        actor=cast.approver, at=cast.later(minutes=1), request_id=restore.id, decision="approve", digest=restore.digest
    )
    door.apply(actor=cast.approver, at=cast.later(minutes=2), request_id=done.request.id)
    assert config().enabled
    assert drills.tick(at=cast.later(minutes=3), now=clock.now) == 0
    assert rows_equal_the_log()


@pytest.mark.parametrize("part", ["planned it", "ran it"])
def test_who_planned_or_ran_a_drill_does_not_approve_switching_on_after_it(db: str, part: str) -> None:
    cast = story()
    live(cast)
    both = add_person("Both Hats", "developer", "approver", at=cast.at)
    plan = planned(replace(cast, dev=both) if part == "planned it" else cast)
    started = run(cast if part == "planned it" else replace(cast, dev=both), plan)
    drills.tick(at=cast.later(minutes=7), now=clock.now)
    restore = changes.request(drills.drill(started.id).restore, reader=cast.dev.id).request
    assert set(restore.behind) >= {both.id}
    asked = {"at": cast.later(minutes=8), "request_id": restore.id, "digest": restore.digest}
    with pytest.raises(Denied) as denied:
        door.review(actor=both, decision="approve", **asked)
    assert denied.value.code == "own-change"
    assert door.review(actor=cast.approver, decision="approve", **asked).request.status == "approved"


def test_where_the_policy_asks_for_nothing_the_flag_is_on_again_at_once(db: str) -> None:
    cast = story()
    door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="staging", operations=_launch(), title="On", reason="x"
    )
    started = run(cast, planned(cast, environment="staging"))
    assert not config("staging").enabled
    drills.tick(at=cast.later(minutes=7), now=clock.now)
    found = drills.drill(started.id)
    assert found.status == "inconclusive"
    assert "nothing was measured" in found.problem
    assert config("staging").enabled


def _launch() -> tuple[door.Operation, ...]:
    from ensign_testkit.changing import launch  # deferred: one test alone needs it

    return launch(10)


def test_it_is_run_by_the_clock_tried_again_when_it_cannot_and_overdue_when_it_never_is(db: str) -> None:
    cast = story()
    live(cast)
    plan = planned(cast, automatic=True)
    assert drills.tick(at=cast.at, now=clock.now) == 1
    first = drills.drills()[0]
    assert (first.started_by, first.status) == ("sys_drill", "measuring")
    assert drills.plan_of(plan.id).next_at == cast.later(days=30)
    drills.tick(at=cast.later(minutes=7), now=clock.now)
    assert drills.tick(at=cast.later(days=30), now=clock.now) == 1  # nobody approved switching it on
    failed = drills.drills()[0]
    assert failed.status == "impossible"
    assert "off" in failed.problem
    assert last_entry("drill.failed")["detail"]["code"] == "already_off"
    assert drills.plan_of(plan.id).next_at == cast.later(days=31)

    def overdue(**later: float) -> bool:
        return any(one.code == "drill-overdue" for one in findings.findings(at=cast.later(**later)))

    assert not overdue(days=32)
    assert overdue(days=33)
    drills.end(actor=cast.dev, at=cast.later(days=33), plan_id=plan.id)
    assert not overdue(days=33)


def test_who_plans_and_runs_and_within_what_bounds(db: str) -> None:
    cast = story()
    live(cast)
    with pytest.raises(Denied):
        planned(replace(cast, dev=cast.approver))
    for wrong in ({"every_days": 0}, {"target_ms": 1}):
        with pytest.raises(Invalid):
            planned(cast, **wrong)
    plan = planned(cast)
    with pytest.raises(Conflict, match="plan already"):
        planned(cast)
    with pytest.raises(Denied):
        run(replace(cast, dev=cast.viewer), plan)
    run(cast, plan)
    with pytest.raises(Conflict, match="being measured"):
        run(cast, plan)


def test_what_counts_against_the_target(db: str) -> None:
    """Streams that lack it fail; those that poll are given their interval; who cannot confirm passes for nobody."""
    cast = story()
    live(cast)
    base = run(cast, planned(cast, target_ms=500))

    def judged(*groups: object, **more: object) -> Drill:
        report(*groups, at=cast.at, **more)
        view = reach_rows.of_entries([changes.request(base.request, reader=cast.dev.id).seq], at=cast.later(seconds=30))
        return measured(base, next(iter(view.values()))[0], at=cast.later(seconds=30))

    assert judged(group("web", 10, 9), slowest_ms=38).status == "failed"
    assert judged(group("web", 10, 10, last=700), times=((700, 10),), slowest_ms=700).status == "failed"
    cron = group("cron", 1, 1, mode="polling", last=9000)
    polls = judged(group("web", 9, 9), cron, times=((30, 9), (9000, 1)), slowest_ms=9000, within=15)
    assert (polls.status, polls.judged_by_ms, polls.p90_ms, polls.all_ms) == ("passed", 15_500, 30, 9000)
    assert (polls.polling, polls.interval_s) == (Counted(instances=1, running=1, last_ms=9000), 15)
    hidden = judged(group("web", 9, 9, last=700), cron, times=((700, 9), (9000, 1)), slowest_ms=9000, within=15)
    assert hidden.status == "failed", "a stream that was late is not excused by those that poll"
    assert hidden.problem == "The last on a stream took 700 ms, 500 ms were allowed."
    assert judged(group("web", 3, 0, sent=3)).status == "inconclusive"
    assert measured(base, None, at=cast.at).status == "inconclusive"
