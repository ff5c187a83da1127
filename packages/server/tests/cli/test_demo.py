"""Claims about `ensign demo`: it fills only an empty database, gives every page something to show, and verifies."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from ensign.control.access import finding_sources, request_queries
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes.models import Request
from ensign.control.flags import queries as flags
from ensign.control.identity import factors
from ensign.control.identity.models import Account, Person
from ensign.control.incidents import incident_queries
from ensign.control.incidents.models import Kill
from ensign.control.kernel.errors import Conflict
from ensign.control.releases import queries as releases
from ensign.demo import cast, run
from ensign.demo.company import code_of, secret_of
from ensign.demo.run import Filled
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


def test_a_ramp_went_all_the_way_and_an_emergency_was_reviewed_in_time(demo: Filled) -> None:
    [ramp] = releases.ramps()
    assert (ramp.status, ramp.percent) == ("finished", 100)
    assert len(ramp.taken) == len(ramp.steps) >= 2
    [emergency] = incident_queries.emergencies()
    assert emergency.reviewed_at is not None
    assert (emergency.verdict, emergency.reviewed_at < emergency.due_at) == ("justified", True)
    assert len(emergency.changes) == 1
    assert incident_queries.incident(emergency.incident).incident.state == "resolved"


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
