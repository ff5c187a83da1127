"""Claims about `ensign demo`: it fills only an empty database, gives every page something to show, and verifies."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from ensign.control.access import finding_sources, request_queries
from ensign.control.audit import export, inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as changes
from ensign.control.changes import policy_pages, rebasing, timing
from ensign.control.changes import queries as change_queries
from ensign.control.changes import waiting as change_waiting
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.models import Comment, Request
from ensign.control.flags import queries as flags
from ensign.control.identity import factors
from ensign.control.identity.models import Account, Person
from ensign.control.incidents import drills, incident_queries, triggers
from ensign.control.incidents.models import Kill
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict
from ensign.control.monitoring.models import Safeguard
from ensign.control.progression.domain.runs import Run
from ensign.control.progression.models import ReportedRun
from ensign.control.projects import policies
from ensign.control.releases import pages as release_pages
from ensign.control.releases import queries as releases
from ensign.demo import cast, run
from ensign.demo.company import code_of, secret_of
from ensign.demo.run import Filled
from ensign.worker import TASKS, Worker
from ensign_ledger.report import Outcome
from ensign_ledger.verify import verify_bundle
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.server import run as terminal
from ensign_testkit.witness import complaints
from rich.console import Console

NOW = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)


def test_a_database_that_holds_anything_is_refused_and_named(db: str) -> None:
    with pytest.raises(Conflict, match="2 entries") as refusal:
        run.fill(seed=1, now=NOW, console=Console(file=StringIO()))
    assert refusal.value.code == "not-empty"


def test_the_code_of_the_shared_second_factor_is_that_of_the_rfc() -> None:
    """RFC 6238, appendix B: the last six digits at 59 seconds."""
    assert code_of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", at=datetime.fromtimestamp(59, UTC)) == "287082"


def test_a_served_database_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert terminal(data, "migrate").returncode == 0
    done = terminal(data, "demo", "--no-serve", "--port", "0")
    assert done.returncode == 6
    assert "a log of 2 entries" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_digits_are_told_while_the_demo_serves(tmp_path: Path) -> None:
    """Its port is taken then, and nothing but serving needs it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = terminal(tmp_path / "data", "demo", "--code", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d{6}", done.stdout.strip())


@pytest.fixture(scope="module")
def demo(databases: object) -> Iterator[Filled]:
    """One demo for the tests below."""
    assert isinstance(databases, SqliteFactory | PostgresFactory)
    with databases.empty():
        yield run.fill(seed=7, now=NOW, console=Console(file=StringIO()))


def test_every_room_has_something_to_show(demo: Filled) -> None:
    assert Person.objects.count() == 15
    assert Person.objects.filter(status="disabled").count() == 1
    assert 40 <= len(flags.flags()) + len(flags.flags(archived=True)) <= 60
    assert flags.flags(archived=True)
    statuses = set(Request.objects.values_list("status", flat=True))
    assert {"draft", "in_review", "applied", "rejected", "withdrawn"} <= statuses
    assert Kill.objects.count() >= 5
    assert Entry.objects.filter(action="access.denied").count() >= 5
    assert {"conflict", "reverted", "sent back", "killed", "refused"} <= demo.counts.keys()
    assert Request.objects.count() >= 900


def test_one_ramp_went_all_the_way_one_was_stopped_on_its_way_and_one_is_underway(demo: Filled) -> None:
    ramps = {ramp.flag: ramp for ramp in releases.ramps()}
    assert {key: (one.status, one.percent) for key, one in ramps.items()} == {
        "virtual-cards": ("finished", 100),
        "network-token-refresh": ("finished", 100),
        "express-checkout": ("running", 25),
    }
    underway = ramps["express-checkout"].next_at
    assert underway is not None
    assert timedelta(hours=6) < underway - NOW < timedelta(days=3)
    [guard] = [one for one in Safeguard.objects.all() if one.state["fired_at"]]
    assert (guard.status, guard.state["outcome"]) == ("armed", "done")
    assert {"ramp.paused", "ramp.resumed", "safeguard.fired", "safeguard.armed"} <= _actions()
    assert [one.template.name for one in releases.templates("checkout")] == ["Careful", "Same day"]


def test_the_page_of_a_ramp_tells_what_held_it_and_who_let_it_go_on(demo: Filled) -> None:
    [ramp] = releases.ramps(flag="network-token-refresh")
    told = [(moment.title, moment.body) for moment in release_pages.story(ramp)]
    assert ("paused the ramp: 25 %", "The safeguard declines acted: 0.074 is above 0.05.") in told
    assert ("let the ramp go on: 25 %", "Declines are at 1.8 % again.") in told
    assert told[0] == ("took the next step of the ramp: 100 %", "")


def test_a_request_that_came_too_early_says_all_that_it_lacks(demo: Filled) -> None:
    [early] = [one for one in _requests("in_review") if one.title.startswith("contactless-limits")]
    reader = Actor(kind="person", id=early.author, via="session")
    standing = change_queries.standing(early, reader=reader, at=NOW)
    checks = {one.label: one.met for one in policy_pages.policy_checks(early, standing, at=NOW)}
    assert checks == {"Ticket": True, "Has not run below for long enough": False, "No test run has passed": False}


def test_one_request_applies_in_the_coming_days_and_one_did_at_night(demo: Filled) -> None:
    [waiting] = [one for one in timing.waiting() if one.schedule]
    assert waiting.status == "scheduled"
    assert waiting.schedule is not None
    assert timedelta(hours=6) < waiting.schedule.at - NOW < timedelta(days=5)
    by_clock = [one for one in _requests("applied") if one.schedule is not None]
    assert [one.schedule.at.hour for one in by_clock if one.schedule] == [4]


def test_production_of_the_regulated_project_is_what_staging_ran_tested_and_signed_for(demo: Filled) -> None:
    applied = [one for one in _requests("applied") if (one.project, one.environment) == ("issuing", "production")]
    assert len([one for one in applied if one.plan is not None]) == 3, "the further steps of a ramp"
    applied = [one for one in applied if one.plan is None]
    assert len(applied) == 5
    for one in applied:
        assert len({given.person for given in one.approvals}) == 2
        assert all(given.signature is not None for given in one.approvals)
        assert one.tickets
    assert [one.promotes for one in applied if one.promotes] == ["staging", "staging"]
    runs = [Run.from_state(row.pk, row.state) for row in ReportedRun.objects.all()]
    assert {one.source for one in runs} == {"ci"}
    assert {one.result for one in runs} == {"passed", "failed"}
    [half] = [one for one in _requests("in_review") if one.promotes]
    assert [given.signature is not None for given in half.approvals] == [True]


def test_a_kill_switch_was_rehearsed_twice_and_a_monitor_pressed_it_once(demo: Filled) -> None:
    later, earlier = drills.drills()
    assert (earlier.status, later.status) == ("failed", "passed")
    assert later.streaming.instances >= 10
    assert later.polling.instances >= 5
    [plan] = drills.plans(projects=None)
    assert not plan.automatic
    assert plan.next_at > NOW
    pressed = drills.of_kills({kill.pk for kill in Kill.objects.all()})
    assert set(pressed.values()) == {earlier.id, later.id}, "the list of presses tells a drill from an outage"
    [address] = triggers.triggers()
    assert address.usable(at=NOW)
    assert [kill.state["incident"] is not None for kill in Kill.objects.all() if kill.state["trigger"]] == [True]


def test_an_emergency_was_reviewed_in_time_and_every_incident_is_over(demo: Filled) -> None:
    [emergency] = incident_queries.emergencies()
    assert emergency.reviewed_at is not None
    assert (emergency.verdict, emergency.reviewed_at < emergency.due_at) == ("justified", True)
    assert len(emergency.changes) == 1
    assert incident_queries.incident(emergency.incident).incident.state == "resolved"
    assert {one.state for one in incident_queries.incidents(projects=None)} == {"resolved"}


def test_the_policy_of_checkout_has_a_history_and_a_change_that_waits_for_its_delay(demo: Filled) -> None:
    rules = policies.policies_of("checkout", ["production"])[0].rules
    assert [rule.name for rule in rules.rules] == ["High risk takes two", "A segment reaches many flags"]
    assert rules.delay_hours == 24
    assert [freeze.name for freeze in rules.freezes] == ["Season's sale"]
    assert policies.policies_of("issuing", ["production"])[0].preset == "regulated"
    [waiting] = [one for one in _requests("approved") if one.operations[0].type == "policy.set"]
    assert len(waiting.approvals) == 2
    with pytest.raises(Conflict, match="takes effect 1 day after its last approval"):
        changes.apply(actor=Actor(kind="person", id=waiting.author, via="session"), at=NOW, request_id=waiting.id)


def test_requests_wait_with_a_conflict_a_discussion_reviewers_and_many_flags(demo: Filled) -> None:
    waiting = _requests("in_review")
    [contested] = [one for one in waiting if "order-tracking" in one.title]
    assert [line.path for line in rebasing.merged(contested).open] != []
    [beside] = change_waiting.waiting("checkout")["order-tracking", "production"]
    assert beside.state == "conflicted", "the flag's page says so, too"
    [discussed] = [one for one in waiting if one.title == "Renew network tokens in Europe alone"]
    assert len(discussed.reviewers) == 3
    said = [row.state for row in Comment.objects.all() if row.state["request"] == discussed.id]
    assert [bool(one.get("anchor")) for one in said].count(True) == 1
    assert [bool(one.get("parent")) for one in said].count(True) == 1
    assert [len(one.operations) >= 2 for one in waiting if one.title.startswith("Archive")] == [True]
    assert all(one.tickets for one in waiting)


def test_nothing_surprising_happens_when_a_worker_begins(demo: Filled) -> None:
    """What is due the moment somebody serves it: custody, and nothing that people would wonder about."""
    size = Entry.objects.count()
    worker = Worker(TASKS, now=lambda: NOW + timedelta(minutes=5))
    done = worker.beat()
    assert {task.name for task in TASKS} == set(done)
    fresh = [json.loads(body)["action"] for body in Entry.objects.filter(seq__gte=size).values_list("body", flat=True)]
    assert set(fresh) <= {"drift.checked", "duties.checked", "ledger.anchored"}


def test_the_demo_of_a_weekend_tells_the_same(databases: object) -> None:
    """Whatever is counted back from the end falls on working days then."""
    assert isinstance(databases, SqliteFactory | PostgresFactory)
    with databases.empty():
        told = run.fill(seed=3, now=datetime(2026, 5, 17, 6, 10, tzinfo=UTC), console=Console(file=StringIO()))
        assert {"signed": 11, "drill failed": 1, "drill passed": 1}.items() <= told.counts.items()
        assert inspect.verify().findings == []


def _requests(status: str) -> list[ChangeRequest]:
    return [ChangeRequest.from_state(row.pk, row.state) for row in Request.objects.filter(status=status)]


def _actions() -> set[str]:
    return set(Entry.objects.values_list("action", flat=True).distinct())


def test_its_duties_are_apart_with_one_exception_that_ends_soon(demo: Filled) -> None:
    assert {(one.code, one.remedy[:3]) for one in finding_sources.toxic_pairs(NOW)} == {("exception-ends", "End")}
    assert finding_sources.sole_granters(NOW) == []
    assert [one.status for one in request_queries.requests()].count("open") == 1


def test_its_log_is_of_its_own_origin_a_year_long_and_verifies(demo: Filled) -> None:
    assert demo.origin.startswith("ensign-demo/")
    times = [json.loads(body)["ts"] for body in Entry.objects.order_by("seq").values_list("body", flat=True)]
    assert times == sorted(times)
    assert times[0].startswith("2025-03-11")
    assert times[-1].startswith("2026-03-11")
    assert inspect.verify().findings == []


def test_its_bundle_verifies_offline_and_so_does_every_signature_in_it(demo: Filled, tmp_path: Path) -> None:
    made = export.export(out=tmp_path / "bundle", actor=system("demo"), at=NOW)
    report = verify_bundle(tmp_path / "bundle", keys=[made.fingerprint])
    assert report.valid, report.as_json()
    assert {report.outcome(number) for number in (13, 14, 17, 18)} == {Outcome.VALID}
    [signed] = [check for check in report.checks if check.id == 17]
    assert signed.detail.startswith("11 signatures by 2 keys")


def test_an_auditor_who_reads_its_log_finds_no_change_without_its_approvals(demo: Filled) -> None:
    found = complaints()
    assert found.complaints == []
    assert found.protected > 100


def test_a_visitor_can_sign_in_and_prove_the_second_factor(demo: Filled) -> None:
    account = Account.objects.get(email=cast.PLAYERS[1].email)
    assert account.check_password(cast.PASSWORD)
    assert not Account.objects.filter(last_login__gt=NOW).exists(), "people signed in in the demo's own year"
    later = NOW.replace(hour=18)
    factors.use_totp(account, code_of(secret_of(7), at=later), at=later)
