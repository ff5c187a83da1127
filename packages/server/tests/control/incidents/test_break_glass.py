"""Claims: an emergency change rests on an opening, every way round it is refused, and somebody else reviews it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ensign.control.access import findings
from ensign.control.audit.export import export
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep
from ensign.control.changes.domain.settings_operations import EnvironmentUnprotect
from ensign.control.incidents import incident_queries, incidents, opening
from ensign.control.incidents.emergency import Emergency
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa
from ensign.control.projects.demands import Demand, Freeze
from ensign.control.projects.domain import PolicyRules
from ensign_ledger.verify import verify_bundle
from ensign_testkit.changing import (
    FLAG,
    Story,
    by_token,
    config,
    last_entry,
    launch,
    live,
    requested,
    rows_equal_the_log,
    ruled,
    story,
    widen,
    without_mfa,
)
from ensign_testkit.people import SYSTEM, add_person

PLACE = {"project": "shop", "environment": "production"}


def declared(cast: Story, *, by: Actor | None = None) -> str:
    made = incidents.declare(
        actor=by or cast.dev, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"],
        environment="production",
    )  # fmt: skip
    return made.incident.id


def responder(cast: Story) -> Actor:
    return add_person("Ray Responder", "responder", at=cast.at)


def broken(cast: Story, by: Actor, incident: str, **more: object) -> Emergency:
    arguments = {"reason": "Checkout fails for everybody.", **PLACE, **more}
    return opening.break_glass(actor=by, at=cast.at, incident_id=incident, **arguments)  # type: ignore[arg-type]  # of one shape


def test_an_emergency_change_applies_without_approval_and_says_so(db: str) -> None:
    cast = story()
    live(cast)
    ray, incident = responder(cast), declared(cast)
    opened = broken(cast, ray, incident)
    done = opening.propose_emergency(
        actor=ray, at=cast.later(minutes=5), emergency_id=opened.id, operations=widen(50), title="Widen"
    )
    assert config().strategies[0].parameters["rollout"] == "50"
    entry = last_entry("change_request.applied")
    assert entry["approval"]["mode"] == "break-glass"
    assert (entry["approval"]["required"], entry["approval"]["approvers"]) == (1, [])
    assert entry["approval"]["opening"]["id"] == opened.id
    assert entry["detail"]["incident"] == incident
    used = last_entry("break_glass.used")
    assert used["detail"]["request"] == done.request.id
    assert used["seq"] == entry["seq"] + 1
    assert incident_queries.emergency(opened.id).changes == (done.request.id,)
    assert [r.id for r in incident_queries.requests_of(incident_queries.incident(incident).incident)] == [
        done.request.id
    ]
    assert rows_equal_the_log()


def test_a_colleagues_request_in_review_can_be_applied_and_its_author_had_part(db: str) -> None:
    cast = story()
    live(cast)
    ray = responder(cast)
    opened = broken(cast, ray, declared(cast))
    waiting = requested(cast, widen(75))
    opening.apply_emergency(actor=ray, at=cast.at, emergency_id=opened.id, request_id=waiting.request.id)
    assert config().strategies[0].parameters["rollout"] == "75"
    assert set(incident_queries.emergency(opened.id).part) == {cast.dev.id}
    with pytest.raises(Conflict, match="applied already"):
        opening.apply_emergency(actor=ray, at=cast.at, emergency_id=opened.id, request_id=waiting.request.id)


def test_only_an_entitled_person_in_a_session_with_a_recent_factor_breaks_the_glass(db: str) -> None:
    cast = story()
    ray, incident = responder(cast), declared(cast)
    for actor in (cast.dev, cast.admin, cast.approver, by_token(ray)):
        with pytest.raises(Denied):
            broken(cast, actor, incident)
    with pytest.raises(NeedsMfa):
        broken(cast, without_mfa(ray), incident)
    with pytest.raises(Invalid):
        broken(cast, ray, incident, reason="now")
    with pytest.raises(Invalid):
        broken(cast, ray, incident, hours=5)
    with pytest.raises(Invalid):
        broken(cast, ray, incident, flags=["nope"])
    assert not Entry.objects.filter(action="break_glass.opened").exists()


def test_it_covers_nothing_but_what_it_names_for_whom_it_names_until_it_ends(db: str) -> None:
    cast = story()
    live(cast)
    ray, incident = responder(cast), declared(cast)
    other = add_person("Otto Responder", "responder", at=cast.at)
    opened = broken(cast, ray, incident, flags=[FLAG])
    waiting = requested(cast, widen(30)).request.id
    elsewhere = requested(cast, (FlagEnable(flag="old-banner"),)).request.id

    def apply(request: str, by: Actor = ray, **later: float) -> str:
        with pytest.raises(Denied) as refused:
            opening.apply_emergency(actor=by, at=cast.later(**later), emergency_id=opened.id, request_id=request)
        return refused.value.code

    assert apply(waiting, other) == "not-your-opening"
    assert apply(waiting, by_token(ray)) in {"break-glass-by-token", "token-ended"}
    assert apply(elsewhere) == "outside-scope"
    assert apply(waiting, hours=1) == "opening-ended"
    staging = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="staging", operations=launch(), wish="draft"
    )
    mine = door.propose(
        actor=ray, at=cast.at, project="shop", environment="staging", operations=launch(), wish="submit"
    )
    assert staging.request.status == "draft"
    assert apply(mine.request.id) == "outside-scope"
    opening.end(actor=ray, at=cast.later(minutes=10), emergency_id=opened.id)
    assert apply(waiting, minutes=11) == "opening-ended"
    again = broken(replace(cast, at=cast.later(minutes=12)), ray, incident, flags=[FLAG])
    incidents.resolve(actor=cast.dev, at=cast.later(minutes=13), incident_id=incident)
    with pytest.raises(Denied) as refused:
        opening.apply_emergency(actor=ray, at=cast.later(minutes=14), emergency_id=again.id, request_id=waiting)
    assert refused.value.code == "incident-closed"
    assert config().strategies[0].parameters["rollout"] == "10"


def test_policies_protection_and_what_reaches_other_environments_are_never_emergencies(db: str) -> None:
    cast = story()
    live(cast)
    ray = add_person("Ray", "responder", "developer", "admin", at=cast.at)
    opened = broken(cast, ray, declared(cast))
    for operations in ((EnvironmentUnprotect(),), (FlagDisable(flag=FLAG), FlagArchive(flag=FLAG))):
        with pytest.raises(Denied) as refused:
            opening.propose_emergency(actor=ray, at=cast.at, emergency_id=opened.id, operations=operations)
        assert refused.value.code in {"not-in-an-emergency", "no-grant"}
    assert config().enabled


def test_somebody_who_had_no_part_reviews_it_once_it_is_over(db: str) -> None:
    cast = story()
    live(cast)
    ray = add_person("Ray", "responder", "approver", at=cast.at)
    opened = broken(cast, ray, declared(cast))
    opening.propose_emergency(actor=ray, at=cast.at, emergency_id=opened.id, operations=widen(50))
    said = {"verdict": "process_gap", "finding": "Nobody else was awake to approve.", "follow_up": "Rota by Friday."}

    def review(by: Actor, **later: float) -> Emergency:
        return opening.review(actor=by, at=cast.later(**later), emergency_id=opened.id, **said)

    with pytest.raises(Conflict, match="still open"):
        review(cast.approver)
    with pytest.raises(Denied, match="somebody else"):
        review(replace(ray, mfa_at=cast.later(hours=2)), hours=2)
    late = replace(cast.approver, mfa_at=cast.later(hours=2))
    for refused in (cast.dev, by_token(cast.approver)):
        with pytest.raises(Denied):
            review(refused, hours=2)
    with pytest.raises(Invalid):
        opening.review(
            actor=late, at=cast.later(hours=2), emergency_id=opened.id, verdict="unjustified", finding="Could wait, it."
        )
    done = review(late, hours=2)
    assert (done.verdict, done.reviewed_by) == ("process_gap", cast.approver.id)
    assert last_entry("break_glass.reviewed")["detail"]["verdict"] == "process_gap"
    with pytest.raises(Conflict, match="already"):
        review(late, hours=2)


def test_an_overdue_review_is_told_twice_and_blocks_an_extension_never_a_new_incident(db: str) -> None:
    cast = story()
    live(cast)
    ray, first = responder(cast), declared(cast)
    opened = broken(cast, ray, first)
    assert opening.tick(at=cast.later(hours=23)) == 0
    assert opening.tick(at=cast.later(hours=24)) == 1
    assert opening.tick(at=cast.later(hours=25)) == 0
    assert last_entry("break_glass.overdue")["detail"]["opening"] == opened.id
    found = [one for one in findings.findings(at=cast.later(hours=25)) if one.code == "break-glass-unreviewed"]
    assert [one.subject for one in found] == [opened.id]
    later = replace(cast, at=cast.later(hours=26))
    fresh = replace(ray, mfa_at=later.at)
    with pytest.raises(Conflict) as refused:
        broken(later, fresh, first)
    assert refused.value.code == "review-overdue"
    second = declared(later, by=cast.dev)
    assert broken(later, fresh, second).incident == second
    assert opening.tick(at=cast.at + timedelta(days=8)) == 2
    assert opening.tick(at=cast.at + timedelta(days=20)) == 1
    assert opening.tick(at=cast.at + timedelta(days=40)) == 0


def test_it_goes_through_a_freeze_and_without_a_ticket_which_a_request_does_not(db: str) -> None:
    cast = story()
    live(cast)
    ray = responder(cast)
    freeze = Freeze(name="Year's end", start=cast.at.isoformat(), end=cast.later(days=1).isoformat())
    ruled(cast, PolicyRules(approvals=1, further=Demand(requires_ticket=True), freezes=(freeze,)))
    with pytest.raises(Conflict) as refused:
        requested(cast, widen(50), author=ray)
    assert refused.value.code == "no-ticket"
    opened = broken(cast, ray, declared(cast))
    opening.propose_emergency(actor=ray, at=cast.at, emergency_id=opened.id, operations=widen(50))
    assert config().strategies[0].parameters["rollout"] == "50"


def test_a_plan_of_later_steps_is_no_emergency(db: str) -> None:
    cast = story()
    live(cast)
    ray = responder(cast)
    opened = broken(cast, ray, declared(cast))
    strategy = config().strategies[0].id
    steps = (RampStep(percent=20, hold=5), RampStep(percent=50))
    with pytest.raises((Denied, Conflict)):
        opening.propose_emergency(
            actor=ray, at=cast.at, emergency_id=opened.id,
            operations=(RampPlan(flag=FLAG, strategy=strategy, steps=steps),),
        )  # fmt: skip
    assert config().strategies[0].parameters["rollout"] == "10"


def test_the_bundle_verifies_and_counts_what_nobody_reviewed(db: str, tmp_path: Path) -> None:
    cast = story()
    live(cast)
    ray = responder(cast)
    opened = broken(cast, ray, declared(cast))
    opening.propose_emergency(actor=ray, at=cast.at, emergency_id=opened.id, operations=widen(50))
    opening.end(actor=ray, at=cast.at, emergency_id=opened.id)

    def check(name: str) -> tuple[str, str]:
        made = export(out=tmp_path / name, actor=SYSTEM, at=clock.now())
        report = verify_bundle(tmp_path / name, keys=[made.fingerprint])
        assert report.valid, [one for one in report.checks if one.outcome == "INVALID"]
        found = next(one for one in report.checks if one.id == 18)
        return str(found.outcome), found.detail

    outcome, text = check("before")
    assert outcome == "VALID"
    assert text.startswith("1 emergency changes, 1 openings, 1 of them not reviewed")
    opening.review(
        actor=cast.approver, at=cast.at, emergency_id=opened.id, verdict="justified", finding="Everybody was asleep."
    )
    assert check("after") == ("VALID", "1 emergency changes, 1 openings")
