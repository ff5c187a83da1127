"""Claims: deactivating somebody ends everything of theirs in one transaction, whichever way it comes; nothing half done
remains when the process dies in between; an approval counts before or never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from django.db import connection, connections
from ensign.control.access import leaving, people, tokens
from ensign.control.access.findings import findings
from ensign.control.access.tokens import TokenWish
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.identity import queries as identity
from ensign.control.identity.models import Link
from ensign.control.kernel.errors import Conflict, EnsignError
from ensign_testkit.changing import FLAG, approve, config, last_entry, requested, rows_equal_the_log, story


def test_pending_approvals_are_void_by_an_entry_each_and_the_request_is_in_review_again(db: str) -> None:
    cast = story()
    first, second = requested(cast, (FlagEnable(flag=FLAG),)), requested(cast, (FlagEnable(flag="old-banner"),))
    for one in (first, second):
        assert approve(cast, one).request.status == "approved"
    people.deactivate(actor=cast.admin, at=cast.later(minutes=1), person_id=cast.approver.id, reason="left")
    for one in (first, second):
        row = queries.request(one.request.id, reader=cast.dev.id)
        assert (row.request.status, row.request.approvals) == ("in_review", ())
        assert [decision.kind for decision in row.request.decisions] == ["approve"]
    voided = last_entry("change_request.approval_voided")
    assert voided["actor"]["id"] == cast.admin.id
    assert voided["where"] == {"project": "shop", "environment": "production"}
    assert voided["detail"]["leaver"] == cast.approver.id
    assert last_entry("person.deactivated")["detail"]["approvals"] == 2
    people.reactivate(actor=cast.admin, at=cast.later(minutes=2), person_id=cast.approver.id)
    with pytest.raises(Conflict):
        door.apply(actor=cast.dev, at=cast.later(minutes=3), request_id=first.request.id)
    approve(cast, first, by=cast.second)
    assert door.apply(actor=cast.dev, at=cast.later(minutes=4), request_id=first.request.id).request.status == "applied"
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_what_was_applied_stays_applied(db: str) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    people.deactivate(actor=cast.admin, at=cast.later(minutes=1), person_id=cast.approver.id)
    row = queries.request(done.request.id, reader=cast.dev.id)
    assert [approval.person for approval in row.request.approvals] == [cast.approver.id]
    assert "approvals" not in last_entry("person.deactivated")["detail"]


def test_a_request_whose_author_left_asks_for_somebody_new(db: str) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    people.deactivate(actor=cast.admin, at=cast.later(minutes=1), person_id=cast.dev.id)
    found = [one for one in findings(at=cast.later(minutes=2)) if one.code == "request-without-author"]
    assert [one.subject for one in found] == [done.request.id]
    door.edit(actor=cast.other, at=cast.later(minutes=3), request_id=done.request.id, title="Taken over")
    assert not [one for one in findings(at=cast.later(minutes=4)) if one.code == "request-without-author"]


def test_what_an_app_registers_is_part_of_it_or_undoes_it(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = story()
    tokens.create_personal(actor=cast.approver, at=cast.at, wish=TokenWish(name="laptop"))
    people.make_reset_link(actor=cast.admin, at=cast.at, person_id=cast.approver.id)
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    size = Entry.objects.count()

    def fails(leaver: leaving.Leaver) -> list[leaving.Consequence]:
        raise RuntimeError(leaver.person_id)

    monkeypatch.setitem(leaving._registered, "fails", (fails, None))
    with pytest.raises(RuntimeError):
        people.deactivate(actor=cast.admin, at=cast.at, person_id=cast.approver.id)
    assert Entry.objects.count() == size
    assert identity.person(cast.approver.id).status == "active"
    assert [one.status for one in identity.tokens_of(cast.approver.id)] == ["active"]
    assert Link.objects.filter(person_id=cast.approver.id, ended_at=None).count() == 1
    assert queries.request(done.request.id, reader=cast.dev.id).request.status == "approved"


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="changes"):
        leaving.register("changes", lambda leaver: [])


SCRIPT = """
import json, os, signal, sys
import django
django.setup()
from datetime import datetime
from django.db import connections
from ensign.control.access import leaving, people
from ensign.control.kernel.actor import Actor
task = json.loads(sys.argv[1])
connections["default"].settings_dict.update(task["database"])
real, left = leaving.record, task["entries"]
def record(**given):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return real(**given)
leaving.record = record
actor = Actor(kind="person", id=task["actor"], via="session")
people.deactivate(actor=actor, at=datetime.fromisoformat(task["at"]), person_id=task["person"])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("entries", [0, 1, 2], ids=["before any entry", "between the entries", "after the commit"])
def test_killed_in_between_leaves_all_or_nothing(db: str, entries: int) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    size = Entry.objects.count()
    place = {name: str(connection.settings_dict[name]) for name in ("NAME", "HOST", "PORT", "USER")}
    task = {
        "database": place, "actor": cast.admin.id, "at": cast.at.isoformat(), "person": cast.approver.id,
        "entries": entries,
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(task)], env=os.environ, capture_output=True, check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    over = entries == 2
    assert identity.person(cast.approver.id).status == ("disabled" if over else "active")
    assert queries.request(done.request.id, reader=cast.dev.id).request.status == ("in_review" if over else "approved")
    assert Entry.objects.count() == size + (2 if over else 0)
    assert rows_equal_the_log()
    assert inspect.verify().ok


def _together(*acts: object) -> list[BaseException | None]:
    """Run the acts at the same moment, each in a thread with a connection of its own; what each raised."""
    raised: list[BaseException | None] = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def run(number: int) -> None:
        try:
            barrier.wait(20)
            acts[number]()  # type: ignore[operator]
        except EnsignError as error:
            raised[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return raised


@pytest.mark.parametrize("turn", range(4))
def test_an_apply_while_its_approver_is_deactivated_happens_before_or_never(db: str, turn: int) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    applying, leaving_ = _together(
        lambda: door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id),
        lambda: people.deactivate(actor=cast.admin, at=cast.at, person_id=cast.approver.id),
    )
    assert leaving_ is None
    row = queries.request(done.request.id, reader=cast.dev.id)
    applied = row.request.status == "applied"
    assert config().enabled is applied
    assert (applying is None) is applied
    order = list(
        Entry.objects.filter(action__in=["change_request.applied", "person.deactivated"])
        .order_by("seq")
        .values_list("action", flat=True)
    )
    assert order[-1] == "person.deactivated"
    assert order == (["change_request.applied", "person.deactivated"] if applied else ["person.deactivated"])
    assert row.request.approvals == () or applied
    assert rows_equal_the_log()


@pytest.mark.parametrize("turn", range(4))
def test_an_approval_given_at_the_same_moment_is_void_or_refused(db: str, turn: int) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    approving, leaving_ = _together(
        lambda: approve(cast, done),
        lambda: people.deactivate(actor=cast.admin, at=cast.at, person_id=cast.approver.id),
    )
    assert leaving_ is None
    row = queries.request(done.request.id, reader=cast.dev.id)
    assert (row.request.status, row.request.approvals) == ("in_review", ())
    given = Entry.objects.filter(action="change_request.approved").count()
    assert Entry.objects.filter(action="change_request.approval_voided").count() == given
    assert (approving is None) is bool(given)
