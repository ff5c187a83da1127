"""Claims: an incident groups what was done for it, its times are measured, and who may do what to it is asked."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from ensign.control.access import findings
from ensign.control.access.decisions import held
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries as changes
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.incidents import incident_queries, incidents, operations, queries, reading
from ensign.control.incidents.incident_queries import IncidentView
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    last_entry,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)


def declared(cast: Story, *, by: Actor | None = None, **more: object) -> IncidentView:
    given = {
        "title": "Checkout fails", "severity": "sev1", "project_keys": ["shop"], "environment": "production", **more
    }  # fmt: skip
    return incidents.declare(actor=by or cast.dev, at=cast.at, **given)  # type: ignore[arg-type]  # of one shape


def press(cast: Story, incident: str | None = None) -> queries.KillView:
    done = operations.kill(
        actor=cast.dev, at=cast.at, project="shop", environment="production", flag=FLAG, incident=incident,
        now=clock.now,
    )  # fmt: skip
    return done.kill


def test_it_takes_along_what_was_pressed_before_and_groups_what_comes_after(db: str) -> None:
    cast = story()
    live(cast)
    before = press(cast)
    made = declared(cast, kills=[before.id], text="Errors at 40 %.", suspected_flag=FLAG)
    one = made.incident
    assert [line.text for line in made.lines] == ["Errors at 40 %."]
    assert [kill.id for kill in incident_queries.kills_of(one)] == [before.id]
    entry = last_entry("incident.declared")
    assert entry["detail"] == {"incident": one.id, "severity": "sev1", "projects": ["shop"], "kills": 1}
    assert "Errors" not in json.dumps(entry)
    with pytest.raises(Conflict, match="already"):
        declared(cast, kills=[before.id])
    back = operations.restore(actor=cast.dev, at=cast.at, kill_id=before.id)
    assert (back.request.status, back.request.incident) == ("draft", one.id)
    door.submit(actor=cast.dev, at=cast.at, request_id=back.request.id)
    assert [request.id for request in incident_queries.requests_of(one)] == [back.request.id]
    waiting = requested(cast, (FlagEnable(flag="old-banner"),))
    approve(cast, waiting)
    incidents.attach(actor=cast.dev, at=cast.at, incident_id=one.id, request=waiting.request.id)
    held_ = changes.request(waiting.request.id, reader=cast.dev.id).request
    assert (held_.incident, held_.status, len(held_.approvals)) == (one.id, "approved", 1)
    door.apply(actor=cast.dev, at=cast.at, request_id=held_.id)
    assert len(incident_queries.requests_of(one)) == 2
    assert rows_equal_the_log()


def test_a_kill_from_it_belongs_to_it_and_one_that_is_over_takes_none(db: str) -> None:
    cast = story()
    live(cast)
    one = declared(cast).incident
    done = press(cast, one.id)
    assert (done.incident, last_entry("change_request.applied")["detail"]["incident"]) == (one.id, one.id)
    again = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, again)
    door.apply(actor=cast.dev, at=cast.at, request_id=again.request.id)
    staging = declared(cast, environment="staging").incident
    with pytest.raises(Conflict) as refused:
        press(cast, staging.id)
    assert refused.value.code == "other-incident"
    incidents.resolve(actor=cast.dev, at=cast.at, incident_id=one.id)
    with pytest.raises(Conflict) as refused:
        press(cast, one.id)
    assert refused.value.code == "incident-closed"


def test_who_may_declare_write_resolve_and_conclude(db: str) -> None:
    cast = story()
    with pytest.raises(Denied):
        declared(cast, by=cast.viewer)
    one = declared(cast, by=cast.approver).incident
    incidents.update(actor=cast.approver, at=cast.at, incident_id=one.id, text="Looking.")
    for act in (
        lambda: incidents.update(actor=cast.viewer, at=cast.at, incident_id=one.id, text="Hm."),
        lambda: incidents.resolve(actor=cast.approver, at=cast.at, incident_id=one.id),
        lambda: incidents.conclude(actor=cast.approver, at=cast.at, incident_id=one.id, root_cause="x"),
        lambda: declared(cast, project_keys=["shop", "nowhere"], by=cast.viewer),
    ):
        with pytest.raises(Denied):
            act()
    with pytest.raises(Invalid):
        incidents.update(actor=cast.dev, at=cast.at, incident_id=one.id, text=" ")
    seen = incidents.mitigate(actor=cast.approver, at=cast.later(minutes=9), incident_id=one.id)
    with pytest.raises(Conflict, match="changed since"):
        incidents.resolve(actor=cast.dev, at=cast.at, incident_id=one.id, expected_version=seen.version - 1)
    incidents.resolve(actor=cast.dev, at=cast.later(minutes=10), incident_id=one.id, text="Rolled back.")
    with pytest.raises(Invalid):
        incidents.reopen(actor=cast.dev, at=cast.later(minutes=11), incident_id=one.id, text="")
    back = incidents.reopen(actor=cast.dev, at=cast.later(minutes=11), incident_id=one.id, text="It came back.")
    assert (back.incident.state, back.incident.resolved_at) == ("open", None)
    actions = [code for code in Entry.objects.order_by("seq").values_list("action", flat=True) if "incident." in code]
    assert actions == [
        "incident.declared", "incident.updated", "incident.mitigated", "incident.resolved", "incident.updated"
    ]  # fmt: skip
    assert rows_equal_the_log()


def test_a_follow_up_has_an_owner_and_a_day_and_is_a_finding_after_it(db: str) -> None:
    cast = story()
    one = declared(cast).incident
    due = (cast.at + timedelta(days=3)).date()
    for wrong in ({"owner": "usr_nobody"}, {"due": (cast.at - timedelta(days=1)).date()}):
        with pytest.raises(Invalid):
            incidents.follow_up(
                actor=cast.dev, at=cast.at, incident_id=one.id, text="Test it.",
                **{"owner": cast.viewer.id, "due": due, **wrong},  # type: ignore[arg-type]  # of one shape
            )  # fmt: skip
    made = incidents.follow_up(
        actor=cast.dev, at=cast.at, incident_id=one.id, text="Test it.", owner=cast.viewer.id, due=due
    )

    def late(**by: float) -> bool:
        return any(found.code == "follow-up-overdue" for found in findings.findings(at=cast.later(**by)))

    assert not late(days=2)
    assert late(days=4)
    todo = made.incident.follow_ups[0].id
    with pytest.raises(Denied):
        incidents.finish_follow_up(actor=cast.approver, at=cast.at, incident_id=one.id, follow_up_id=todo)
    incidents.finish_follow_up(actor=cast.viewer, at=cast.later(days=4), incident_id=one.id, follow_up_id=todo)
    assert not late(days=4)


def test_a_kill_without_a_reason_is_late_after_a_day(db: str) -> None:
    cast = story()
    live(cast)
    press(cast)

    def late(**by: float) -> bool:
        return any(found.code == "kill-unexplained" for found in findings.findings(at=cast.later(**by)))

    assert not late(hours=23)
    assert late(hours=25)
    operations.record_reason(actor=cast.dev, at=cast.later(hours=26), kill_id=queries.kills()[0].id, reason="Errors.")
    assert not late(hours=27)


def test_times_and_rates_are_told_and_exported_with_their_digest_in_the_log(db: str) -> None:
    cast = story()
    live(cast)
    for minutes in (10, 30):
        one = declared(cast, detected_at=cast.at - timedelta(minutes=minutes)).incident
        incidents.resolve(actor=cast.dev, at=cast.at, incident_id=one.id)
    told = reading.times(held(cast.viewer, at=cast.at), at=cast.later(minutes=1))
    resolve = told.measures[2]
    assert (resolve.n, resolve.median, resolve.p90) == (2, timedelta(minutes=20), None)
    assert (told.rate.emergencies, told.rate.changes) == (0, 1)
    file = reading.export(actor=cast.viewer, at=cast.later(minutes=1), subject="times")
    rows = {row["measure"]: row for row in csv.DictReader(io.StringIO(file.data.decode()))}
    assert (rows["MTTR"]["n"], rows["MTTR"]["median_s"], rows["MTTR"]["p90_s"]) == ("2", "1200", "")
    assert rows["break-glass"]["note"] == "of 1 changes"
    entry = last_entry("incident.exported")
    assert (entry["detail"]["sha256"], entry["detail"]["subject"]) == (file.sha256, "times")
    listed = reading.export(actor=cast.viewer, at=cast.later(minutes=1), subject="incidents", format="csv-spreadsheet")
    assert listed.rows == 2
    (first, _) = csv.DictReader(io.StringIO(listed.data.decode()))
    assert (tuple(first), first["declared_by_name"]) == (reading.COLUMNS["incidents"], "Dan Dev")
    none = reading.export(actor=cast.viewer, at=cast.later(minutes=1), subject="drills").data.decode()
    assert none == ",".join(reading.COLUMNS["drills"]) + "\r\n"
    for wrong in ({"subject": "people"}, {"subject": "times", "format": "pdf"}):
        with pytest.raises(Invalid):
            reading.export(actor=cast.viewer, at=cast.at, **wrong)


def test_what_is_about_another_project_is_not_seen(db: str) -> None:
    from ensign_testkit.people import add_person  # deferred: one test alone needs it

    cast = story()
    declared(cast)
    stranger = add_person("Sue Stranger", at=cast.at)
    rights = held(stranger, at=cast.at)
    assert incident_queries.incidents(projects=rights.projects(reading.Permission.INCIDENT_READ)) == []
    with pytest.raises(Denied):
        reading.require_reading(rights, incident_queries.incidents(projects=None)[0])
    with pytest.raises(Denied):
        reading.export(actor=stranger, at=cast.at, subject="incidents")


def test_a_waiting_request_conflicts_with_no_attachment(db: str) -> None:
    """Putting a request under an incident changes nothing of what was approved: it still applies."""
    cast = story()
    live(cast)
    done = requested(cast, widen(40))
    approve(cast, done)
    one = declared(cast).incident
    incidents.attach(actor=cast.dev, at=cast.at, incident_id=one.id, request=done.request.id)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    with pytest.raises(Conflict, match="applied"):
        incidents.attach(actor=cast.dev, at=cast.at, incident_id=one.id, request=done.request.id)
