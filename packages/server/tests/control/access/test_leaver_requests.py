"""Claims: whoever is deactivated has no part any longer in requests for access, proposed exceptions and erasures that
wait; all of it ends with them, and nothing of it comes back with them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from ensign.control.access import exceptions, grants, people, request_queries, requests
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.duties import PAIRS
from ensign.control.access.grants import Wish
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict
from ensign.control.privacy import erasure, overdue
from ensign.control.privacy import queries as erasures
from ensign_testkit.changing import last_entry, rows_equal_the_log
from ensign_testkit.people import add_person
from ensign_testkit.targets import shop

SHOP = Scope("shop")
APPROVER = Wish(role="approver", scope=SHOP)
HOUR = timedelta(hours=1)


@pytest.fixture
def cast(db: str) -> dict[str, Actor]:
    shop()
    admins = {name: add_person(name.title(), "admin") for name in ("root", "second", "third")}
    return {**admins, "bo": add_person("Bo", "viewer"), "cy": add_person("Cy", "viewer")}


def leave(cast: dict[str, Actor], who: str) -> int:
    """Let Root deactivate somebody; returns how many entries the log held before."""
    size = Entry.objects.count()
    people.deactivate(actor=cast["root"], at=clock.now(), person_id=cast[who].id, reason="left")
    return size


def test_what_they_asked_for_is_withdrawn_in_the_same_transaction(cast: dict[str, Actor]) -> None:
    at = clock.now()
    own = requests.ask(actor=cast["bo"], at=at, role="developer", scope=SHOP, lasts=HOUR, reason="an incident")
    size = leave(cast, "bo")
    found = request_queries.request(own.id)
    assert (found.status, found.decided_by) == ("withdrawn", cast["root"].id)
    assert last_entry("access_request.withdrawn")["detail"]["leaver"] == cast["bo"].id
    assert last_entry("person.deactivated")["detail"]["requests"] == 1
    written = [json.loads(body) for body in Entry.objects.filter(seq__gte=size).values_list("body", flat=True)]
    assert {body["ts"] for body in written} == {written[0]["ts"]}
    people.reactivate(actor=cast["root"], at=clock.now(), person_id=cast["bo"].id)
    with pytest.raises(Conflict):
        requests.approve(actor=cast["second"], at=clock.now(), request_id=own.id)
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_what_they_began_for_somebody_else_or_would_get_is_withdrawn(cast: dict[str, Actor]) -> None:
    at = clock.now()
    begun = grants.give(actor=cast["second"], at=at, subject=cast["cy"].id, wish=APPROVER, reason="on call")
    gets = grants.give(actor=cast["root"], at=at, subject=cast["bo"].id, wish=APPROVER, reason="on call")
    leave(cast, "second")
    leave(cast, "bo")
    assert [request_queries.request(one.id).status for one in (begun, gets)] == ["withdrawn", "withdrawn"]


def test_an_approval_of_theirs_is_void_and_does_not_come_back(cast: dict[str, Actor]) -> None:
    at = clock.now()
    own = requests.ask(actor=cast["bo"], at=at, role="approver", scope=SHOP, lasts=HOUR, reason="on call")
    assert own.needed == 2
    requests.approve(actor=cast["second"], at=at, request_id=own.id)
    leave(cast, "second")
    assert last_entry("access_request.approval_voided")["detail"]["request"] == own.id
    assert last_entry("person.deactivated")["detail"]["approvals"] == 1
    people.reactivate(actor=cast["root"], at=clock.now(), person_id=cast["second"].id)
    still = requests.approve(actor=cast["third"], at=clock.now(), request_id=own.id)
    assert (still.status, [said.by for said in still.approvals]) == ("open", [cast["third"].id])
    assert requests.approve(actor=cast["root"], at=clock.now(), request_id=own.id).status == "granted"


def test_what_was_given_stays_given(cast: dict[str, Actor]) -> None:
    at = clock.now()
    own = requests.ask(actor=cast["bo"], at=at, role="developer", scope=SHOP, lasts=HOUR, reason="an incident")
    done = requests.approve(actor=cast["second"], at=at, request_id=own.id)
    leave(cast, "second")
    after = request_queries.request(own.id)
    assert (after.status, after.approvals) == ("granted", done.approvals)
    assert {"requests", "approvals"}.isdisjoint(last_entry("person.deactivated")["detail"])


@pytest.mark.parametrize("who", ["second", "bo"])
def test_exceptions_that_they_proposed_or_that_are_about_them_are_refused(cast: dict[str, Actor], who: str) -> None:
    at = clock.now()
    made = exceptions.propose(
        actor=cast["second"],
        at=at,
        subject=cast["bo"].id,
        pairs=[min(PAIRS)],
        scope=ORGANISATION,
        reason="a small team",
        control="looked at every week",
        expires_at=at + timedelta(days=30),
    )
    leave(cast, who)
    after = exceptions.exception(made.id)
    assert (after.status, after.ended_by) == ("refused", cast["root"].id)
    with pytest.raises(Conflict):
        exceptions.approve(actor=cast["third"], at=clock.now(), exception_id=made.id)


def test_an_erasure_that_they_asked_for_is_withdrawn(cast: dict[str, Actor]) -> None:
    leave(cast, "cy")
    at = clock.now()
    by = replace(cast["second"], mfa_at=at)
    asked = erasure.ask(actor=by, at=at, person_id=cast["cy"].id, reason="by law", early=True)
    assert [one.code for one in overdue.found(at)] == ["erasure-waits"]
    leave(cast, "second")
    assert erasures.erasure(asked.id).status == "withdrawn"
    assert last_entry("privacy.erasure_withdrawn")["detail"]["leaver"] == cast["second"].id
    assert not overdue.found(clock.now())
    people.reactivate(actor=cast["root"], at=clock.now(), person_id=cast["second"].id)
    with pytest.raises(Conflict):
        erasure.confirm(actor=replace(cast["root"], mfa_at=clock.now()), at=clock.now(), erasure_id=asked.id)
