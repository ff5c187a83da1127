"""Claims: what the log tells is judged once, in order, after any interruption; people judge what was raised."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import findings, groups
from ensign.control.access import tokens as api_tokens
from ensign.control.access.decisions import held
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.permissions import Permission
from ensign.control.access.queries import who_can
from ensign.control.access.tokens import TokenWish
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain.content_operations import StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.settings_operations import EnvironmentUnprotect
from ensign.control.flags.operations import update_flag
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.monitoring import detecting, exporting, opening, operations, pages, queries, raising, settings
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.rules import Rules
from ensign.control.monitoring.models import Cursor, Opened
from ensign.control.monitoring.queries import Wanted
from ensign.control.projects.demands import Approvers, Demand
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.enforcement import choose_preset
from ensign_testkit.alerting import a_finding, an_alert
from ensign_testkit.changing import FLAG, Story, approve, last_entry, launch, live, requested, ruled, story
from ensign_testkit.people import add_person, add_service, sign_in
from ensign_testkit.targets import rollout

pytestmark = pytest.mark.usefixtures("db")


def alerts(*, kind: str = "", status: str = "") -> list[Alert]:
    reader = queries.Readable(projects=None, organisation=True)
    found = queries.alerts(reader, Wanted(kind=kind, status=status), at=clock.now(), limit=500)
    return [view.alert for view in found]


def watched(cast: Story, **by: float) -> list[Alert]:
    """What is known after the worker followed the log a little later."""
    detecting.follow(at=cast.later(**(by or {"minutes": 5})))
    return alerts()


def look(cast: Story, done: Any, by: Actor) -> None:
    """Open the request's page."""
    opening.note(by, done.request, cast.at)


def test_an_ordinary_day_raises_nothing() -> None:
    """A change that somebody read and approved minutes later, a comment, a kill: quiet."""
    cast = story()
    done = requested(cast, launch())
    look(cast, done, cast.approver)
    at = cast.later(minutes=3)
    door.review(actor=cast.approver, at=at, request_id=done.request.id, decision="approve", digest=done.request.digest)
    door.apply(actor=cast.dev, at=at, request_id=done.request.id)
    assert watched(cast) == []
    assert detecting.position() == Entry.objects.count()


def test_an_approval_without_opening_the_request_is_told_with_its_entry() -> None:
    cast = story()
    approve(cast, requested(cast, launch()))
    (one,) = watched(cast)
    assert (one.kind, one.project, one.environment) == ("hasty-approval", "shop", "production")
    assert set(one.caused_by) == {cast.approver.id, cast.dev.id}
    assert one.evidence == (last_entry("change_request.approved")["seq"],)
    entry = last_entry("alert.raised")
    assert entry["actor"]["id"] == "sys_watch"
    assert entry["detail"]["evidence"] == list(one.evidence)
    assert entry["detail"]["alert"] == one.id


def test_a_round_that_was_opened_is_opened_and_the_next_one_is_not() -> None:
    cast = story()
    done = requested(cast, launch())
    look(cast, done, cast.approver)
    at = cast.later(minutes=1)
    edited = door.edit(
        actor=cast.dev, at=at, request_id=done.request.id, operations=launch(20), title="Wider", reason="Still fine."
    )
    at = cast.later(minutes=9)
    digest = edited.request.digest
    door.review(actor=cast.approver, at=at, request_id=done.request.id, decision="approve", digest=digest)
    (one,) = watched(cast, minutes=10)
    assert one.facts == {"opened": "no", "seconds": 8 * 60}


def test_reading_the_page_in_a_browser_counts_as_opening_and_reading_ones_own_does_not() -> None:
    cast = story()
    done = requested(cast, launch())
    for actor in (cast.approver, cast.approver, cast.dev):
        assert sign_in(Client(), actor).get(f"/requests/{done.request.id}").status_code == 200
    (row,) = Opened.objects.all()
    assert (row.request, row.round, row.person) == (done.request.id, 1, cast.approver.id)


def test_who_opened_what_is_forgotten_after_ninety_days() -> None:
    cast = story()
    look(cast, requested(cast, launch()), cast.approver)
    assert opening.forget(at=cast.later(days=89)) == 0
    assert opening.forget(at=cast.later(days=91)) == 1


def test_following_twice_raises_nothing_twice_and_a_late_worker_loses_nothing() -> None:
    cast = story()
    live(cast)
    before = Entry.objects.count()
    detecting.follow(at=cast.later(minutes=1))
    told = alerts()
    detecting.follow(at=cast.later(minutes=2))
    assert alerts() == told
    assert detecting.position() == Entry.objects.count() > before


