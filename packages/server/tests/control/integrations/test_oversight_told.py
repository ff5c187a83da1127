"""Claims: who must know is told of emergencies, safeguards, alerts and tokens that end, in words that say what it is;
every kind of entry of change control was decided upon: it is told, or it is said here why not."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

from ensign.control.access import service_accounts
from ensign.control.access import tokens as api_tokens
from ensign.control.access.decisions import held
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.audit.registry import actions
from ensign.control.incidents import incidents, opening
from ensign.control.integrations import finding_notices, follower, inbox
from ensign.control.integrations.domain.table import TABLE, telling
from ensign.control.integrations.models import Notice
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.monitoring import detecting, firing, guarding
from ensign.control.monitoring.domain.safeguards import Act, Reading, Source
from ensign.control.monitoring.guarding import SafeguardWish
from ensign.control.releases import running
from ensign_testkit.changing import FLAG, Story, live, widen
from ensign_testkit.people import add_person, add_service
from ensign_testkit.ramping import later, ramping

PLACE: dict[str, Any] = {"project": "shop", "environment": "production"}

#: Kinds of entries of change control that nobody is told of one by one, and why.
UNTOLD = {
    "change_request.drafted": "a draft is its author's alone",
    "change_request.thread_resolved": "the page shows it; what was said was told",
    "change_request.thread_reopened": "the page shows it; what was said was told",
    "ramp.stepped": "the step itself is told, as a change that applied",
    "template.made": "a template changes nothing until somebody plans by it",
    "template.changed": "a template changes nothing until somebody plans by it",
    "template.archived": "a template changes nothing until somebody plans by it",
    "incident.updated": "the incident's page is its log",
    "incident.exported": "an export is in the log, for who audits",
    "drill.started": "its end is told",
    "drill.run": "a drill that went well asks nothing of anybody",
    "drill.ended": "that a plan of drills ended is a finding nowhere and urgent to nobody",
    "kill_trigger.refused": "strangers must not be able to fill inboxes",
    "kill_trigger.refusals": "strangers must not be able to fill inboxes",
    "safeguard.made": "it protects more than before",
    "safeguard.armed": "it protects more than before",
    "alert.acknowledged": "the alert's page shows who looks into it",
    "alert.triaged": "the alert's page shows the verdict",
    "alerts.exported": "an export is in the log, for who audits",
    "test_run.reported": "CI tells its own people; the request shows what it has and lacks",
    "approval_key.enrolled": "only its owner does so; an approval soon after raises an alert",
    "approval_key.revoked": "what it signed and has not applied becomes void, which the request's page says",
    "integration.made": "it is in the list of integrations, and in the log",
    "integration.changed": "it is in the list of integrations, and in the log",
    "integration.enabled": "it is in the list of integrations, and in the log",
    "integration.deleted": "it is in the list of integrations, and in the log",
}
_PARTS = (
    "change_request.", "ramp.", "template.", "incident.", "break_glass.", "drill.", "kill_switch.", "kill_trigger.",
    "safeguard.", "alert.", "alerts.", "test_run.", "approval_key.", "integration.",
)  # fmt: skip


def told(action: str) -> set[str]:
    """Who was told of the last entry of an action."""
    seq = Entry.objects.filter(action=action).latest("seq").seq
    return set(Notice.objects.filter(source=f"entry:{seq}").values_list("person", flat=True))


def says(actor: Actor, cast: Story) -> list[str]:
    """What stands in somebody's inbox, newest first."""
    found = inbox.lines(held(actor, at=cast.at), at=cast.at)
    return [line.message.sentence for line in found if line.message is not None]


def test_every_kind_of_entry_of_change_control_is_told_or_it_is_said_why_not() -> None:
    importlib.import_module("ensign.urls")  # which brings every part in
    ours = {code for code in actions() if code.startswith(_PARTS)}
    assert ours == {code for code in TABLE if code.startswith(_PARTS)} | set(UNTOLD)


