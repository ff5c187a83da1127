"""Claims: a custom role allows exactly what it lists; changing one says whom it concerns and widens nobody's own
access; what a role gives is what it lists; built-in roles never change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ensign.control.access import catalogue, custom_roles, effects, grants, groups, people, service_accounts, tokens
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.decisions import decide
from ensign.control.access.domain import ORGANISATION, Narrowing, Scope
from ensign.control.access.grants import Wish
from ensign.control.access.permissions import Permission
from ensign.control.access.roles import ROLES, confers_approval
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign_testkit.people import add_person, add_role, add_service, give
from ensign_testkit.targets import shop

P = Permission
PROD = Scope("shop", "production")
SHOP = Scope("shop")


@pytest.fixture
def admin(db: str) -> Actor:
    shop()
    return add_person("Root", "admin")


def wish(*permissions: str, name: str = "Release manager", assigns: tuple[str, ...] = ()) -> RoleWish:
    return RoleWish(name=name, permissions=permissions, assigns=assigns)


def make(admin: Actor, key: str, *permissions: str, assigns: tuple[str, ...] = ()) -> None:
    made = wish(*permissions, name=key.capitalize(), assigns=assigns)
    custom_roles.create(actor=admin, at=clock.now(), key=key, wish=made)


def change(actor: Actor, key: str, *permissions: str, assigns: tuple[str, ...] = ()) -> None:
    made = wish(*permissions, name=key.capitalize(), assigns=assigns)
    custom_roles.update(actor=actor, at=clock.now(), key=key, wish=made)


def last() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return body


def test_a_custom_role_allows_exactly_what_it_lists_where_it_is_given(admin: Actor) -> None:
    make(admin, "flipper", "project:read", "change:draft", "change:switch", "change:apply")
    bo = add_person("Bo")
    give(bo.id, "flipper", project="shop", environment="production")
    at = clock.now()
    able = {p for p in P for scope in (ORGANISATION, SHOP, PROD) if decide(bo, p, scope, at=at)}
    assert able == {P.PROJECT_READ, P.CHANGE_DRAFT, P.CHANGE_SWITCH, P.CHANGE_APPLY}
    assert not decide(bo, P.CHANGE_APPLY, Scope("shop", "development"), at=at)


def test_changing_a_role_counts_at_once_and_stands_in_the_log(admin: Actor) -> None:
    make(admin, "flipper", "project:read")
    bo = add_person("Bo")
    give(bo.id, "flipper", project="shop")
    change(admin, "flipper", "change:apply")
    at = clock.now()
    assert decide(bo, P.CHANGE_APPLY, PROD, at=at)
    assert not decide(bo, P.PROJECT_READ, SHOP, at=at)
    assert (last()["action"], last()["detail"]["gained"], last()["detail"]["lost"]) == (
        "role.updated",
        ["change:apply"],
        ["project:read"],
    )


def test_an_archived_role_confers_nothing_and_is_not_archived_while_somebody_holds_it(admin: Actor) -> None:
    make(admin, "flipper", "project:read")
    bo = add_person("Bo")
    grant = give(bo.id, "flipper", project="shop", at=clock.now())
    with pytest.raises(Conflict):
        custom_roles.archive(actor=admin, at=clock.now(), key="flipper")
    grants.end(actor=admin, at=clock.now(), grant_id=grant)
    custom_roles.archive(actor=admin, at=clock.now(), key="flipper")
    assert catalogue.role("flipper").role.permissions == frozenset()
    with pytest.raises(Invalid):
        grants.give(actor=admin, at=clock.now(), subject=bo.id, wish=Wish(role="flipper", scope=SHOP))
    give(bo.id, "flipper", project="shop")  # a row that should not be: it confers nothing all the same
    assert not decide(bo, P.PROJECT_READ, SHOP, at=clock.now())


@pytest.mark.parametrize("key", sorted(ROLES))
def test_built_in_roles_never_change(admin: Actor, key: str) -> None:
    for act in (
        lambda: change(admin, key, "project:read"),
        lambda: custom_roles.archive(actor=admin, at=clock.now(), key=key),
        lambda: make(admin, key, "project:read"),
    ):
        with pytest.raises(Conflict):
            act()


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (wish(), "permissions"),
        (wish("flag:destroy"), "permissions"),
        (wish("project:read", assigns=("viewer",)), "assigns"),
        (wish("project:access:grant"), "assigns"),
        (wish("project:access:grant", assigns=("owner",)), "assigns"),
        (wish("project:read", name="developer"), "name"),
        (wish("project:read", name=""), "name"),
    ],
)
def test_a_role_that_makes_no_sense_names_its_field(admin: Actor, made: RoleWish, field: str) -> None:
    with pytest.raises((Invalid, Conflict)) as caught:
        custom_roles.create(actor=admin, at=clock.now(), key="x", wish=made)
    assert field in caught.value.fields


@pytest.mark.parametrize("key", ["", "New", "new", "a b", "a" * 51, "-a", "a--b", "ä"])
def test_a_key_that_cannot_stand_in_an_address_is_refused(admin: Actor, key: str) -> None:
    with pytest.raises(Invalid):
        make(admin, key, "project:read")


@pytest.mark.parametrize("role", ["viewer", "developer", "approver", "auditor"])
def test_without_the_permission_nobody_makes_roles(admin: Actor, role: str) -> None:
    make(admin, "flipper", "project:read")
    bo = add_person("Bo", role)
    for act in (
        lambda: make(bo, "other", "project:read"),
        lambda: change(bo, "flipper", "change:apply"),
        lambda: custom_roles.archive(actor=bo, at=clock.now(), key="flipper"),
    ):
        with pytest.raises(Denied):
            act()


def test_nobody_widens_a_role_of_their_own_nor_by_a_group(admin: Actor) -> None:
    make(admin, "flipper", "project:read")
    other = add_person("Second", "admin")
    give(admin.id, "flipper", project="shop")
    with pytest.raises(Denied) as caught:
        change(admin, "flipper", "project:read", "change:approve")
    assert caught.value.code == "own-access"
    group = groups.create(actor=admin, at=clock.now(), name="Flippers")
    groups.add_member(actor=admin, at=clock.now(), group_id=group.id, person_id=other.id)
    make(admin, "second", "project:read")
    give(group.id, "second", project="shop")
    with pytest.raises(Denied):
        change(other, "second", "project:read", "change:approve")
    change(other, "flipper", "project:read", "flag:create")
    change(admin, "flipper", "project:read")  # giving up is nobody's harm


def test_widening_a_role_takes_the_right_to_give_it_to_each_who_holds_it(admin: Actor) -> None:
    keeper = add_person("Keeper", add_role("keeper", "org:read", "org:roles:manage"))
    make(keeper, "flipper", "project:read")
    change(keeper, "flipper", "project:read", "change:draft")  # nobody holds it
    give(add_person("Bo").id, "flipper", project="shop")
    with pytest.raises(Denied):
        change(keeper, "flipper", "project:read", "change:draft", "change:approve")
    change(keeper, "flipper", "project:read")
    with pytest.raises(Conflict) as caught:
        change(admin, "flipper", "project:read", "change:approve")
    assert caught.value.code == "takes-two", "nobody comes to approve production by one person's act"
    change(admin, "flipper", "project:read", "flag:create")


def test_a_role_comes_to_approve_where_that_takes_one_person(admin: Actor) -> None:
    make(admin, "reviewer", "project:read")
    change(admin, "reviewer", "project:read", "change:approve")  # nobody holds it
    assert confers_approval(catalogue.role("reviewer").role)
    assert last()["detail"]["approves"] is True
    make(admin, "local", "project:read")
    give(add_person("Bo").id, "local", project="shop", environment="development")
    change(admin, "local", "project:read", "change:approve")  # nothing is protected there


def test_no_change_of_a_role_lets_its_holders_hold_what_is_kept_apart(admin: Actor) -> None:
    make(admin, "keeper", "org:read")
    bo = add_person("Bo", "developer")
    give(bo.id, "keeper")
    with pytest.raises(Denied) as caught:
        change(admin, "keeper", "org:read", "org:ledger:anchor")
    assert caught.value.code == "toxic-pair"


def test_the_effect_names_how_many_gain_what_where(admin: Actor) -> None:
    make(admin, "flipper", "project:read")
    at = clock.now()
    a, b, c = (add_person(name) for name in ("Ann", "Bea", "Cia"))
    group = groups.create(actor=admin, at=at, name="Flippers")
    for one in (b, c):
        groups.add_member(actor=admin, at=at, group_id=group.id, person_id=one.id)
    give(a.id, "flipper", project="shop", environment="production")
    give(group.id, "flipper", project="shop", environment="production")
    before = catalogue.role("flipper").role
    after = replace(before, permissions=frozenset({P.CHANGE_APPROVE}))
    found = effects.effect(before, after, at=clock.now())
    assert {shift.sentence for shift in found.shifts} == {
        "3 people gain change:approve in shop/production",
        "3 people lose project:read in shop/production",
    }
    give(a.id, "approver", project="shop")
    found = effects.effect(before, after, at=clock.now())
    assert "2 people gain change:approve in shop/production" in {shift.sentence for shift in found.shifts}
    assert found.holders == 3


def test_a_lead_gives_the_roles_that_theirs_lists_without_holding_them_and_no_other(admin: Actor) -> None:
    role = add_role("lead", "project:read", "project:access:grant", assigns=("developer", "viewer"))
    lead, bo = add_person("Lead", role, project="shop"), add_person("Bo")
    at = clock.now()
    made = grants.give(actor=lead, at=at, subject=bo.id, wish=Wish(role="developer", scope=PROD))
    for wanted in ("approver", "admin", "lead"):
        with pytest.raises(Denied) as caught:
            grants.give(actor=lead, at=at, subject=bo.id, wish=Wish(role=wanted, scope=SHOP))
        assert caught.value.code == "not-assignable"
    with pytest.raises(Denied):
        grants.give(actor=lead, at=at, subject=bo.id, wish=Wish(role="developer"))
    with pytest.raises(Denied):
        grants.give(actor=lead, at=at, subject=bo.id, wish=Wish(role="developer", scope=Scope("api")))
    approver = give(bo.id, "approver", project="shop", at=at)
    with pytest.raises(Denied):
        grants.end(actor=lead, at=at, grant_id=approver)
    grants.end(actor=lead, at=at, grant_id=made.id)


def test_an_administrator_of_a_project_does_not_choose_who_approves_there(admin: Actor) -> None:
    local, bo = add_person("Local", "admin", project="shop"), add_person("Bo")
    at = clock.now()
    for role in ("viewer", "requester", "developer"):
        grants.give(actor=local, at=at, subject=bo.id, wish=Wish(role=role, scope=SHOP))
    for role in ("approver", "admin", add_role("second-eye", "change:approve")):
        with pytest.raises(Denied):
            grants.give(actor=local, at=at, subject=bo.id, wish=Wish(role=role, scope=SHOP))
    grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role="approver", scope=SHOP))


def test_groups_invitations_and_coming_back_are_no_way_round_the_authority(admin: Actor) -> None:
    """Each of these gives somebody a role: who could not give it cannot do that either."""
    powers = ("org:groups:members", "org:people:invite", "org:people:manage", "org:service-accounts:manage")
    role = add_role("desk", *powers, "org:access:grant", assigns=("viewer",))
    desk, bo, at = add_person("Desk", role), add_person("Bo"), clock.now()
    quiet, loud = (groups.create(actor=admin, at=at, name=name) for name in ("Readers", "Approvers"))
    give(quiet.id, "viewer")
    give(loud.id, "approver", project="shop")
    groups.add_member(actor=desk, at=at, group_id=quiet.id, person_id=bo.id)
    with pytest.raises(Denied):
        groups.add_member(actor=desk, at=at, group_id=loud.id, person_id=bo.id)
    people.invite(actor=desk, at=at, email="a@example.com", wishes=[Wish(role="viewer")])
    with pytest.raises(Denied):
        people.invite(actor=desk, at=at, email="b@example.com", wishes=[Wish(role="approver")])
    assert not [person for person in identity.people() if person.email == "b@example.com"]
    gone = add_person("Gone", "approver")
    people.deactivate(actor=admin, at=at, person_id=gone.id)
    with pytest.raises(Denied):
        people.reactivate(actor=desk, at=at, person_id=gone.id)
    robot = add_service("robot", "developer", owner=bo.id)
    with pytest.raises(Denied):
        tokens.create_for_service(actor=desk, at=at, service_account_id=robot.id, wish=TokenWish(name="t"))
    service_accounts.disable(actor=desk, at=at, service_account_id=robot.id)
    with pytest.raises(Denied):
        service_accounts.enable(actor=desk, at=at, service_account_id=robot.id)


def test_somebody_who_gives_some_roles_does_not_count_as_the_last_who_gives_all(admin: Actor) -> None:
    for row in grants.Grant.objects.exclude(subject=admin.id):
        if row.role == "admin":
            grants.end(actor=admin, at=clock.now(), grant_id=row.pk)
    add_person("Desk", add_role("desk", "org:access:grant", assigns=("viewer",)))
    own = grants.Grant.objects.get(subject=admin.id, role="admin")
    with pytest.raises(Conflict) as caught:
        grants.end(actor=admin, at=clock.now(), grant_id=own.pk)
    assert caught.value.code == "last-administrator"


def test_a_service_account_never_comes_to_hold_what_no_token_can_use(admin: Actor) -> None:
    make(admin, "flipper", "project:read")
    robot = add_service("robot", "flipper")
    with pytest.raises(Conflict):
        change(admin, "flipper", "project:read", "change:approve")
    make(admin, "second-eye", "change:approve")
    with pytest.raises(Invalid):
        grants.give(actor=admin, at=clock.now(), subject=robot.id, wish=Wish(role="second-eye"))


def test_grants_begin_later_end_by_themselves_and_say_why(admin: Actor) -> None:
    bo, at = add_person("Bo"), clock.now()
    soon, later = at + timedelta(days=1), at + timedelta(days=3)
    made = grants.give(
        actor=admin,
        at=at,
        subject=bo.id,
        wish=Wish(role="viewer", scope=SHOP, starts_at=soon, ends_at=later),
        reason="Covers for Cy",
    )
    assert made.reason == "Covers for Cy"
    inside = soon + timedelta(hours=1)
    assert [bool(decide(bo, P.PROJECT_READ, SHOP, at=t)) for t in (at, soon, inside, later)] == [
        False,
        True,
        True,
        False,
    ]
    grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role="viewer", scope=SHOP, ends_at=soon))
    with pytest.raises(Conflict):
        grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role="viewer", scope=SHOP, starts_at=inside))
    for wrong in (
        Wish(role="viewer", starts_at=at - timedelta(hours=1)),
        Wish(role="viewer", starts_at=later, ends_at=soon),
    ):
        with pytest.raises(Invalid):
            grants.give(actor=admin, at=at, subject=bo.id, wish=wrong)


def test_an_end_is_moved_by_an_act_of_its_own_and_nobody_puts_off_their_own(admin: Actor) -> None:
    bo, at = add_person("Bo"), clock.now()
    day = timedelta(days=1)
    grant = give(bo.id, "viewer", project="shop", ends_at=at + day)
    moved = grants.reschedule(actor=admin, at=at, grant_id=grant, ends_at=at + 2 * day, reason="Longer")
    assert moved.ends_at == at + 2 * day
    assert last()["action"] == "grant.rescheduled"
    assert grants.reschedule(actor=bo, at=at, grant_id=grant, ends_at=at + day).ends_at == at + day
    for wish_ in (at + 2 * day, None):
        with pytest.raises(Denied):
            grants.reschedule(actor=bo, at=at, grant_id=grant, ends_at=wish_)
    with pytest.raises(Invalid):
        grants.reschedule(actor=admin, at=at, grant_id=grant, ends_at=at)
    with pytest.raises(Conflict):
        grants.reschedule(actor=admin, at=at + 3 * day, grant_id=grant, ends_at=None)
    own = give(admin.id, "viewer", ends_at=at + day)
    with pytest.raises(Denied) as caught:
        grants.reschedule(actor=admin, at=at, grant_id=own, ends_at=None)
    assert caught.value.code == "own-access"


def test_narrowing_a_role_that_changes_no_flag_makes_no_sense(admin: Actor) -> None:
    bo, at = add_person("Bo"), clock.now()
    tagged = Narrowing(tags=frozenset({"payments"}))
    for role in ("viewer", "auditor"):
        with pytest.raises(Invalid) as caught:
            grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role=role, narrowing=tagged))
        assert "tags" in caught.value.fields
    unknown = Narrowing(types=frozenset({"feature"}))
    with pytest.raises(Invalid) as caught:
        grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role="developer", narrowing=unknown))
    assert "flag_types" in caught.value.fields
