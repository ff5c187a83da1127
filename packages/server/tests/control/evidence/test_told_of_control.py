"""Claims: an auditor reads in the log, in words, what became of ramps, times, approval keys and emergencies; no id of
a person and no stored form of a time stands there."""

from __future__ import annotations

import re

import pytest
from ensign.control.audit import history, registry
from ensign.control.changes import operations as door
from ensign.control.changes import timing
from ensign.control.evidence import control_words, pages, queries, words
from ensign.control.evidence.queries import LogPage
from ensign.control.identity.approval_keys import operations as keys
from ensign.control.identity.approval_keys import queries as key_queries
from ensign.control.incidents import incidents, opening, triggers
from ensign.control.incidents.triggering import BadRequest
from ensign.control.monitoring import detecting
from ensign.control.monitoring import operations as judging
from ensign.control.monitoring.models import Alert as AlertRow
from ensign.control.releases import operations, running
from ensign.control.releases import queries as releases
from ensign_testkit.changing import Story, approve, live, requested, story, widen
from ensign_testkit.passkeys import signer
from ensign_testkit.people import add_person
from ensign_testkit.ramping import later, plan

TOLD = {
    "break_glass.opened": "broke the glass for emergency changes to every flag and segment, until <time>",
    "break_glass.ended": "ended an emergency access before its time: that of Ray Responder",
    "break_glass.used": "applied a change without the approvals that its policy asks for: “Widen”",
    "break_glass.overdue": "found the review of an emergency access overdue: that of Ray Responder, 1 change without"
    " approval",
    "break_glass.reviewed": "reviewed an emergency access: that of Ray Responder. Justified: it could not wait",
    "approval_key.revoked": "revoked an approval key of Rev Reviewer: its owner revoked it",
    "alert.raised": "raised an alert: Approved without having looked (high, Rev Reviewer)",
    "alert.triaged": "judged the alert: Break-glass was used. It was expected",
    "change_request.commented": "commented on the change request “Widen the rollout”",
    "kill_trigger.refused": "was refused at an address that switches a flag off: there is no such address",
    "change_request.scheduled": "set the time at which the change applies by itself: <time>",
    "change_request.schedule_failed": "could not apply the change at its time: <time>",
    "ramp.started": "began the ramp: step 1 of 3, 60 % of users",
    "ramp.stepped": "took the next step of the ramp: step 2 of 3, 80 % of users",
    "ramp.paused": "paused the ramp at 80 %",
    "ramp.resumed": "let the ramp go on at 80 %",
    "ramp.rolled_back": "rolled the ramp back to 50 %",
}
MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


def emergency(cast: Story) -> str:
    """Somebody breaks the glass, widens the rollout to 50 % and ends it."""
    ray = add_person("Ray Responder", "responder", at=cast.at)
    place = {"project": "shop", "environment": "production"}
    made = incidents.declare(
        actor=ray, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"], environment="production"
    )
    opened = opening.break_glass(
        actor=ray, at=cast.at, incident_id=made.incident.id, reason="Nobody is awake now.", **place
    )
    opening.propose_emergency(
        actor=ray, at=cast.later(minutes=5), emergency_id=opened.id, operations=widen(50), title="Widen"
    )
    opening.end(actor=ray, at=cast.later(minutes=6), emergency_id=opened.id)
    return opened.id


def ramped(cast: Story) -> None:
    done = requested(cast, (plan(60, 80, 100),))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    (ramp,) = releases.ramps(request=done.request.id)
    running.tick(at=later(ramp, 60))
    operations.pause(actor=cast.dev, at=later(ramp, 61), ramp_id=ramp.id, reason="Odd.")
    operations.resume(actor=cast.dev, at=later(ramp, 62), ramp_id=ramp.id)
    operations.roll_back(actor=cast.dev, at=later(ramp, 63), ramp_id=ramp.id)


def timed(cast: Story) -> None:
    done = requested(cast, widen(9))
    when = cast.later(minutes=90)
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=when)
    door.unschedule(actor=cast.dev, at=cast.at, request_id=done.request.id)
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=when)
    timing.tick(at=when)