def test_a_crash_between_judging_and_committing_leaves_neither_alert_nor_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cast = story()
    live(cast)
    start = detecting.position()

    def dies(*_: Any, **__: Any) -> None:
        raise_all(*_, **__)
        raise RuntimeError("killed")

    raise_all = raising.raise_all
    monkeypatch.setattr(raising, "raise_all", dies)
    with pytest.raises(RuntimeError, match="killed"):
        detecting.follow(at=cast.later(minutes=1))
    assert (detecting.position(), alerts()) == (start, [])
    monkeypatch.undo()
    assert [one.kind for one in watched(cast)] == ["hasty-approval"]


def test_a_worker_that_lost_the_race_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process judged the same entries between this one's reading and its commit."""
    cast = story()
    live(cast)
    facts = detecting.history.facts

    def slow(*, start: int, limit: int) -> Any:
        found = facts(start=start, limit=limit)
        monkeypatch.undo()
        detecting.follow(at=cast.later(minutes=1))
        return found

    monkeypatch.setattr(detecting.history, "facts", slow)
    assert detecting.batch(at=cast.later(minutes=1)) == 0
    assert len(alerts()) == 1


def test_what_an_upgrade_finds_is_not_judged_afterwards() -> None:
    """A new installation's cursor stands at the log's beginning; no entry was judged yet."""
    assert Cursor.objects.get(pk="log").seq == 0


def test_many_flags_at_once_are_one_alert_with_its_entry() -> None:
    cast = story()
    settings.change(actor=cast.admin, at=cast.at, wanted=Rules(mass_flags=2))
    done = requested(
        cast, (*launch(), StrategyAdd(flag="old-banner", strategy=rollout(5)), FlagEnable(flag="old-banner"))
    )
    look(cast, done, cast.approver)
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    (one,) = [found for found in watched(cast) if found.kind == "mass-change"]
    assert one.evidence == (last_entry("change_request.applied")["seq"],)
    assert one.facts == {"flags": 2, "minutes": 10}


def test_a_policy_made_weaker_is_pressing() -> None:
    cast = story()
    done = requested(cast, (EnvironmentUnprotect(),), author=cast.admin)
    look(cast, done, cast.approver)
    approve(cast, done)
    door.apply(actor=cast.approver, at=cast.at, request_id=done.request.id)
    (one,) = [found for found in watched(cast) if found.kind == "policy-change"]
    assert one.severity == "high"
    assert set(one.caused_by) >= {cast.admin.id, cast.approver.id}


def test_what_new_projects_ask_for_made_weaker_is_pressing() -> None:
    cast = story()
    choose_preset(actor=cast.admin, at=cast.at, preset="regulated")
    (one,) = [found for found in watched(cast) if found.kind == "policy-change"]
    assert (one.severity, one.project) == ("medium", None)
    choose_preset(actor=cast.admin, at=cast.later(minutes=6), preset="open")
    (again,) = [found for found in watched(cast, minutes=7) if found.kind == "policy-change"]
    assert (again.id, again.count, again.severity) == (one.id, 2, "high")
    assert again.caused_by == (cast.admin.id,)


def test_who_joins_a_group_that_a_policy_names_is_told_and_who_joins_another_is_not() -> None:
    cast = story()
    security, sports = (groups.create(actor=cast.admin, at=cast.at, name=name).id for name in ("Security", "Sports"))
    ruled(cast, PolicyRules(approvals=1, requires_reason=True, further=Demand(each_group=(security,))))
    for group in (sports, security):
        groups.add_member(actor=cast.admin, at=cast.later(minutes=1), group_id=group, person_id=cast.second.id)
    (one,) = [found for found in watched(cast) if found.kind == "policy-change" and found.subject == security]
    assert (one.severity, set(one.caused_by)) == ("medium", {cast.admin.id, cast.second.id})
    assert pages.said(one) == "Somebody joined a group from which a policy asks for an approval."
    assert not [found for found in watched(cast) if found.subject == sports]


def test_who_joins_the_group_that_owns_a_flag_is_told_where_owners_approve() -> None:
    cast = story()
    group = groups.create(actor=cast.admin, at=cast.at, name="Owners").id
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, owner=group)

    def join(person: Actor) -> bool:
        groups.add_member(actor=cast.admin, at=cast.at, group_id=group, person_id=person.id)
        return any(found.subject == group for found in watched(cast))

    assert not join(cast.second)
    ruled(cast, PolicyRules(approvals=1, requires_reason=True, further=Demand(approvers=(Approvers(owner=True),))))
    assert join(cast.approver)


