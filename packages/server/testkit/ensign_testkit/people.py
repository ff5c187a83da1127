"""People for tests, with roles, at once: rows and entries are real, only the invitation is left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.test import Client
from ensign.control.access.actions import GRANT_GIVEN, ROLE_CREATED
from ensign.control.access.models import CustomRole, Grant
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import stage
from ensign.control.identity.actions import PERSON_JOINED, SERVICE_ACCOUNT_CREATED
from ensign.control.identity.actors import MFA_AT, MFA_WAY
from ensign.control.identity.models import Account, Person, ServiceAccount
from ensign.control.identity.sessions import SIGNED_IN_AT, WAY
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import write_door

SYSTEM = system("test")


def add_person(
    name: str = "Anna Berg",
    *roles: str,
    email: str | None = None,
    project: str | None = None,
    environment: str | None = None,
    at: datetime | None = None,
    mfa: bool = True,
    password: str | None = None,
) -> Actor:
    """A person with ``roles`` in the given scope; returns the actor of a session of theirs.

    ``mfa``: whether the session has proved a second factor, at ``at`` or a minute ago. With ``password`` they can
    sign in for real.
    """
    given_at, at = at, at or clock.now()
    id = new_id("usr", at=at)
    email = email or f"{name.lower().replace(' ', '.')}@example.com"
    with write_door():
        row = stage(Person, id=id, state={"email": email, "name": name, "status": "active"})
        record(action=PERSON_JOINED, actor=SYSTEM, at=at, staged=[row])
        account = Account(person_id=id, email=email)
        if password is None:
            account.set_unusable_password()
        else:
            account.set_password(password)
        account.save(force_insert=True)
    for role in roles:
        give(id, role, project=project, environment=environment, at=given_at)
    proved_at = at if given_at is not None else at - timedelta(minutes=1)
    return Actor(kind="person", id=id, via="session", mfa_at=proved_at if mfa else None)


def add_service(name: str = "pipeline", *roles: str, owner: str = "usr_test", at: datetime | None = None) -> Actor:
    """A service account with organisation-wide ``roles``; returns an actor that it signs for by token."""
    given_at, at = at, at or clock.now()
    id = new_id("svc", at=at)
    with write_door():
        state = {"name": name, "purpose": "tests", "owner": owner, "status": "active"}
        row = stage(ServiceAccount, id=id, state=state)
        record(action=SERVICE_ACCOUNT_CREATED, actor=SYSTEM, at=at, staged=[row])
    for role in roles:
        give(id, role, at=given_at)
    return Actor(kind="service", id=id, via="system")


def sign_in(client: Client, actor: Actor) -> Client:
    """Let Django's test client sit in a session of ``actor``, with the second factor that the actor has proved."""
    account, at = Account.objects.get(person_id=actor.id), clock.now()
    client.force_login(account)
    session = client.session
    session[SIGNED_IN_AT], session[WAY] = clock.text(at), "password"
    if actor.mfa_at is not None:
        session[MFA_AT], session[MFA_WAY] = clock.text(actor.mfa_at), "passkey"
    session.save()
    UserSession.objects.create(
        user=account, ip="127.0.0.1", user_agent="test", session_key=session.session_key, data={"way": "password"}
    )
    return client


def give(
    subject: str,
    role: str,
    *,
    project: str | None = None,
    environment: str | None = None,
    types: Iterable[str] = (),
    tags: Iterable[str] = (),
    ends_at: datetime | None = None,
    at: datetime | None = None,
) -> str:
    """Give ``role`` to a person, group or service account; returns the grant's id. ``types`` and ``tags`` narrow it.

    Without ``at`` it has been in force for a day, so that it counts at any instant that a test has read before.
    """
    at = at or clock.now() - timedelta(days=1)
    id = new_id("grt", at=at)
    state = {
        "subject": subject,
        "role": role,
        "project": project,
        "environment": environment,
        "flag_types": sorted(types),
        "tags": sorted(tags),
        "reason": "",
        "granted_by": SYSTEM.id,
        "starts_at": clock.text(at),
        "ends_at": None if ends_at is None else clock.text(ends_at),
        "status": "active",
        "ended_by": None,
    }
    with write_door():
        where = Where(project=project, environment=environment)
        record(action=GRANT_GIVEN, actor=SYSTEM, at=at, staged=[stage(Grant, id=id, state=state)], where=where)
    return id


def add_role(key: str, *permissions: str, assigns: Iterable[str] = (), name: str = "") -> str:
    """A custom role; returns its key."""
    at = clock.now() - timedelta(days=2)
    state = {
        "key": key,
        "name": name or key.capitalize(),
        "description": "",
        "permissions": sorted(permissions),
        "assigns": sorted(assigns),
        "cloned_from": None,
        "status": "active",
    }
    with write_door():
        row = stage(CustomRole, id=new_id("rol", at=at), state=state)
        record(action=ROLE_CREATED, actor=SYSTEM, at=at, staged=[row])
    return key
