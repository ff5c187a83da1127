"""Claim: no administrative route goes through in a session that has not proved a second factor lately."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import ADMINISTRATIVE, NEVER_BY_TOKEN, Level, Permission
from ensign.control.access.roles import ROLES
from ensign.control.identity.actors import MFA_AT
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NeedsMfa
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.matrix import trying, world
from ensign_testkit.matrix.table import DONE, Row, rows
from ensign_testkit.people import add_person

pytestmark = pytest.mark.once

_CODES = {str(permission) for permission in ADMINISTRATIVE}
_CALLER = "somebody with every role"


def _administers(row: Row) -> bool:
    """Whether calling it needs nothing but administrative permissions, and changes something."""
    parts = row.needs.replace(" and ", " or ").split(" or ")
    return row.method != "GET" and all(part.removeprefix("anywhere ") in _CODES for part in parts)


_ROUTES = sorted(route for route, row in rows().items() if _administers(row))


@pytest.fixture(scope="module")
def stale(databases: SqliteFactory | PostgresFactory) -> Iterator[world.World]:
    """Somebody who may do everything, has a factor, and proved it an hour ago."""
    with databases.clone():
        built = world.build()
        session = built.clients[_CALLER].session
        account = Account.objects.get(pk=session["_auth_user_id"])
        Authenticator.objects.create(user_id=account.pk, type=Authenticator.Type.TOTP, data={})
        session[MFA_AT] = clock.text(clock.now() - timedelta(hours=1))
        session.save()
        yield built


def test_there_are_administrative_routes() -> None:
    assert len(_ROUTES) > 40
    assert {"POST /people/invite", "PUT /api/v1/sign-in-rules", "POST /api/v1/grants"} <= set(_ROUTES)
    assert {"POST /api/v1/service-accounts/{service_account_id}/tokens"} <= set(_ROUTES)


@pytest.mark.parametrize("route", _ROUTES)
def test_an_administrative_route_asks_for_the_factor_first(stale: world.World, route: str) -> None:
    row = rows()[route]
    caller = next(one for one in world.callers() if one.name == _CALLER)
    for place in trying.places(row, stale)[:1]:
        outcome = trying.attempt(stale, caller, row, place)
        if row.why and not row.done & DONE and outcome.status in row.done:
            return  # the table's call is no valid one, and was refused for that before anything was asked
        asked = "mfa-required" in outcome.text if row.is_api else outcome.status == 303
        assert asked, (outcome.status, outcome.text[:300])
        assert outcome.denials == 1


@pytest.mark.parametrize("permission", sorted(ADMINISTRATIVE))
def test_every_administrative_permission_is_asked_for_with_its_factor(db: str, permission: Permission) -> None:
    person = add_person("Ada", *ROLES, mfa=False)
    scopes = {Level.ORGANISATION: Scope(), Level.PROJECT: Scope("shop"), Level.ENVIRONMENT: Scope("shop", "production")}
    scope = scopes[permission.level]
    at = clock.now()
    held(person, at=at).require(permission, scope)  # nothing enrolled (ADR 0026)
    account = Account.objects.get(person_id=person.id)
    Authenticator.objects.create(user_id=account.pk, type=Authenticator.Type.WEBAUTHN, data={})
    with pytest.raises(NeedsMfa):
        held(person, at=at).require(permission, scope)
    held(person, at=at).require(Permission.ORG_READ)
    recent = Actor(kind="person", id=person.id, via="session", mfa_at=at)
    held(recent, at=at).require(permission, scope)


def test_what_no_token_confers_is_administrative_or_asks_for_a_factor_of_everybody() -> None:
    """A new permission of that kind cannot be forgotten here: it is in the set by being in the other one."""
    others = {Permission.CHANGE_APPROVE, Permission.CHANGE_REVIEW}
    others |= {Permission.CHANGE_BREAK_GLASS, Permission.BREAK_GLASS_REVIEW}
    assert others == NEVER_BY_TOKEN - ADMINISTRATIVE