@pytest.fixture
def page(db: str) -> LogPage:
    cast = story()
    live(cast, 1)
    opened = emergency(cast)
    ramped(cast)
    signer(cast.approver)
    keys.revoke(actor=cast.approver, at=cast.at, key_id=key_queries.of_person(cast.approver.id)[0].id)
    timed(cast)
    opening.tick(at=cast.later(hours=25))
    opening.review(
        actor=cast.approver, at=cast.later(minutes=17), emergency_id=opened, verdict="justified",
        finding="I read the entry and asked Ray.",
    )  # fmt: skip
    refused(cast)
    detecting.follow(at=cast.later(minutes=18))
    alert = next(row.pk for row in AlertRow.objects.all() if row.state["kind"] == "break-glass")
    judging.triage(
        actor=cast.approver, at=cast.later(minutes=19), alert_id=alert, verdict="expected", reason="I was called."
    )
    return queries.log(cast.admin, history.Filters(), at=cast.at, limit=90)


def refused(cast: Story) -> None:
    """A request that is commented and rejected, and a call to no address."""
    done = requested(cast, widen(7))
    door.comment(actor=cast.second, at=cast.at, request_id=done.request.id, text="Why?")
    door.review(
        actor=cast.second, at=cast.at, request_id=done.request.id, decision="reject", digest=done.request.digest,
        text="Not now.",
    )  # fmt: skip
    with pytest.raises(BadRequest):
        triggers.fire(trigger_id="ktr_none", headers={}, body=b"", token="", at=cast.at, now=lambda: cast.at)


def test_their_lines_are_sentences(page: LogPage) -> None:
    said = {
        entry.action: registry.actions()[entry.action].title + MINUTE.sub("<time>", words.line(entry, page.names))
        for entry in page.entries
    }
    assert {action: said.get(action) for action in TOLD} == TOLD


def test_no_id_of_a_person_no_stored_time_and_no_json_is_shown(page: LogPage) -> None:
    raw = re.compile(r"\busr_\w{20,}|\d{4}-\d\d-\d\dT\d\d:\d\d")
    entries = [entry for entry in page.entries if entry.action in TOLD]
    assert len(entries) > len(TOLD)
    for entry in entries:
        shown = [fact.value for fact in words.facts(entry, page.names) if not fact.exact]
        for change in entry.changes:
            difference = pages.touched(change, page.names).difference
            shown += [
                *difference.sentences,
                *(text or "" for row in difference.rows for text in (row.before, row.after)),
            ]
        assert not [text for text in shown if raw.search(text) or text.startswith(("{", "["))], entry.action


def test_an_approval_and_a_decision_are_told_by_who_and_when(page: LogPage) -> None:
    approved = next(entry for entry in page.entries if entry.action == "change_request.approved")
    [told] = [pages.touched(change, page.names) for change in approved.changes if change.kind == "change_request"]
    said = {row.what: row.after or "" for row in told.difference.rows}
    assert re.match(
        r"Rev Reviewer, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, digest [0-9a-f]{64}, policy pol_", said["approvals › 1"]
    )
    assert re.match(r"Rev Reviewer, .* UTC, kind approve, round 1$", said["decisions › 1"])


def test_what_an_entry_names_leads_to_its_page_by_its_title(page: LogPage) -> None:
    used = next(entry for entry in page.entries if entry.action == "break_glass.used")
    facts = {fact.label: fact for fact in words.facts(used, page.names)}
    assert (facts["Request"].value, facts["Incident"].value) == ("Widen", "Checkout fails")
    assert facts["Request"].href == f"/requests/{used.detail['request']}"
    assert facts["Incident"].href == f"/incidents/{used.detail['incident']}"
    assert facts["Opening"].href == f"/emergencies/{used.detail['opening']}"


def test_a_rejected_request_is_named_though_a_comment_came_with_it(page: LogPage) -> None:
    rejected = next(entry for entry in page.entries if entry.action == "change_request.rejected")
    assert pages.line(rejected, page.names).subject == "Widen the rollout"


def test_a_ramp_is_told_by_its_flag_and_share(page: LogPage) -> None:
    stepped = next(entry for entry in page.entries if entry.action == "ramp.stepped")
    [told] = [pages.touched(change, page.names) for change in stepped.changes if change.kind == "ramp"]
    assert told.difference.sentences == ("The ramp of new-checkout in production is running at 80 % (step 2 of 3).",)
    assert [(row.what, row.before, row.after) for row in told.difference.rows] == [("share", "60 %", "80 %")]


def test_two_who_approve_each_other_are_both_named() -> None:
    detail = {"kind": "reciprocal-approvals", "severity": "medium", "subject": "usr_a+usr_b"}
    names = {"usr_a": "Ada", "usr_b": "Bo"}
    assert control_words.LINES["alert.raised"](detail, names) == ": Two people approve each other (medium, Ada and Bo)"
    assert words._value("subject", "usr_a+usr_b", names) == "Ada and Bo"
