"""Claims: nobody gives themselves access, by no way round; somebody can always still give it; tokens are known by hash
only; service accounts outlive people."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from ensign.control.access import grants, groups, people, queries, service_accounts, tokens
from ensign.control.access.decisions import decide
from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish
from ensign.control.access.permissions import NEVER_BY_TOKEN, Permission
from ensign.control.access.tokens import TokenWish
from ensign.control.audit import registry
from ensign.control.audit.models import Document, Entry
from ensign.control.identity import queries as identity
from ensign.control.identity.actors import from_token
from ensign.control.identity.models import Token, TokenUse
from ensign.control.identity.tokens import hashed
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from ensign_testkit.people import add_person, add_role, give
from ensign_testkit.targets import shop


@pytest.fixture
def admin(db: str) -> Actor:
    return add_person("Root", "admin")


@pytest.fixture
def bo(db: str) -> Actor:
    return add_person("Bo Dahl")


def last_entry() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return body


def test_nobody_gives_a_role_to_themselves_and_the_try_is_an_entry(admin: Actor) -> None:
    with pytest.raises(Denied):
        grants.give(actor=admin, at=clock.now(), subject=admin.id, wish=Wish(role="approver"))
    assert (last_entry()["action"], last_entry()["detail"]["code"]) == ("access.denied", "own_access")
    assert not decide(admin, Permission.CHANGE_APPROVE, Scope("shop", "production"), at=clock.now())


def test_nor_through_a_group(admin: Actor) -> None:
    at = clock.now()
    other = add_person("Second", "admin")
    group = groups.create(actor=admin, at=at, name="Approvers")
    with pytest.raises(Denied):
        groups.add_member(actor=admin, at=at, group_id=group.id, person_id=admin.id)
    groups.add_member(actor=other, at=at, group_id=group.id, person_id=admin.id)
    with pytest.raises(Denied):
        grants.give(actor=admin, at=at, subject=group.id, wish=Wish(role="approver"))


def test_whoever_manages_groups_alone_hands_out_no_roles(admin: Actor, bo: Actor) -> None:
    at = clock.now()
    group = groups.create(actor=admin, at=at, name="Approvers")
    keeper = add_person("Keeper", add_role("keeper", "org:groups:members"))
    groups.add_member(actor=keeper, at=at, group_id=group.id, person_id=bo.id)
    give(group.id, "approver")
    with pytest.raises(Denied):
        groups.add_member(actor=keeper, at=at, group_id=group.id, person_id=add_person("Cy").id)


def test_somebody_can_always_still_give_roles(admin: Actor, bo: Actor) -> None:
    at = clock.now()
    only = next(grant.id for grant in _grants(admin))
    with pytest.raises(Conflict):
        grants.end(actor=admin, at=at, grant_id=only)
    give(bo.id, "admin")
    people.deactivate(actor=admin, at=at, person_id=bo.id)
    with pytest.raises(Conflict):
        grants.end(actor=admin, at=at, grant_id=only)
    with pytest.raises(Denied):
        people.deactivate(actor=admin, at=at, person_id=admin.id)
    people.reactivate(actor=admin, at=at, person_id=bo.id)
    with pytest.raises(Conflict):
        grants.end(actor=admin, at=at, grant_id=only)
    give(bo.id, "admin")
    grants.end(actor=admin, at=at, grant_id=only)
    assert not decide(admin, Permission.ORG_ACCESS_GRANT, at=at)


def _grants(actor: Actor) -> tuple[Any, ...]:
    return queries.grants(subject=actor.id)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(role="owner"), "role"),
        (Wish(role="admin", scope=Scope("shop", "production")), "environment"),
        (Wish(role="viewer", ends_at=clock.parse("2020-01-01T00:00:00.000000Z")), "ends_at"),
    ],
)
def test_a_grant_that_makes_no_sense_names_its_field(admin: Actor, bo: Actor, wish: Wish, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        grants.give(actor=admin, at=clock.now(), subject=bo.id, wish=wish)
    assert field in caught.value.fields


def test_the_same_role_is_not_given_twice_until_it_is_over(admin: Actor, bo: Actor) -> None:
    at = clock.now()
    wish = Wish(role="viewer", ends_at=at + timedelta(days=1))
    grants.give(actor=admin, at=at, subject=bo.id, wish=wish)
    with pytest.raises(Conflict):
        grants.give(actor=admin, at=at, subject=bo.id, wish=wish)
    grants.give(actor=admin, at=at + timedelta(days=2), subject=bo.id, wish=Wish(role="viewer"))


def test_whoever_administers_a_project_grants_in_it_and_nowhere_else(admin: Actor, bo: Actor) -> None:
    shop()
    at = clock.now()
    keeper = add_person("Keeper", "admin", project="shop")
    grants.give(actor=keeper, at=at, subject=bo.id, wish=Wish(role="developer", scope=Scope("shop")))
    for scope in (Scope(), Scope("api"), Scope("api", "production")):
        with pytest.raises(Denied):
            grants.give(actor=keeper, at=at, subject=bo.id, wish=Wish(role="viewer", scope=scope))


@pytest.mark.parametrize("role", ["approver", "admin"])
def test_a_service_account_is_no_approver_and_no_administrator(admin: Actor, role: str) -> None:
    at = clock.now()
    account = service_accounts.create(actor=admin, at=at, name="ci", purpose="deploys", owner=admin.id)
    with pytest.raises(Invalid):
        grants.give(actor=admin, at=at, subject=account.id, wish=Wish(role=role))


def test_a_token_is_shown_once_stored_hashed_and_used_at_most_every_ten_minutes(admin: Actor) -> None:
    at = clock.now()
    made = tokens.create_personal(actor=admin, at=at, wish=TokenWish(name="laptop", days=30))
    assert made.text.startswith("ensign_pat_")
    assert len(made.text) == len("ensign_pat_") + 43 + 6
    assert Token.objects.get().token_hash == hashed(made.text)
    stored = "".join(text or "" for text in Document.objects.values_list("content", flat=True)) + "".join(
        Entry.objects.values_list("body", flat=True)
    )
    assert made.text not in stored
    assert from_token(made.text, at=at).token_id == made.token.id
    from_token(made.text, at=at + timedelta(minutes=9))
    assert TokenUse.objects.get().last_used_at == at
    from_token(made.text, at=at + timedelta(minutes=10))
    assert TokenUse.objects.get().last_used_at == at + timedelta(minutes=10)
    with pytest.raises(Unauthenticated):
        from_token(made.text, at=at + timedelta(days=30))


@pytest.mark.parametrize("text", ["", "ensign_pat_", "ensign_pat_" + "a" * 43, "ensign_svc_" + "é" * 43, "x" * 10_000])
def test_what_is_no_token_opens_nothing(db: str, text: str) -> None:
    with pytest.raises(Unauthenticated):
        from_token(text, at=clock.now())


@pytest.mark.parametrize(
    "wish",
    [
        TokenWish(name="t", days=0),
        TokenWish(name="t", days=366),
        TokenWish(name=" "),
        TokenWish(name="t", permissions=frozenset()),
        TokenWish(name="t", permissions=frozenset({"no:such"})),
        TokenWish(name="t", permissions=frozenset({str(next(iter(NEVER_BY_TOKEN)))})),
    ],
)
def test_a_token_must_expire_and_ask_for_what_tokens_can(admin: Actor, wish: TokenWish) -> None:
    with pytest.raises(Invalid):
        tokens.create_personal(actor=admin, at=clock.now(), wish=wish)


def test_a_token_makes_no_token(admin: Actor) -> None:
    at = clock.now()
    made = tokens.create_personal(actor=admin, at=at, wish=TokenWish(name="t"))
    with pytest.raises(Denied):
        tokens.create_personal(actor=from_token(made.text, at=at), at=at, wish=TokenWish(name="u"))


def test_tokens_are_revoked_by_their_owner_or_an_administrator_only(admin: Actor, bo: Actor) -> None:
    at = clock.now()
    mine = tokens.create_personal(actor=bo, at=at, wish=TokenWish(name="t"))
    with pytest.raises(Denied):
        tokens.revoke(actor=add_person("Cy", "developer"), at=at, token_id=mine.token.id)
    tokens.revoke(actor=admin, at=at, token_id=mine.token.id)
    with pytest.raises(Conflict):
        tokens.revoke(actor=bo, at=at, token_id=mine.token.id)
    with pytest.raises(NotFound):
        tokens.revoke(actor=bo, at=at, token_id="tok_none")


def test_service_tokens_outlive_whoever_made_them_and_end_with_their_account(admin: Actor) -> None:
    at = clock.now()
    maker = add_person("Maker", "admin")
    account = service_accounts.create(actor=maker, at=at, name="ci", purpose="deploys", owner=maker.id)
    made = tokens.create_for_service(actor=maker, at=at, service_account_id=account.id, wish=TokenWish(name="t"))
    people.deactivate(actor=admin, at=at, person_id=maker.id)
    actor = from_token(made.text, at=at)
    assert (actor.kind, actor.id) == ("service", account.id)
    assert identity.people_behind(actor.id, token_id=actor.token_id) == {maker.id}
    service_accounts.disable(actor=admin, at=at, service_account_id=account.id)
    with pytest.raises(Unauthenticated):
        from_token(made.text, at=at)
    service_accounts.enable(actor=admin, at=at, service_account_id=account.id)
    with pytest.raises(Unauthenticated):
        from_token(made.text, at=at)


def test_an_owner_must_be_an_active_person(admin: Actor) -> None:
    for owner in ("", "usr_none", "grp_none"):
        with pytest.raises(Invalid):
            service_accounts.create(actor=admin, at=clock.now(), name="ci", purpose="x", owner=owner)


def test_every_table_of_ours_is_governed_or_said_to_be_exempt(db: str) -> None:
    known = {model._meta.db_table for model in registry.governed_models().values()}
    known |= set(registry.exempt_tables()) | set(registry.insert_only_tables())
    ours = ("identity_", "access_", "mfa_", "usersessions_", "account_", "socialaccount_", "auth_", "django_")
    tables = {name for name in connection.introspection.table_names() if name.startswith(ours)}
    assert tables - known == set()


def test_names_answers_every_id_in_few_queries(admin: Actor, bo: Actor) -> None:
    group = groups.create(actor=admin, at=clock.now(), name="Checkout")
    wanted = [bo.id, group.id, "sys_scheduler", "usr_gone", "anonymous", "svc_gone"]
    assert identity.names(wanted) == {
        bo.id: "Bo Dahl",
        group.id: "Checkout",
        "sys_scheduler": "Ensign (scheduler)",
        "usr_gone": "former person",
        "anonymous": "somebody not signed in",
        "svc_gone": "former person",
    }