def test_detectors_made_duller_are_pressing() -> None:
    cast = story()
    settings.change(actor=cast.admin, at=cast.at, wanted=Rules(mass_flags=500), reason="Too loud.")
    (one,) = watched(cast)
    assert (one.kind, one.severity, one.project) == ("monitoring-changed", "high", None)
    assert last_entry("monitoring_rules.changed")["detail"] == {"changed": ["mass_flags"], "dulled": ["mass_flags"]}
    settings.change(actor=cast.admin, at=cast.later(minutes=6), wanted=Rules(mass_flags=500, off=()))
    (again,) = watched(cast, minutes=7)
    assert (again.count, again.severity, again.due_at) == (2, "high", one.due_at)


def test_a_token_that_may_everything_is_told() -> None:
    cast = story()
    api_tokens.create_personal(actor=cast.dev, at=cast.at, wish=TokenWish(name="all", days=365))
    api_tokens.create_personal(actor=cast.dev, at=cast.at, wish=TokenWish(name="one", days=365, scope=Scope("shop")))
    (one,) = watched(cast)
    assert (one.kind, one.caused_by, one.project) == ("wide-token", (cast.dev.id,), None)


def test_drift_that_the_daily_comparison_finds_is_an_alert() -> None:
    cast = story()
    inspect.check_drift(actor=raising.WATCH, at=cast.at)
    assert watched(cast) == []
    assert inspect.verify().ok


def test_alerts_and_verdicts_are_governed_and_the_log_agrees() -> None:
    cast = story()
    one = an_alert(at=cast.at, project="shop", caused_by=(cast.dev.id,))
    operations.acknowledge(actor=cast.approver, at=cast.at, alert_id=one.id)
    judged = operations.triage(
        actor=cast.approver, at=cast.at, alert_id=one.id, verdict="expected", reason="Planned for months."
    )
    assert (judged.status, judged.verdict, judged.triaged_by) == ("triaged", "expected", cast.approver.id)
    entry = last_entry("alert.triaged")
    assert entry["detail"] == {
        "alert": one.id, "kind": "rare-actor", "severity": "low", "verdict": "expected", "late": False,
    }  # fmt: skip
    assert "Planned" not in json.dumps(entry)
    assert inspect.verify().ok


def test_whoever_took_part_and_tools_do_not_judge() -> None:
    cast = story()
    one = an_alert(at=cast.at, project="shop", caused_by=(cast.approver.id,))
    verdict = {"at": cast.at, "alert_id": one.id, "verdict": "expected", "reason": "It was me."}
    with pytest.raises(Denied, match="somebody else judges it"):
        operations.triage(actor=cast.approver, **verdict)
    assert last_entry("access.denied")["detail"]["code"] == "own_alert"
    with pytest.raises(Denied, match="No role"):
        operations.triage(actor=cast.dev, **verdict)
    with pytest.raises(Denied, match="judged by a person"):
        operations.triage(actor=add_service("bot", "approver", owner=cast.approver.id), **verdict)
    assert operations.triage(actor=cast.second, **verdict).status == "triaged"
    with pytest.raises(Conflict):
        operations.triage(actor=cast.second, **verdict)


def test_where_nobody_else_could_whoever_took_part_judges_and_it_says_so() -> None:
    cast = story()
    everybody = tuple(one.subject for one in who_can(Permission.ORG_ALERT_TRIAGE, ORGANISATION, at=cast.at))
    one = an_alert(at=cast.at, kind="wide-token", caused_by=everybody)
    judged = operations.triage(actor=cast.admin, at=cast.at, alert_id=one.id, verdict="expected", reason="For a test.")
    assert judged.alone
    assert last_entry("alert.triaged")["detail"]["alone"] is True


def test_an_unexpected_one_needs_what_follows() -> None:
    cast = story()
    one = an_alert(at=cast.at, project="shop")
    with pytest.raises(Invalid, match="not complete"):
        operations.triage(actor=cast.approver, at=cast.at, alert_id=one.id, verdict="unexpected", reason="Odd.")


