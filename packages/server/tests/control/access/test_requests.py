"""Claims: what approves production takes two people; a role on request ends by itself; nobody answers their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from ensign.control.access import (
    as_of,
    custom_roles,
    finding_sources,
    grants,
    groups,
    inquiries,
    people,
    request_queries,
    requests,
)
from ensign.control.access.asked import RequestView
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.decisions import decide, held
from ensign.control.access.domain import ORGANISATION, GrantView, Scope
from ensign.control.access.grants import Wish
from ensign.control.access.models import AccessRequest, Grant
from ensign.control.access.permissions import Permission
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.projects.targeting import stage_protection
from ensign_testkit.people import SYSTEM, add_person, add_role, add_service, give
from ensign_testkit.targets import APPLIED, approval, shop

P = Permission
SHOP, PROD, DEV = Scope("shop"), Scope("shop", "production"), Scope("shop", "development")
APPROVER = Wish(role="approver", scope=SHOP)
HOUR = timedelta(hours=1)


@pytest.fixture
def cast(db: str) -> dict[str, Actor]:
    shop()
    return {
        "admin": add_person("Root", "admin"),
        "second": add_person("Second", "admin"),
        "bo": add_person("Bo", "viewer"),
        "cy": add_person("Cy", "viewer"),
    }


def alone(cast: dict[str, Actor], at: datetime) -> None:
    """Let Root be the only one who gives roles in the organisation."""
    for grant in Grant.objects.filter(status="active"):
        if grant.role == "admin" and grant.subject != cast["admin"].id:
            grants.end(actor=cast["admin"], at=at, grant_id=grant.pk)


def waiting(given: object) -> RequestView:
    assert isinstance(given, RequestView)
    return given


def begun(cast: dict[str, Actor], at: datetime, wish: Wish = APPROVER) -> RequestView:
    return waiting(grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=wish, reason="on call"))


def asked(cast: dict[str, Actor], at: datetime, role: str = "developer", scope: Scope = SHOP) -> RequestView:
    return requests.ask(actor=cast["bo"], at=at, role=role, scope=scope, lasts=8 * HOUR, reason="an incident")


def last() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return body


# --- Two people -------------------------------------------------------------------------------------


def test_what_approves_production_counts_once_a_second_person_has_confirmed_it(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = begun(cast, at)
    assert (request.status, request.needed, [said.by for said in request.approvals]) == (
        "open",
        2,
        [cast["admin"].id],
    )
    assert not decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at)
    done = requests.approve(actor=cast["second"], at=at, request_id=request.id)
    assert done.status == "granted"
    assert decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at)
    entry = last()
    assert entry["action"] == "grant.given"
    facts = {name: entry["detail"][name] for name in ("request", "requested_by", "approved_by")}
    both = [cast["admin"].id, cast["second"].id]
    assert facts == {"request": request.id, "requested_by": cast["admin"].id, "approved_by": both}
    told = inquiries.who_can(actor=cast["admin"], at=at, permission=P.CHANGE_APPROVE, scope=PROD)
    origin = told.origins[done.grant or ""]
    assert (list(origin.approved_by), origin.request, origin.sole) == (both, request.id, False)


@pytest.mark.parametrize("scope", [DEV, Scope("shop", "staging")])
def test_one_person_gives_what_reaches_nothing_protected(cast: dict[str, Actor], scope: Scope) -> None:
    wish = Wish(role="approver", scope=scope)
    given = grants.give(actor=cast["admin"], at=clock.now(), subject=cast["bo"].id, wish=wish)
    assert isinstance(given, GrantView)


@pytest.mark.parametrize("scope", [SHOP, PROD])
def test_who_may_do_without_approval_in_an_emergency_is_chosen_by_two_as_well(
    cast: dict[str, Actor], scope: Scope
) -> None:
    at = clock.now()
    wish = Wish(role="responder", scope=scope)
    begun = grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=wish, reason="On call.")
    assert isinstance(begun, RequestView)
    assert not decide(cast["bo"], P.CHANGE_BREAK_GLASS, PROD, at=at)
    assert requests.approve(actor=cast["second"], at=at, request_id=begun.id).status == "granted"
    assert decide(cast["bo"], P.CHANGE_BREAK_GLASS, PROD, at=at)


@pytest.mark.parametrize("scope", [ORGANISATION, SHOP, PROD])
def test_every_place_that_reaches_something_protected_takes_two(cast: dict[str, Actor], scope: Scope) -> None:
    assert begun(cast, clock.now(), Wish(role="approver", scope=scope)).status == "open"


def test_neither_who_began_it_nor_who_gets_it_nor_a_token_nor_a_stale_session_confirms(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = begun(cast, at)
    give(cast["bo"].id, "admin", project="api")
    token = replace(cast["second"], via="token", token_id="tok_x", mfa_at=None)
    for actor, error in (
        (cast["admin"], Denied),
        (cast["bo"], Denied),
        (cast["cy"], Denied),
        (token, Denied),
        (add_service("robot", "viewer", owner=cast["second"].id), Denied),
        (replace(cast["second"], mfa_at=at - HOUR), NeedsMfa),
        (replace(cast["second"], mfa_at=None), NeedsMfa),
    ):
        with pytest.raises(error):
            requests.approve(actor=actor, at=at, request_id=request.id)
        assert request_queries.request(request.id).status == "open"
    assert not decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at)


def test_who_runs_another_project_confirms_nothing_here(cast: dict[str, Actor]) -> None:
    """IDOR: the id of a request says nothing about whose it is to answer."""
    at = clock.now()
    request = asked(cast, at)
    elsewhere = add_person("Elsewhere", "admin", project="api")
    for answer in (requests.approve, requests.refuse):
        with pytest.raises(Denied):
            answer(actor=elsewhere, at=at, request_id=request.id, reason="no")
    assert not request_queries.readable(request, held(elsewhere, at=at)) or held(elsewhere, at=at).allows(P.ORG_READ)
    nobody = add_person("Nobody")
    assert not request_queries.readable(request, held(nobody, at=at))


def test_a_granter_who_lost_the_say_no_longer_counts(cast: dict[str, Actor]) -> None:
    at = clock.now()
    third = add_person("Third", "admin")
    request = begun(cast, at)
    row = Grant.objects.get(subject=cast["admin"].id, role="admin")
    grants.end(actor=cast["second"], at=at, grant_id=row.pk)
    done = requests.approve(actor=cast["second"], at=at, request_id=request.id)
    assert (done.status, [said.by for said in done.approvals]) == ("open", [cast["second"].id])
    assert requests.approve(actor=third, at=at, request_id=request.id).status == "granted"


def test_nobody_approves_twice_and_a_closed_request_stays_closed(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = asked(cast, at, role="approver", scope=PROD)
    requests.approve(actor=cast["second"], at=at, request_id=request.id)
    with pytest.raises(Conflict):
        requests.approve(actor=cast["second"], at=at, request_id=request.id)
    requests.approve(actor=cast["admin"], at=at, request_id=request.id)
    fourth = add_person("Fourth", "admin")
    for answer in (requests.approve, requests.refuse):
        with pytest.raises(Conflict):
            answer(actor=fourth, at=at, request_id=request.id, reason="late")
    with pytest.raises(NotFound):
        requests.approve(actor=cast["admin"], at=at, request_id="arq_none")


def test_two_who_confirm_at_the_same_moment_give_it_once(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = begun(cast, at)
    third = add_person("Third", "admin")
    outcomes: list[str] = []
    start = threading.Barrier(2, timeout=20)

    def run(who: Actor) -> None:
        try:
            start.wait()
            outcomes.append(requests.approve(actor=who, at=at, request_id=request.id).status)
        except Conflict:
            outcomes.append("conflict")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(who,)) for who in (cast["second"], third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["conflict", "granted"]
    assert Grant.objects.filter(subject=cast["bo"].id, role="approver").count() == 1


def test_by_a_group_too(cast: dict[str, Actor]) -> None:
    at = clock.now()
    group = groups.create(actor=cast["admin"], at=at, name="Approvers")
    given = waiting(grants.give(actor=cast["admin"], at=at, subject=group.id, wish=APPROVER, reason="r"))
    requests.approve(actor=cast["second"], at=at, request_id=given.id)
    changed = groups.add_member(actor=cast["admin"], at=at, group_id=group.id, person_id=cast["bo"].id, reason="r")
    assert changed.members == ()
    (request,) = request_queries.requests(status="open")
    assert (request.kind, request.subject, request.group) == ("membership", cast["bo"].id, group.id)
    requests.approve(actor=cast["second"], at=at, request_id=request.id)
    assert identity.group(group.id).members == (cast["bo"].id,)
    assert decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at)
    assert last()["action"] == "group.member_added"


def test_members_of_the_group_do_not_confirm_what_the_group_gets(cast: dict[str, Actor]) -> None:
    at = clock.now()
    group = groups.create(actor=cast["admin"], at=at, name="Approvers")
    third = add_person("Third", "admin")
    groups.add_member(actor=third, at=at, group_id=group.id, person_id=cast["bo"].id)
    given = waiting(grants.give(actor=cast["admin"], at=at, subject=group.id, wish=APPROVER, reason="r"))
    groups.add_member(actor=third, at=at, group_id=group.id, person_id=cast["second"].id)
    with pytest.raises(Denied):
        requests.approve(actor=cast["second"], at=at, request_id=given.id)


def test_a_later_end_takes_two_and_a_sooner_one_does_not(cast: dict[str, Actor]) -> None:
    at = clock.now()
    id = give(cast["bo"].id, "approver", project="shop", ends_at=at + 10 * HOUR)
    later = waiting(grants.reschedule(actor=cast["admin"], at=at, grant_id=id, ends_at=at + 20 * HOUR, reason="r"))
    assert not decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at + 11 * HOUR)
    requests.approve(actor=cast["second"], at=at, request_id=later.id)
    assert decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at + 11 * HOUR)
    sooner = grants.reschedule(actor=cast["admin"], at=at, grant_id=id, ends_at=at + HOUR, reason="r")
    assert isinstance(sooner, GrantView)


def test_an_invitation_gives_what_approves_only_after_a_second_person(cast: dict[str, Actor]) -> None:
    at = clock.now()
    wishes = [Wish(role="developer"), Wish(role="approver")]
    made = people.invite(actor=cast["admin"], at=at, email="new@example.com", wishes=wishes, reason="joins")
    assert [one.roles[0].role for one in made.waiting] == ["approver"]
    assert [row.role for row in Grant.objects.filter(subject=made.person.id)] == ["developer"]
    requests.approve(actor=cast["second"], at=at, request_id=made.waiting[0].id)
    assert {row.role for row in Grant.objects.filter(subject=made.person.id)} == {"developer", "approver"}


def test_who_comes_back_is_not_an_approver_again_by_one_person(cast: dict[str, Actor]) -> None:
    at = clock.now()
    group = groups.create(actor=cast["admin"], at=at, name="Approvers")
    give(group.id, "approver", project="api")
    groups.add_member(actor=cast["admin"], at=at, group_id=group.id, person_id=cast["cy"].id, reason="r")
    (request,) = request_queries.requests(status="open")
    requests.approve(actor=cast["second"], at=at, request_id=request.id)
    give(cast["cy"].id, "approver", project="shop")
    give(cast["cy"].id, "developer", project="shop")
    people.deactivate(actor=cast["admin"], at=at, person_id=cast["cy"].id)
    people.reactivate(actor=cast["admin"], at=at, person_id=cast["cy"].id)
    for scope in (PROD, Scope("api", "production")):
        assert not decide(cast["cy"], P.CHANGE_APPROVE, scope, at=at)
    assert decide(cast["cy"], P.CHANGE_APPLY, PROD, at=at)
    assert last()["detail"]["ended"] == 2


def test_nobody_makes_the_second_person_alone(cast: dict[str, Actor]) -> None:
    """Another administrator, or a lead who appoints approvers, could confirm what the first began."""
    at = clock.now()
    add_role("lead", "project:access:grant", assigns=["approver"])
    add_role("appointer", "project:access:grant", assigns=["viewer"])
    for wish in (Wish(role="admin"), Wish(role="lead", scope=SHOP)):
        request = waiting(grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=wish, reason="r"))
        with pytest.raises(Denied):
            requests.approve(actor=cast["bo"], at=at, request_id=request.id)
        requests.approve(actor=cast["second"], at=at, request_id=request.id)
    for wish in (Wish(role="admin", scope=SHOP), Wish(role="appointer", scope=SHOP)):  # neither makes approvers
        given = grants.give(actor=cast["admin"], at=at, subject=cast["cy"].id, wish=wish, reason="r")
        assert isinstance(given, GrantView)


def test_nor_by_what_a_role_comes_to_mean(cast: dict[str, Actor]) -> None:
    at = clock.now()
    add_role("helper", "project:read")
    add_role("lead", "project:access:grant", assigns=["helper"])
    give(cast["bo"].id, "lead", project="shop")
    wider = {
        "helper": RoleWish(name="Helper", permissions=["change:approve"]),
        "lead": RoleWish(name="Lead", permissions=["project:access:grant"], assigns=["helper", "approver"]),
    }
    for key, wish in wider.items():
        with pytest.raises(Conflict) as refused:
            custom_roles.update(actor=cast["admin"], at=at, key=key, wish=wish)
        assert refused.value.code == "takes-two"


def test_where_nobody_else_could_confirm_it_needs_a_reason_and_stays_a_finding_until_reviewed(
    cast: dict[str, Actor],
) -> None:
    at = clock.now()
    alone(cast, at)
    with pytest.raises(Invalid) as caught:
        grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=Wish(role="approver"))
    assert list(caught.value.fields) == ["reason"]
    given = grants.give(
        actor=cast["admin"], at=at, subject=cast["bo"].id, wish=Wish(role="approver"), reason="we are two"
    )
    assert isinstance(given, GrantView)
    assert last()["detail"]["sole_granter"] is True
    assert decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at)
    (finding,) = finding_sources.sole_granters(at)
    assert (finding.code, finding.subject) == ("sole-granter", cast["bo"].id)
    (request,) = request_queries.requests(status="granted")
    later = add_person("Later", "admin")
    for actor in (cast["admin"], cast["bo"], cast["cy"], replace(later, via="token", token_id="tok_x", mfa_at=None)):
        with pytest.raises(Denied):
            requests.review(actor=actor, at=at, request_id=request.id, reason="fine")
    with pytest.raises(NeedsMfa):
        requests.review(actor=replace(later, mfa_at=None), at=at, request_id=request.id, reason="fine")
    with pytest.raises(Invalid):
        requests.review(actor=later, at=at, request_id=request.id, reason=" ")
    requests.review(actor=later, at=at, request_id=request.id, reason="Bo does approve for us.")
    assert finding_sources.sole_granters(at) == []
    with pytest.raises(Conflict):
        requests.review(actor=later, at=at, request_id=request.id, reason="again")


def test_the_finding_ends_with_the_role(cast: dict[str, Actor]) -> None:
    at = clock.now()
    alone(cast, at)
    wish = Wish(role="approver", ends_at=at + HOUR)
    grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=wish, reason="we are two")
    assert len(finding_sources.sole_granters(at)) == 1
    assert finding_sources.sole_granters(at + 2 * HOUR) == []


def test_the_finding_ends_when_somebody_ends_the_role_or_takes_them_out_of_the_group(cast: dict[str, Actor]) -> None:
    at = clock.now()
    alone(cast, at)
    group = groups.create(actor=cast["admin"], at=at, name="Approvers")
    given = grants.give(actor=cast["admin"], at=at, subject=group.id, wish=APPROVER, reason="we are two")
    assert isinstance(given, GrantView)
    groups.add_member(actor=cast["admin"], at=at, group_id=group.id, person_id=cast["bo"].id, reason="we are two")
    assert {one.subject for one in finding_sources.sole_granters(at)} == {group.id, cast["bo"].id}
    groups.remove_member(actor=cast["admin"], at=at, group_id=group.id, person_id=cast["bo"].id)
    assert {one.subject for one in finding_sources.sole_granters(at)} == {group.id}
    grants.end(actor=cast["admin"], at=at, grant_id=given.id)
    assert finding_sources.sole_granters(at) == []


def test_a_role_that_one_gave_where_nothing_was_protected_is_found_once_it_is(cast: dict[str, Actor]) -> None:
    at = clock.now()
    for name in ("bo", "cy"):
        given = grants.give(actor=cast["admin"], at=at, subject=cast[name].id, wish=Wish(role="approver", scope=DEV))
        assert isinstance(given, GrantView)
    assert finding_sources.given_by_one(at) == []
    with write_door():
        rows = stage_protection(
            project="shop", environment="development", protected=True, approved=approval("shop"), at=at
        )
        record(action=APPLIED, actor=SYSTEM, at=at, staged=rows)
    assert {one.subject for one in finding_sources.given_by_one(at)} == {cast["bo"].id, cast["cy"].id}
    (role,) = (row.pk for row in Grant.objects.filter(subject=cast["bo"].id, role="approver"))
    grants.end(actor=cast["admin"], at=at, grant_id=role)
    again = begun(cast, at, Wish(role="approver", scope=DEV))
    requests.approve(actor=cast["second"], at=at, request_id=again.id)
    assert [one.subject for one in finding_sources.given_by_one(at)] == [cast["cy"].id]


# --- Just in time -----------------------------------------------------------------------------------


def test_a_role_on_request_counts_from_the_approval_and_ends_by_itself(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = asked(cast, at)
    assert not decide(cast["bo"], P.CHANGE_APPLY, PROD, at=at)
    assert [one.id for one in request_queries.waits_for(held(cast["second"], at=at))] == [request.id]
    later = at + HOUR
    second = replace(cast["second"], mfa_at=later)
    done = requests.approve(actor=second, at=later, request_id=request.id, reason="go on")
    grant = Grant.objects.get(pk=done.grant)
    assert grant.state["granted_by"] == cast["second"].id
    assert decide(cast["bo"], P.CHANGE_APPLY, PROD, at=later + 7 * HOUR)
    end = later + 8 * HOUR
    assert not decide(cast["bo"], P.CHANGE_APPLY, PROD, at=end)
    assert requests.tick(at=end) == 1
    assert (last()["action"], last()["actor"]["id"]) == ("grant.ran_out", "sys_access")
    assert requests.tick(at=end) == 0
    before = as_of.at_moment(later + 7 * HOUR)
    assert cast["bo"].id in {line.subject for line in before.who(P.CHANGE_APPLY, PROD)}


def test_what_approves_production_takes_two_besides_who_asked(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = asked(cast, at, role="approver", scope=PROD)
    assert requests.approve(actor=cast["second"], at=at, request_id=request.id).status == "open"
    assert requests.approve(actor=cast["admin"], at=at, request_id=request.id).status == "granted"
    alone(cast, at)
    only = requests.ask(actor=cast["cy"], at=at, role="approver", scope=PROD, lasts=HOUR, reason="an incident")
    done = requests.approve(actor=cast["admin"], at=at, request_id=only.id)
    assert (done.status, done.sole) == ("granted", True)
    assert last()["detail"]["sole_granter"] is True


def test_a_role_that_came_to_approve_after_it_was_asked_for_takes_two_all_the_same(cast: dict[str, Actor]) -> None:
    """Who changes what a role means and then approves the request for it would otherwise choose the approver alone."""
    at = clock.now()
    wish = RoleWish(name="Helper", permissions=["project:read"])
    custom_roles.create(actor=cast["admin"], at=at, key="helper", wish=wish)
    request = asked(cast, at, role="helper")
    assert request.needed == 1
    more = RoleWish(name="Helper", permissions=["project:read", "change:approve"])
    custom_roles.update(actor=cast["admin"], at=at, key="helper", wish=more)
    answered = requests.approve(actor=cast["admin"], at=at, request_id=request.id)
    assert (answered.status, answered.needed, answered.missing) == ("open", 2, 1)
    assert not decide(cast["bo"], P.CHANGE_APPROVE, PROD, at=at)
    assert requests.approve(actor=cast["second"], at=at, request_id=request.id).status == "granted"


def test_nobody_answers_their_own_request_however_much_they_may_give(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = requests.ask(actor=cast["admin"], at=at, role="auditor", scope=ORGANISATION, lasts=HOUR, reason="audit")
    for answer in (requests.approve, requests.refuse):
        with pytest.raises(Denied):
            answer(actor=cast["admin"], at=at, request_id=request.id, reason="me")
    assert last()["detail"]["code"] == "own_access"
    assert requests.withdraw(actor=cast["admin"], at=at, request_id=request.id).status == "withdrawn"


def test_only_who_asked_withdraws_and_a_refusal_says_why(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = asked(cast, at)
    with pytest.raises(Denied):
        requests.withdraw(actor=cast["cy"], at=at, request_id=request.id)
    with pytest.raises(Invalid):
        requests.refuse(actor=cast["second"], at=at, request_id=request.id, reason=" ")
    done = requests.refuse(actor=cast["second"], at=at, request_id=request.id, reason="ask the owner first")
    assert (done.status, done.answer) == ("refused", "ask the owner first")
    with pytest.raises(Conflict):
        requests.withdraw(actor=cast["bo"], at=at, request_id=request.id)


def test_a_request_that_nobody_answers_expires(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = asked(cast, at)
    late = at + timedelta(days=7)
    with pytest.raises(Conflict):
        requests.approve(actor=replace(cast["second"], mfa_at=late), at=late, request_id=request.id)
    assert requests.tick(at=late) == 1
    assert request_queries.request(request.id).status == "expired"
    assert last()["action"] == "access_request.expired"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"reason": "  "}, "reason"),
        ({"lasts": timedelta(days=31)}, "lasts"),
        ({"lasts": timedelta()}, "lasts"),
        ({"role": "owner"}, "role"),
        ({"scope": Scope("nowhere")}, "project"),
    ],
)
def test_a_request_says_which_role_where_for_how_long_and_why(
    cast: dict[str, Actor], more: dict[str, Any], field: str
) -> None:
    wanted: dict[str, Any] = {"role": "developer", "scope": SHOP, "lasts": HOUR, "reason": "an incident", **more}
    with pytest.raises(Invalid) as caught:
        requests.ask(actor=cast["bo"], at=clock.now(), **wanted)
    assert field in caught.value.fields


def test_the_same_is_not_asked_for_twice_nor_what_is_held(cast: dict[str, Actor]) -> None:
    at = clock.now()
    asked(cast, at)
    with pytest.raises(Conflict):
        asked(cast, at)
    with pytest.raises(Conflict):
        asked(cast, at, role="viewer", scope=ORGANISATION)


def test_only_active_people_ask(cast: dict[str, Actor]) -> None:
    at = clock.now()
    robot = add_service("robot", "viewer", owner=cast["admin"].id)
    people.deactivate(actor=cast["admin"], at=at, person_id=cast["cy"].id)
    for actor in (robot, cast["cy"]):
        with pytest.raises(Denied):
            requests.ask(actor=actor, at=at, role="developer", scope=SHOP, lasts=HOUR, reason="r")


def test_who_was_deactivated_meanwhile_gets_nothing(cast: dict[str, Actor]) -> None:
    at = clock.now()
    request = asked(cast, at)
    people.deactivate(actor=cast["admin"], at=at, person_id=cast["bo"].id)
    with pytest.raises(Conflict):
        requests.approve(actor=cast["second"], at=at, request_id=request.id)
    assert request_queries.request(request.id).status == "withdrawn"


def test_rows_are_governed_and_their_text_is_no_part_of_an_entry(cast: dict[str, Actor]) -> None:
    request = asked(cast, clock.now())
    body = Entry.objects.get(seq=AccessRequest.objects.get(pk=request.id).ledger_seq).body
    assert "an incident" not in body
    assert f"access_request:{request.id}" in body


Finder = Callable[[datetime], Any]


@pytest.mark.parametrize(
    ("source", "code"),
    [(finding_sources.ending_grants, "grant-ends"), (finding_sources.dormant_people, "dormant-account")],
)
def test_what_ends_soon_and_whom_nobody_misses_is_found(cast: dict[str, Actor], source: Finder, code: str) -> None:
    at = clock.now()
    give(cast["bo"].id, "developer", project="shop", ends_at=at + timedelta(days=100))
    give(cast["cy"].id, "requester", project="shop", ends_at=at + timedelta(days=20))
    assert source(at) == []
    found = {(one.code, one.subject) for one in source(at + timedelta(days=95))}
    assert (code, cast["bo"].id) in found
    assert ("grant-ends", cast["cy"].id) not in found, "what was given for a month at most is meant to end"
