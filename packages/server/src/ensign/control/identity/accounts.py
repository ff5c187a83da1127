"""Parts of writes about people that identity's and access's operations share. No decision is made here.

Everything runs inside the write door of the operation that calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import enforcing
from ensign.control.identity.domain import FEDERATED_LIFETIME_MAX, TokenView, clean_name
from ensign.control.identity.models import Account, Person, Token
from ensign.control.identity.tokens import Kind, hashed, hint, new_token
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.ids import first_id, new_id
from ensign.control.kernel.transactions import require_write_door


def locked_person(id: str) -> Person:
    """The person's row, locked until commit.

    :raises NotFound: when there is none.
    """
    row = Person.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such person.", remedy="See People.")
    return row


def stage_new_person(*, email: str, name: str, status: Literal["invited", "active"], at: datetime) -> Staged:
    """A new person's row.

    :raises Conflict: when the address is taken.
    """
    if Person.objects.filter(email=email).exists():
        raise Conflict(
            "Somebody with this e-mail address is here already.",
            remedy="Look for them under People; a deactivated person can be reactivated.",
            fields={"email": "This address is taken."},
        )
    return stage(Person, id=new_id("usr", at=at), state={"email": email, "name": name, "status": status})


def open_account(person_id: str, *, email: str, password: str) -> Account:
    """The account of a person who has just chosen a password (checked by ``domain.check_password`` before)."""
    require_write_door()
    account = Account(person_id=person_id, email=email)
    account.set_password(password)
    account.save(force_insert=True)
    return account


def open_account_without_password(person_id: str, *, email: str) -> Account:
    """The account of a person who comes through an identity provider: no password opens it."""
    require_write_door()
    account = Account(person_id=person_id, email=email)
    account.set_unusable_password()
    account.save(force_insert=True)
    return account


def end_sessions(person_id: str, *, keep: str | None = None) -> int:
    """Delete the sessions of a person, except the one with key ``keep``; returns how many there were."""
    require_write_door()
    rows = UserSession.objects.filter(user__person_id=person_id)
    if keep is not None:
        rows = rows.exclude(session_key=keep)
    keys = list(rows.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    rows.delete()
    return len(keys)


def remove_factors(person_id: str) -> int:
    """Delete all second factors of a person; returns how many there were."""
    require_write_door()
    return int(Authenticator.objects.filter(user__person_id=person_id).delete()[0])


def stage_token_revocations(subject: str, *, at: datetime | None = None) -> list[Staged]:
    """The revocation of every active token of a person or service account; federated ones that have long ended by
    themselves stay as they are.
    """
    require_write_door()
    rows = Token.objects.select_for_update().filter(subject=subject, status="active").order_by("pk")
    if at is not None:
        rows = rows.exclude(kind="federated", pk__lt=first_id("tok", at=at - FEDERATED_LIFETIME_MAX))
    return [stage(Token, id=row.pk, state=_revoked(row, at=at), current=row) for row in rows]


def stage_federated_revocations(subject: str, rule: str, *, at: datetime) -> list[Staged]:
    """The revocation of every token that still counts and was made by one federation rule."""
    require_write_door()
    rows = Token.objects.select_for_update().filter(
        subject=subject, kind="federated", status="active", pk__gte=first_id("tok", at=at - FEDERATED_LIFETIME_MAX)
    )
    return [
        stage(Token, id=row.pk, state=_revoked(row, at=at), current=row)
        for row in rows.order_by("pk")
        if row.state["federation"]["rule"] == rule and clock.parse(row.state["expires_at"]) > at
    ]


def _revoked(row: Token, *, at: datetime | None) -> dict[str, Any]:
    return {**row.state, "status": "revoked", "revoked_at": None if at is None else clock.text(at)}


def stage_token(
    *,
    kind: Kind,
    subject: str,
    name: str,
    permissions: tuple[str, ...] | None,
    edition: int,
    project: str | None,
    environment: str | None,
    created_by: str,
    expires_at: datetime,
    at: datetime,
    more: Mapping[str, Any] | None = None,
) -> tuple[Staged, str]:
    """A new token's row, and its text, which exists nowhere else. ``edition`` is that of the catalogue of permissions,
    ``more`` further members of the state.

    :raises Invalid: when it would never or too late expire.
    """
    days = enforcing.current().token_days(kind)
    if not at < expires_at <= at + timedelta(days=days):
        raise Invalid(
            "A token must expire.", fields={"days": f"Choose a lifetime of 1 to {days} days."}, remedy="Rotate it."
        )
    text = new_token(kind)
    state: dict[str, Any] = {
        "kind": kind,
        "name": clean_name(name),
        "subject": subject,
        "token_hash": hashed(text),
        "hint": hint(text),
        "permissions": None if permissions is None else sorted(permissions),
        "edition": edition,
        "project": project,
        "environment": environment,
        "created_by": created_by,
        "created_at": clock.text(at),
        "expires_at": clock.text(expires_at),
        "status": "active",
        **(more or {}),
    }
    return stage(Token, id=new_id("tok", at=at), state=state), text


def locked_token(id: str) -> Token:
    """A token's row, locked until commit.

    :raises NotFound: when there is none.
    """
    row = Token.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such token.")
    return row


def stage_rotated(row: Token, *, successor: str, until: datetime, at: datetime) -> Staged:
    """The end of a token that got a successor: at ``until``, or at once when that is now."""
    made_until = row.state.get("made_until") or row.state["expires_at"]
    state = {**row.state, "successor": successor, "rotated_at": clock.text(at), "made_until": made_until}
    if until <= at:
        state |= {"status": "revoked", "revoked_at": clock.text(at)}
    else:
        state["expires_at"] = min(state["expires_at"], clock.text(until))
    return stage(Token, id=row.pk, state=state, current=row)


def stage_revocation(token: TokenView, *, at: datetime) -> Staged:
    """The revocation of one token.

    :raises Conflict: when it has been revoked already.
    """
    row = locked_token(token.id)
    if row.status != "active":
        raise Conflict("This token has been revoked already.")
    return stage(Token, id=row.pk, state=_revoked(row, at=at), current=row)