def test_breaking_the_glass_is_told_at_once_and_is_an_alert(cast: Story) -> None:
    live(cast)
    ray = add_person("Ray Responder", "responder", at=cast.at)
    declared = incidents.declare(
        actor=cast.dev, at=cast.at, title="Checkout fails", severity="sev1", project_keys=["shop"],
        environment="production",
    )  # fmt: skip
    opened = opening.break_glass(
        actor=ray, at=cast.at, incident_id=declared.incident.id, reason="Checkout fails for everybody.", **PLACE
    )
    opening.propose_emergency(
        actor=ray, at=cast.later(minutes=1), emergency_id=opened.id, operations=widen(50), title="Widen"
    )
    follower.follow(at=cast.later(minutes=2))
    for action in ("break_glass.opened", "break_glass.used"):
        assert {cast.approver.id, cast.second.id, cast.admin.id} <= told(action)
        seq = Entry.objects.filter(action=action).latest("seq").seq
        assert set(Notice.objects.filter(source=f"entry:{seq}").values_list("urgency", flat=True)) == {"urgent"}
    detecting.follow(at=cast.later(minutes=2))
    follower.follow(at=cast.later(minutes=2))
    assert "Ensign (watch) raised an alert in shop / production: break-glass was used." in says(cast.admin, cast)


def test_a_safeguard_says_what_it_did_and_what_it_could_not(cast: Story) -> None:
    def guarded(act: Act, key: str) -> Actor:
        account = add_service(f"guard-{key}", "developer", owner=cast.dev.id)
        wish = SafeguardWish(
            flag=FLAG, source=Source(kind="webhook", path="value"), account=account.id, act=act, threshold="1"
        )
        made = guarding.make(actor=cast.dev, at=cast.at, key=key, wish=wish, **PLACE).safeguard
        if key == "weak":
            service_accounts.disable(actor=cast.admin, at=cast.at, service_account_id=account.id)
        firing.fire(made, Reading(value=2), at=cast.later(minutes=1), now=clock.now)
        return account

    ramping(cast)
    guarded("pause", "pausing")
    guarded("off", "weak")
    guarded("off", "offing")
    follower.follow(at=cast.later(minutes=2))
    begins = "acted as a safeguard in shop / production: new-checkout"
    ends = [line.partition(begins)[2] for line in says(cast.second, cast) if begins in line]
    assert ends == [
        " was switched off.",
        " is as it was, as the safeguard could not switch it off. Do it by hand.",
        " takes no further step of its ramp.",
    ]


def test_a_step_of_a_ramp_is_told_once_as_what_it_is(cast: Story) -> None:
    ramp = ramping(cast)
    follower.follow(at=cast.at)
    Notice.objects.all().delete()
    running.tick(at=later(ramp, 60))
    follower.follow(at=later(ramp, 61))
    assert [notice.topic for notice in Notice.objects.filter(person=cast.dev.id)] == ["release"]
    assert says(cast.dev, cast)[0].endswith(
        "took a step of an approved plan in shop / production: “Step 2 of 4: new-checkout to 25 %”."
    )
    assert telling("change_request.applied", mode="plan") is not telling("change_request.applied")


def test_who_answers_for_a_token_that_ends_is_told_beside_those_who_give_roles(cast: Story) -> None:
    account = add_service("deploys", "developer", owner=cast.dev.id)
    at = clock.now()
    api_tokens.create_for_service(
        actor=cast.admin, at=at, service_account_id=account.id, wish=TokenWish(name="pipeline", days=10)
    )
    finding_notices.tell(at=at + timedelta(days=6))
    rows = Notice.objects.filter(facts__contains="token-expiring")
    assert {cast.dev.id, cast.admin.id} <= set(rows.values_list("person", flat=True))
    assert cast.viewer.id not in set(rows.values_list("person", flat=True))
    mine = inbox.lines(held(cast.dev, at=at), at=at + timedelta(days=6))
    (line,) = [line for line in mine if line.message is not None and "pipeline" in line.message.sentence]
    assert line.message is not None
    assert line.message.url.endswith(f"/service-accounts/{account.id}")
