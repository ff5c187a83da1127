"""Writes that people make about themselves, and the set-up link. What concerns others is in ``access``."""

from __future__ import annotations

from datetime import datetime

from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import accounts, actions, links, queries
from ensign.control.identity.domain import PersonView, check_password, clean_name
from ensign.control.identity.models import Account, Person
from ensign.control.identity.sso import enforcement
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, Denied, Invalid, Unauthenticated
from ensign.control.kernel.transactions import write_door


def create_setup_link(*, at: datetime) -> str:
    """The secret part of a fresh set-up link (valid for 24 hours); earlier ones end.

    :raises Conflict: when somebody has been set up already.
    """
    with write_door():
        if queries.anybody():
            raise Conflict("Ensign has been set up already.", remedy="Sign in, or ask an administrator to invite you.")
        _, text = links.make("setup", person_id=None, at=at)
        record(action=actions.LINK_CREATED, actor=system("cli"), at=at, detail={"kind": "setup"})
    return text


@operation
def accept_invitation(
    *,
    actor: Actor,  # noqa: ARG001  # who follows the link is nobody yet
    at: datetime,
    link: str,
    name: str,
    password: str,
) -> PersonView:
    """Join: choose a name and a password. ``actor`` is anonymous; the entry is the invited person's.

    :raises NotFound: when the link is unknown.
    :raises Conflict: when it was used or has expired.
    :raises Invalid: for a poor password or name.
    """
    found = links.consume(link, "invite", at=at)
    person = accounts.locked_person(found.person_id or "")
    enforcement.require_local(person.email)
    if person.status != "invited":
        raise Conflict("You have joined already.", remedy="Sign in.")
    name = clean_name(name)
    check_password(password, about=(person.email, name))
    row = stage(Person, id=person.pk, state={**person.state, "name": name, "status": "active"}, current=person)
    joined = Actor(kind="person", id=person.pk, via="setup")
    record(action=actions.PERSON_JOINED, actor=joined, at=at, staged=[row], detail={"link": found.id})
    accounts.open_account(person.pk, email=person.email, password=password)
    return queries.person(person.pk)


@operation
def reset_password(
    *,
    actor: Actor,  # noqa: ARG001  # who follows the link is not signed in
    at: datetime,
    link: str,
    password: str,
) -> PersonView:
    """Choose a new password by a one-time link; all sessions of the person end. Second factors stay.

    :raises NotFound: when the link is unknown.
    :raises Conflict: when it was used, has expired, or the person is not active.
    :raises Invalid: for a poor password.
    """
    found = links.consume(link, "reset", at=at)
    person = queries.person(found.person_id or "")
    enforcement.require_local(person.email)
    account = Account.objects.select_for_update().filter(person_id=person.id).first()
    if account is None or person.status != "active":
        raise Conflict("This person is not active.", remedy="Ask an administrator to reactivate you first.")
    check_password(password, about=(person.email, person.name))
    account.set_password(password)
    account.save(update_fields=["password"])
    ended = accounts.end_sessions(person.id)
    itself = Actor(kind="person", id=person.id, via="setup")
    record(action=actions.PASSWORD_RESET, actor=itself, at=at, detail={"link": found.id, "sessions": ended})
    return person


@operation
def change_password(*, actor: Actor, at: datetime, old: str, new: str, session_key: str | None) -> None:
    """Change one's own password; every session but the one with ``session_key`` ends.

    :raises Invalid: when ``old`` is wrong or ``new`` is poor.
    """
    account = own_account(actor, act="password.change")
    confirm_password(account, old, field="old")
    if old == new:
        raise Invalid("Nothing changed.", fields={"new": "Choose another password than the present one."})
    check_password(new, about=(account.email, account.person.name), field="new")
    account.set_password(new)
    account.save(update_fields=["password"])
    ended = accounts.end_sessions(actor.id, keep=session_key)
    record(action=actions.PASSWORD_CHANGED, actor=actor, at=at, detail={"sessions": ended})


@operation
def rename(*, actor: Actor, at: datetime, name: str) -> None:
    """Change one's own display name.

    :raises Invalid: for a name that is empty or too long.
    """
    own_account(actor, act="profile.change")
    person = accounts.locked_person(actor.id)
    name = clean_name(name)
    if name == person.name:
        return
    row = stage(Person, id=person.pk, state={**person.state, "name": name}, current=person)
    record(action=actions.PERSON_UPDATED, actor=actor, at=at, staged=[row], detail={"fields": ["name"]})


def own_account(actor: Actor, *, act: str) -> Account:
    """The account of the person who sits in this session.

    :raises Denied: for tokens and service accounts: nobody's account is changed by a token.
    :raises Unauthenticated: when nobody is signed in.
    """
    if actor.kind == "anonymous":
        raise Unauthenticated("Nobody is signed in.", remedy="Sign in first.")
    if not actor.interactive:
        raise Denied("This is done signed in, not by a token.", permission=act, remedy="Sign in and do it there.")
    account = Account.objects.select_related("person").filter(person_id=actor.id, is_active=True).first()
    if account is None or account.person.status != "active":
        raise Denied("This account is not active.", permission=act)
    return account


def confirm_password(account: Account, password: str, *, field: str = "password") -> None:
    """Refuse unless ``password`` is the account's own.

    :raises Invalid: naming ``field``.
    """
    if not password or not account.check_password(password):
        raise Invalid("The password is not right.", fields={field: "This is not your present password."})