def test_what_nobody_judges_in_time_escalates_once_and_is_a_finding() -> None:
    cast = story()
    one = an_alert(at=cast.at, project="shop", found=a_finding("break-glass", project="shop"))
    assert raising.escalate(at=cast.later(hours=23)) == 0
    assert raising.escalate(at=cast.later(hours=25)) == 1
    assert raising.escalate(at=cast.later(hours=26)) == 0
    assert Entry.objects.filter(action="alert.overdue").count() == 1
    (told,) = [f for f in findings.findings(at=cast.later(hours=26)) if f.code == "alert-overdue"]
    assert told.detail == one.id
    operations.triage(
        actor=cast.approver, at=cast.later(hours=27), alert_id=one.id, verdict="expected", reason="A real incident."
    )
    assert last_entry("alert.triaged")["detail"]["late"] is True
    assert not [f for f in findings.findings(at=cast.later(hours=28)) if f.code == "alert-overdue"]


def test_the_same_matter_joins_what_is_open_and_begins_anew_once_judged() -> None:
    cast = story()
    one = an_alert(at=cast.at, project="shop", evidence=(1,))
    more = an_alert(at=cast.later(hours=1), project="shop", evidence=(2,))
    assert (more.id, more.count, more.evidence) == (one.id, 2, (1, 2))
    assert an_alert(at=cast.at, project=None, evidence=(3,)).id != one.id
    operations.triage(actor=cast.approver, at=cast.at, alert_id=one.id, verdict="expected", reason="Planned.")
    assert an_alert(at=cast.later(hours=2), project="shop").id != one.id


def test_alerts_are_read_where_one_may_read_them_and_those_of_no_project_with_the_log() -> None:
    cast = story()
    here, nowhere = an_alert(at=cast.at, project="shop"), an_alert(at=cast.at)
    local = add_person("Loa Local", "approver", project="shop")
    for actor, seen in ((cast.dev, set()), (local, {here.id}), (cast.admin, {here.id, nowhere.id})):
        reader = queries.readable(held(actor, at=cast.at))
        assert {view.alert.id for view in queries.alerts(reader, Wanted(), at=cast.at)} == seen


def test_an_export_holds_what_its_reader_may_read_and_is_an_entry() -> None:
    cast = story()
    an_alert(at=cast.at, project="shop")
    one = an_alert(at=cast.later(seconds=1))
    operations.triage(actor=cast.admin, at=cast.at, alert_id=one.id, verdict="expected", reason="=cmd()")
    file = exporting.export(actor=cast.admin, at=cast.at, wanted=Wanted())
    rows = list(csv.DictReader(io.StringIO(file.data.decode())))
    assert [row["status"] for row in rows] == ["open", "triaged"]
    assert rows[1]["reason"] == "'=cmd()"
    digest = hashlib.sha256(file.data).hexdigest()
    assert last_entry("alerts.exported")["detail"] == {"rows": 2, "format": "csv", "sha256": digest}
    data = json.loads(exporting.export(actor=cast.approver, at=cast.at, wanted=Wanted(), format="json").data)
    assert len(data["alerts"]) == 1
    with pytest.raises(Denied):
        exporting.export(actor=cast.dev, at=cast.at, wanted=Wanted())


def test_settings_need_the_right_and_the_version_that_was_seen() -> None:
    cast = story()
    with pytest.raises(Denied):
        settings.change(actor=cast.approver, at=cast.at, wanted=Rules(mass_flags=9))
    settings.change(actor=cast.admin, at=cast.at, wanted=Rules(mass_flags=9), version=0)
    with pytest.raises(Conflict):
        settings.change(actor=cast.admin, at=cast.at, wanted=Rules(mass_flags=8), version=0)
    count = Entry.objects.count()
    assert settings.change(actor=cast.admin, at=cast.at, wanted=Rules(mass_flags=9)).version == 1
    assert Entry.objects.count() == count


def test_a_switched_off_detector_is_silent_and_its_entries_stay_judged() -> None:
    cast = story()
    settings.change(actor=cast.admin, at=cast.at, wanted=Rules(off=("hasty-approval", "off-hours")))
    live(cast)
    assert [one.kind for one in watched(cast)] == ["monitoring-changed"]


def test_lateness_is_measured_by_days_of_its_severity() -> None:
    cast = story()
    waits = {one: Rules().waits(one) for one in ("high", "medium", "low")}
    assert waits == {"high": timedelta(days=1), "medium": timedelta(days=3), "low": timedelta(days=7)}
    assert an_alert(at=cast.at, found=a_finding("drift")).due_at == cast.later(days=1)
