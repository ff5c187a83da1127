"""Claims: narrowing a grant only takes away; more grants only add; a token confers no more than its owner's grants; the
index answers as the grants themselves do; no role lets who may only create flags switch them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ensign.control.access.decisions import Held
from ensign.control.access.domain import (
    ANY_FLAG,
    FlagFacts,
    GrantIndex,
    GrantView,
    Narrowing,
    Scope,
    TokenScope,
    conferring,
)
from ensign.control.access.permissions import (
    BY_CODE,
    EDITION,
    NEVER_BY_TOKEN,
    SPLIT_FROM,
    About,
    Level,
    Permission,
    as_narrowed,
)
from ensign.control.access.roles import EVERY, ROLES, Role
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from hypothesis import given
from hypothesis import strategies as st

P = Permission
NOW = clock.parse("2026-03-01T12:00:00.000000Z")
PERSON = Actor(kind="person", id="usr_x", via="session", mfa_at=NOW)
TOKEN = Actor(kind="person", id="usr_x", via="token", token_id="tok_x")

TYPES, TAGS = st.sampled_from(["release", "experiment"]), st.sampled_from(["payments", "search"])
PLACES = st.tuples(st.sampled_from([None, "shop", "api"]), st.sampled_from([None, "development", "production"]))
SCOPES = PLACES.map(lambda place: Scope(place[0], place[1] if place[0] else None))
FACTS = st.none() | st.builds(FlagFacts, TYPES, st.frozensets(TAGS))
QUESTIONS = st.builds(Scope.of_flag, SCOPES, FACTS)
NARROWINGS = st.builds(Narrowing, types=st.frozensets(TYPES), tags=st.frozensets(TAGS))
CUSTOM = st.builds(
    Role,
    key=st.just("custom"),
    name=st.just("Custom"),
    description=st.just(""),
    permissions=st.frozensets(st.sampled_from(list(P)), max_size=12),
    assigns=st.frozensets(st.sampled_from([EVERY, *ROLES])),
    builtin=st.just(False),
)
DEFINITIONS = st.sampled_from(list(ROLES.values())) | CUSTOM


@st.composite
def grant_views(draw: st.DrawFn) -> GrantView:
    role = draw(DEFINITIONS)
    day = timedelta(days=1)
    return GrantView(
        id=f"grt_{draw(st.integers(0, 10**9))}",
        subject="usr_x",
        role=role.key,
        definition=role,
        scope=draw(SCOPES),
        granted_by="usr_y",
        starts_at=NOW + draw(st.sampled_from([-day, -day, day])),
        ends_at=draw(st.sampled_from([None, None, NOW - timedelta(hours=1), NOW + day])),
        status="active",
        version=1,
        ledger_seq=1,
        narrowing=draw(NARROWINGS),
    )


GRANTS = st.lists(grant_views(), max_size=6)


def held(*grants: GrantView, actor: Actor = PERSON, token: TokenScope | None = None) -> Held:
    return Held(actor=actor, at=NOW, grants=grants, token=token)


@given(grant_views(), NARROWINGS, st.sampled_from(list(P)), QUESTIONS)
def test_narrowing_never_widens(grant: GrantView, narrowing: Narrowing, permission: Permission, scope: Scope) -> None:
    wide = replace(grant, narrowing=ANY_FLAG)
    narrow = replace(grant, narrowing=narrowing)
    assert wide.covers(permission, scope) or not narrow.covers(permission, scope)
    assert wide.covers_some(permission, scope) or not narrow.covers_some(permission, scope)
    assert narrow.covers_some(permission, scope) or not narrow.covers(permission, scope)


@given(grant_views(), NARROWINGS, st.sampled_from(list(P)), QUESTIONS)
def test_a_narrowed_grant_confers_flags_that_match_and_reading_and_nothing_else(
    grant: GrantView, narrowing: Narrowing, permission: Permission, scope: Scope
) -> None:
    narrow = replace(grant, narrowing=narrowing)
    if not narrowing or not narrow.covers(permission, scope) or permission.about is About.READING:
        return
    assert permission.about is About.FLAGS
    assert scope.flag is not None
    assert not narrowing.types or scope.flag.type in narrowing.types
    assert not narrowing.tags or narrowing.tags & scope.flag.tags


@given(GRANTS, grant_views(), st.sampled_from(list(P)), QUESTIONS)
def test_one_more_grant_takes_nothing_away(
    grants: list[GrantView], more: GrantView, permission: Permission, scope: Scope
) -> None:
    assert held(*grants, more).allows(permission, scope) or not held(*grants).allows(permission, scope)


@given(GRANTS, GRANTS, st.sampled_from(list(P)), QUESTIONS)
def test_what_two_sets_of_grants_confer_is_what_either_confers(
    one: list[GrantView], two: list[GrantView], permission: Permission, scope: Scope
) -> None:
    apart = held(*one).allows(permission, scope) or held(*two).allows(permission, scope)
    assert held(*one, *two).allows(permission, scope) == apart


@given(
    GRANTS,
    st.none() | st.frozensets(st.sampled_from(sorted(BY_CODE))),
    SCOPES,
    st.sampled_from(list(P)),
    QUESTIONS,
)
def test_a_token_confers_no_more_than_its_owner_holds(
    grants: list[GrantView], codes: frozenset[str] | None, narrowed: Scope, permission: Permission, scope: Scope
) -> None:
    token = held(*grants, actor=TOKEN, token=TokenScope(permissions=codes, scope=narrowed))
    for ask in (Held.allows, Held.allows_some):
        assert not ask(token, permission, scope) or ask(held(*grants), permission, scope)
        assert not (ask(token, permission, scope) and permission in NEVER_BY_TOKEN)
        assert not (ask(token, permission, scope) and codes is not None and permission not in codes)


@given(GRANTS, st.sampled_from(list(P)), QUESTIONS, st.booleans())
def test_the_index_answers_as_the_grants_do(
    grants: list[GrantView], permission: Permission, scope: Scope, some: bool
) -> None:
    found = GrantIndex(grants, at=NOW).conferring(permission, scope, some=some)
    assert sorted(map(id, found)) == sorted(map(id, conferring(grants, permission, scope, at=NOW, some=some)))


@given(st.frozensets(st.sampled_from(sorted(BY_CODE))))
def test_a_token_of_before_a_split_keeps_what_it_could_do_and_a_new_one_is_exact(codes: frozenset[str]) -> None:
    assert as_narrowed(codes, edition=EDITION) == codes
    before = as_narrowed(codes, edition=1)
    assert before - codes == {new for new, broad in SPLIT_FROM.items() if broad in codes} - codes


def test_what_was_split_off_is_held_by_every_built_in_role_that_held_the_whole() -> None:
    for new, broad in SPLIT_FROM.items():
        for role in ROLES.values():
            if role.key == "tester":  # made after the split, and narrower on purpose
                continue
            assert (new in role.permissions) == (broad in role.permissions), (role.key, new)
            assert new.inert or not broad.inert or new is P.ORG_EVIDENCE_EXPORT
        assert (new in NEVER_BY_TOKEN) == (broad in NEVER_BY_TOKEN)


#: What alters what an application sees in an environment.
SWITCHING = [p for p in P if p.level is Level.ENVIRONMENT and p is not P.KILL_EXPLAIN]


@given(DEFINITIONS, SCOPES, NARROWINGS, FACTS)
def test_creating_flags_never_confers_switching_them(
    role: Role, where: Scope, narrowing: Narrowing, flag: FlagFacts | None
) -> None:
    """For any role: taking ``flag:create`` away from it changes nothing about what it allows in any environment."""
    base = GrantView(
        id="g", subject="usr_x", role=role.key, definition=role, scope=where, granted_by="u", starts_at=NOW,
        ends_at=None, status="active", version=1, ledger_seq=1, narrowing=narrowing,
    )  # fmt: skip
    with_it, without = (
        replace(base, definition=replace(role, permissions=permissions))
        for permissions in (role.permissions | {P.FLAG_CREATE}, role.permissions - {P.FLAG_CREATE})
    )
    for environment in ("development", "production"):
        for permission in SWITCHING:
            scope = Scope("shop", environment, flag)
            assert with_it.covers(permission, scope) == without.covers(permission, scope)


@pytest.mark.parametrize("role", ROLES.values(), ids=list(ROLES))
def test_no_built_in_role_held_in_development_switches_anything_in_production(role: Role) -> None:
    grant = GrantView(
        id="g", subject="usr_x", role=role.key, definition=role, scope=Scope("shop", "development"), granted_by="u",
        starts_at=NOW, ends_at=None, status="active", version=1, ledger_seq=1,
    )  # fmt: skip
    assert not any(grant.covers(permission, Scope("shop", "production")) for permission in SWITCHING)
