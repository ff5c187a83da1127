"""Claims: an operation that the database rolled back for another one runs once more, with all checks made anew."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError, connections
from ensign.control.access import grants
from ensign.control.access.models import Grant
from ensign.control.audit.door import ACCESS_DENIED, operation
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, EnsignError
from ensign_testkit.people import SYSTEM, add_person


class Rolled(Exception):
    """What a driver raises: it carries the SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def failing(*states: str, then: EnsignError | None = None) -> tuple[Any, list[int]]:
    """An operation that writes an entry and is rolled back with each of ``states`` before it succeeds."""
    left, tries = list(states), list[int]()

    @operation
    def act(*, actor: Actor, at: datetime) -> str:
        tries.append(1)
        record(action=ACCESS_DENIED, actor=actor, at=at)
        if left:
            raise OperationalError("rolled back") from Rolled(left.pop(0))
        if then is not None:
            raise then
        return "done"

    return act, tries


@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_what_collided_runs_once_more(db: str, state: str) -> None:
    act, tries = failing(state)
    before = Entry.objects.count()
    assert act(actor=SYSTEM, at=clock.now()) == "done"
    assert (len(tries), Entry.objects.count() - before) == (2, 1)


def test_what_collides_again_fails_and_writes_nothing(db: str) -> None:
    act, tries = failing("40P01", "40P01")
    before = Entry.objects.count()
    with pytest.raises(OperationalError):
        act(actor=SYSTEM, at=clock.now())
    assert (len(tries), Entry.objects.count() - before) == (2, 0)


def test_other_failures_of_the_database_are_not_tried_again(db: str) -> None:
    act, tries = failing("57014")
    with pytest.raises(OperationalError):
        act(actor=SYSTEM, at=clock.now())
    assert len(tries) == 1


def test_a_refusal_at_the_second_try_is_one_entry(db: str) -> None:
    act, tries = failing("40P01", then=Denied("No.", permission="org:read"))
    before = Entry.objects.count()
    with pytest.raises(Denied):
        act(actor=SYSTEM, at=clock.now())
    assert (len(tries), Entry.objects.count() - before) == (2, 1)


def test_of_two_administrators_who_revoke_each_other_one_succeeds_and_the_other_is_told_why(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL each holds the other's grant and waits for their own: a deadlock, every time."""
    admins = [add_person(name, "admin") for name in ("Ann", "Bea", "Cia")][:2]
    mine = {admin.id: Grant.objects.get(subject=admin.id).pk for admin in admins}
    meet, met, real = threading.Barrier(2), set[str](), grants.require_assigning

    def both_here_first(actor: Actor, *rest: Any, **more: Any) -> Any:
        if actor.id not in met:
            met.add(actor.id)
            with contextlib.suppress(threading.BrokenBarrierError):
                meet.wait(2)  # on SQLite the gate lets one in at a time, who waits in vain
        return real(actor, *rest, **more)

    monkeypatch.setattr(grants, "require_assigning", both_here_first)
    outcome: dict[str, object] = {}

    def revoke(actor: Actor, other: Actor) -> None:
        try:
            outcome[actor.id] = grants.end(actor=actor, at=clock.now(), grant_id=mine[other.id])
        except Exception as error:  # the test looks at whatever came of it
            outcome[actor.id] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=revoke, args=pair) for pair in (admins, admins[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    kinds = sorted(type(found).__name__ for found in outcome.values())
    assert kinds == ["Denied", "GrantView"], outcome
    assert Grant.objects.filter(pk__in=mine.values(), status="active").count() == 1
    assert Entry.objects.filter(action="access.denied").count() == 1
