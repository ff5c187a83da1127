"""Claims: nothing without a grant; nothing by an ended one; tokens only narrow and never approve; revocation counts
from its commit on."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from ensign.control.access import grants, groups, people, tokens
from ensign.control.access.decisions import decide, entitled, held, require
from ensign.control.access.domain import ORGANISATION, GrantView, Scope, TokenScope, conferring, reaches
from ensign.control.access.permissions import BY_CODE, NEVER_BY_TOKEN, Level, Permission
from ensign.control.access.queries import what_can, who_can
from ensign.control.access.roles import ROLES, SYSTEM, nothing
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity.actors import from_token
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS, Actor, system
from ensign.control.kernel.errors import Denied, Unauthenticated
from ensign.control.kernel.transactions import write_door
from ensign_testkit.people import add_person, add_role, add_service, give
from ensign_testkit.targets import shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

P = Permission
PROD, DEV = Scope("shop", "production"), Scope("shop", "development")

KEYS = st.sampled_from([None, "shop", "api"])
ENVIRONMENTS = st.sampled_from([None, "development", "production"])
SCOPES = st.builds(lambda p, e: Scope(p, e if p else None), KEYS, ENVIRONMENTS)
NOW = clock.parse("2026-03-01T12:00:00.000000Z")
INSTANTS = st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days))


@st.composite
def grant_views(draw: st.DrawFn) -> GrantView:
    role = draw(st.sampled_from([*ROLES, "a role of long ago"]))
    return GrantView(
        id="grt_x",
        subject="usr_x",
        role=role,
        definition=ROLES.get(role) or nothing(role),
        scope=draw(SCOPES),
        granted_by="usr_y",
        starts_at=draw(INSTANTS),
        ends_at=draw(st.none() | INSTANTS),
        status=draw(st.sampled_from(["active", "revoked"])),
        version=1,
        ledger_seq=1,
    )


@given(st.lists(grant_views(), max_size=6), st.sampled_from(list(P)), SCOPES)
def test_what_confers_is_active_begun_unended_of_the_role_and_in_reach(
    held_: list[GrantView], permission: Permission, scope: Scope
) -> None:
    for grant in conferring(held_, permission, scope, at=NOW):
        assert grant.status == "active"
        assert grant.starts_at <= NOW
        assert grant.ends_at is None or grant.ends_at > NOW
        assert permission in grant.definition.permissions
        assert grant.scope.project in (None, scope.project)
        if permission.level is Level.ENVIRONMENT:
            assert scope.environment is not None
            assert grant.scope.environment in (None, scope.environment)
        if permission.level is Level.ORGANISATION:
            assert grant.scope == ORGANISATION


@given(SCOPES, SCOPES, st.sampled_from(list(P)), st.none() | st.frozensets(st.sampled_from(sorted(BY_CODE))))
def test_a_token_only_narrows_and_never_approves(
    narrowed: Scope, scope: Scope, permission: Permission, codes: frozenset[str] | None
) -> None:
    covers = TokenScope(permissions=codes, scope=narrowed).covers(permission, scope)
    assert not (covers and permission in NEVER_BY_TOKEN)
    assert not (covers and codes is not None and permission not in codes)
    assert not (covers and not reaches(narrowed, permission, scope))


def test_creating_never_confers_switching() -> None:
    narrowed = GrantView(
        id="g", subject="usr_x", role="developer", definition=ROLES["developer"], scope=DEV, granted_by="u",
        starts_at=NOW, ends_at=None,
        status="active", version=1, ledger_seq=1,
    )  # fmt: skip
    assert narrowed.covers(P.FLAG_CREATE, Scope("shop"))
    assert narrowed.covers(P.CHANGE_APPLY, DEV)
    for permission in P:
        assert not narrowed.covers(permission, PROD) or permission.inert
    assert not narrowed.covers(P.FLAG_ARCHIVE, Scope("shop"))


def test_the_roles_keep_duties_apart() -> None:
    admin, approver = ROLES["admin"].permissions, ROLES["approver"].permissions
    assert not admin & {P.CHANGE_APPROVE, P.CHANGE_APPLY, P.CHANGE_DRAFT}
    assert P.CHANGE_DRAFT not in approver
    assert [role.key for role in ROLES.values() if P.CHANGE_APPROVE in role.permissions] == ["approver"]
    assert not any(P.CHANGE_APPROVE in allowed for allowed in SYSTEM.values())
    assert all(permission.description and permission.level for permission in P)


@pytest.mark.parametrize("permission", list(P))
def test_without_a_grant_there_is_no_permission(db: str, permission: Permission) -> None:
    at = clock.now()
    for actor in (add_person(), ANONYMOUS, system("unknown"), Actor(kind="person", id="usr_none", via="session")):
        for scope in (ORGANISATION, Scope("shop"), PROD):
            assert not decide(actor, permission, scope, at=at)


def test_an_ended_an_expired_and_a_future_grant_confer_nothing(db: str) -> None:
    at = clock.now()
    admin, person = add_person("Anna", "admin"), add_person("Bo")
    grant_id = give(person.id, "viewer", at=at)
    assert decide(person, P.ORG_READ, at=at)
    assert not decide(person, P.ORG_READ, at=at - timedelta(seconds=1))
    grants.end(actor=admin, at=at, grant_id=grant_id)
    assert not decide(person, P.ORG_READ, at=at)
    give(person.id, "viewer", ends_at=at + timedelta(hours=1), at=at)
    assert decide(person, P.ORG_READ, at=at)
    assert not decide(person, P.ORG_READ, at=at + timedelta(hours=1))


def test_groups_confer_while_one_belongs_to_them_and_they_live(db: str) -> None:
    shop()
    at = clock.now()
    admin, person = add_person("Anna", "admin"), add_person("Bo")
    group = groups.create(actor=admin, at=at, name="Checkout")
    grants.give(actor=admin, at=at, subject=group.id, wish=grants.Wish(role="developer", scope=Scope("shop")))
    assert not decide(person, P.CHANGE_APPLY, PROD, at=at)
    groups.add_member(actor=admin, at=at, group_id=group.id, person_id=person.id)
    assert decide(person, P.CHANGE_APPLY, PROD, at=at)
    assert entitled(person.id, P.CHANGE_APPLY, PROD, at=at)
    assert person.id in [holder.subject for holder in who_can(P.CHANGE_APPLY, PROD, at=at)]
    groups.remove_member(actor=admin, at=at, group_id=group.id, person_id=person.id)
    assert not decide(person, P.CHANGE_APPLY, PROD, at=at)
    groups.add_member(actor=admin, at=at, group_id=group.id, person_id=person.id)
    groups.archive(actor=admin, at=at, group_id=group.id)
    assert not entitled(person.id, P.CHANGE_APPLY, PROD, at=at)


def test_a_disabled_person_has_nothing_and_their_token_opens_nothing(db: str) -> None:
    at = clock.now()
    admin, person = add_person("Anna", "admin"), add_person("Bo", "developer")
    made = tokens.create_personal(actor=person, at=at, wish=TokenWish(name="t"))
    actor = from_token(made.text, at=at)
    assert decide(actor, P.CHANGE_DRAFT, PROD, at=at)
    people.deactivate(actor=admin, at=at, person_id=person.id)
    for one in (person, actor):
        assert not decide(one, P.CHANGE_DRAFT, PROD, at=at)
    with pytest.raises(Unauthenticated):
        from_token(made.text, at=at)


def test_no_token_approves_whoever_owns_it(db: str) -> None:
    at = clock.now()
    person = add_person("Bo", "approver", "admin")
    made = tokens.create_personal(actor=person, at=at, wish=TokenWish(name="t"))
    actor = from_token(made.text, at=at)
    assert decide(person, P.CHANGE_APPROVE, PROD, at=at)
    for permission in NEVER_BY_TOKEN:
        assert decide(actor, permission, PROD, at=at).code == "not-by-token"


def test_a_revoked_token_is_refused_even_with_an_actor_made_before(db: str) -> None:
    at = clock.now()
    person = add_person("Bo", "viewer")
    made = tokens.create_personal(actor=person, at=at, wish=TokenWish(name="t"))
    actor = from_token(made.text, at=at)
    tokens.revoke(actor=person, at=at, token_id=made.token.id)
    assert decide(actor, P.ORG_READ, at=at).code == "token-ended"


def test_projects_lists_exactly_where_something_is_held(db: str) -> None:
    shop()
    at = clock.now()
    person = add_person("Bo", "viewer", project="shop")
    give(person.id, "developer", project="api", environment="development")
    assert held(person, at=at).projects(P.PROJECT_READ) == frozenset({"shop", "api"})
    assert held(person, at=at).projects(P.FLAG_CREATE) == frozenset({"api"})
    assert held(add_person("Cy", "viewer"), at=at).projects(P.PROJECT_READ) is None
    wish = TokenWish(name="t", scope=Scope("shop"))
    made = tokens.create_personal(actor=add_person("Di", "viewer"), at=at, wish=wish)
    assert held(from_token(made.text, at=at), at=at).projects(P.PROJECT_READ) == frozenset({"shop"})


def test_what_can_and_who_can_agree_with_decide(db: str) -> None:
    at = clock.now()
    everybody = [add_person("Anna", "admin"), add_person("Bo", "developer", project="shop"), add_person("Cy")]
    everybody.append(add_service("robot", "developer", owner=everybody[0].id))
    for permission in P:
        for scope in (ORGANISATION, Scope("shop"), PROD, Scope("api", "production")):
            able = {actor.id for actor in everybody if decide(actor, permission, scope, at=at)}
            assert {holder.subject for holder in who_can(permission, scope, at=at)} == able
    assert [str(p) for p in what_can(everybody[1].id, at=at)[0][1]].count("org:read") == 0


def test_nobody_acts_after_the_revocation_of_what_allowed_it(db: str) -> None:
    """While an operation that was allowed is still open, the revocation waits for it; so no entry follows its cause."""
    at = clock.now()
    admin, person = add_person("Anna", "admin"), add_person("Bo", "viewer")
    grant_id = give(person.id, "viewer", project="shop", at=at)
    ended = threading.Event()

    def revoke() -> None:
        grants.end(actor=admin, at=at, grant_id=grant_id)
        ended.set()
        connections.close_all()

    other = threading.Thread(target=revoke)
    with write_door():
        require(person, P.PROJECT_READ, Scope("shop"), at=at)
        other.start()
        assert not ended.wait(0.5)
    other.join(20)
    assert ended.is_set()
    assert not [g for g in held(person, at=at).grants if g.id == grant_id]


@pytest.mark.parametrize("groups_", [0, 3])
def test_deciding_costs_a_fixed_number_of_queries(db: str, groups_: int) -> None:
    at = clock.now()
    admin, person = add_person("Anna", "admin"), add_person("Bo")
    role = add_role("reader", "project:read")
    for number in range(20):
        give(person.id, role if number % 2 else "viewer", project=f"p{number}")
    for number in range(groups_):
        group = groups.create(actor=admin, at=at, name=f"g{number}")
        groups.add_member(actor=admin, at=at, group_id=group.id, person_id=person.id)
    count = 0

    def counting(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal count
        count += 1
        return execute(sql, *rest)

    with connection.execute_wrapper(counting):
        holds = held(person, at=at)
        for number in range(20):
            assert holds.allows(P.PROJECT_READ, Scope(f"p{number}"))
    assert count <= 5


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_history_of_grants_leaves_exactly_the_unended_ones(databases: Any, data: st.DataObject) -> None:
    with databases.clone():
        for project in ("shop", "api"):
            shop(project=project)
        at = clock.now()
        admin, person = add_person("Anna", "admin"), add_person("Bo")
        open_: dict[str, tuple[str, Scope]] = {}
        for _ in range(data.draw(st.integers(1, 8))):
            ending: bool = data.draw(st.booleans())
            if open_ and ending:
                chosen = data.draw(st.sampled_from(sorted(open_)))
                grants.end(actor=admin, at=at, grant_id=chosen)
                del open_[chosen]
                continue
            wish = (data.draw(st.sampled_from(["viewer", "developer", "requester"])), data.draw(SCOPES))
            if wish not in open_.values():
                made = grants.give(actor=admin, at=at, subject=person.id, wish=grants.Wish(role=wish[0], scope=wish[1]))
                open_[made.id] = wish
        for permission in P:
            for scope in (ORGANISATION, Scope("shop"), PROD, Scope("api", "production")):
                expected = any(
                    permission in ROLES[role].permissions and reaches(where, permission, scope)
                    for role, where in open_.values()
                )
                assert decide(person, permission, scope, at=at).allowed == expected


def test_a_denial_is_an_entry_with_permission_and_place(db: str) -> None:
    with pytest.raises(Denied):
        grants.give(
            actor=add_person("Bo"), at=clock.now(), subject="usr_x", wish=grants.Wish(role="viewer", scope=PROD)
        )
    entry = Entry.objects.order_by("-seq")[0]
    assert (entry.action, entry.project, entry.environment) == ("access.denied", "shop", "production")
