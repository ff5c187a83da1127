"""Who is here: inviting, deactivating, reactivating people and helping them back in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access import leaving, segregation, two_people
from ensign.control.access import queries as access
from ensign.control.access.asked import RequestView
from ensign.control.access.assigning import require_assigning, require_assigning_all
from ensign.control.access.catalogue import definitions
from ensign.control.access.decisions import require, require_recent_mfa
from ensign.control.access.grants import Wish, give_wish
from ensign.control.access.permissions import Permission
from ensign.control.audit import history
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, actions, links, queries
from ensign.control.identity.approval_keys import operations as approval_keys
from ensign.control.identity.domain import PersonView, clean_email, clean_name
from ensign.control.identity.models import Person
from ensign.control.identity.sso.queries import enforced_for
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A person with the secret part of a one-time link for them, which exists nowhere else, and its end.

    ``waiting``: those of the roles asked for that take a second person's confirmation.
    """

    person: PersonView
    link: str
    expires_at: datetime
    waiting: tuple[RequestView, ...] = ()


@operation
def invite(
    *, actor: Actor, at: datetime, email: str, name: str = "", wishes: Sequence[Wish] = (), reason: str = ""
) -> Invitation:
    """Invite somebody by a link that works once within 7 days; roles given with it count once they have joined.

    :raises Denied: without ``org:people:invite``, or for ``wishes`` that they could not give or that are kept apart.
    :raises Invalid: for a malformed address; without a reason, where a wish takes two people and there is no second.
    :raises Conflict: when the address is taken.
    """
    require(actor, Permission.ORG_PEOPLE_INVITE, at=at)
    for wish in wishes:
        require_assigning(actor, definitions([wish.role])[wish.role], wish.scope, at=at)
    name = clean_name(name) if name.strip() else ""
    staged = accounts.stage_new_person(email=clean_email(email), name=name, status="invited", at=at)
    link, text = links.make("invite", person_id=staged.id, at=at)
    record(action=actions.PERSON_INVITED, actor=actor, at=at, staged=[staged], reason=reason, detail={"link": link.id})
    given = [give_wish(actor=actor, at=at, subject=staged.id, wish=wish, reason=reason) for wish in wishes]
    waiting = tuple(one for one in given if isinstance(one, RequestView))
    return Invitation(person=queries.person(staged.id), link=text, expires_at=link.expires_at, waiting=waiting)


@operation
def invite_again(*, actor: Actor, at: datetime, person_id: str) -> Invitation:
    """A fresh invitation link for somebody who has not joined yet; the earlier one ends.

    :raises Denied: without ``org:people:invite``.
    :raises Conflict: when they have joined.
    """
    require(actor, Permission.ORG_PEOPLE_INVITE, at=at)
    return _link(actor, accounts.locked_person(person_id), "invite", at=at)


@operation
def make_reset_link(*, actor: Actor, at: datetime, person_id: str) -> Invitation:
    """A link with which an active person chooses a new password within a day. Their second factors stay as they are,
    so that whoever makes the link cannot approve in their name; nor does who removed those factors make one.

    :raises Denied: without ``org:people:recover``, or to who ever removed this person's second factors.
    :raises Conflict: when they are not active.
    """
    require(actor, Permission.ORG_PEOPLE_RECOVER, at=at)
    person = accounts.locked_person(person_id)
    if history.did(actor.id, actions.FACTOR_REMOVED.code, kind="all", person=person.pk):
        raise _both_hands("You removed this person's second factors, so somebody else must make them a link.")
    return _link(actor, person, "reset", at=at)


@operation
def remove_factors(*, actor: Actor, at: datetime, person_id: str, reason: str) -> int:
    """Remove the second factors of somebody who lost them all; their sessions end. Returns how many were removed.

    Never one's own, and only with a recent second factor of the actor. With a reset link it opens the account, so
    whoever ever made this person one never does this, however long ago and whether it was used: that takes two.

    :raises Denied: without ``org:people:recover``, for oneself, or to who ever made this person a reset link.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    """
    require(actor, Permission.ORG_PEOPLE_RECOVER, at=at)
    if person_id == actor.id:
        raise Denied(
            "Your own second factors are removed under your account.",
            permission=str(Permission.ORG_PEOPLE_RECOVER),
            code="own-access",
        )
    require_recent_mfa(
        actor,
        Permission.ORG_PEOPLE_RECOVER,
        "Removing somebody's second factors needs your own, proved within the last 30 minutes.",
        at=at,
    )
    person = accounts.locked_person(person_id)
    if history.did(actor.id, actions.LINK_CREATED.code, kind="reset", person=person.pk):
        raise _both_hands("You made this person a link to a new password, so somebody else must remove their factors.")
    keys = approval_keys.locked_of(person.pk)
    approval_keys.record_revocations(keys, actor=actor, at=at, because="factor")
    removed = accounts.remove_factors(person.pk)
    detail = {"kind": "all", "person": person.pk, "count": removed, "sessions": accounts.end_sessions(person.pk)}
    record(action=actions.FACTOR_REMOVED, actor=actor, at=at, reason=reason, detail=detail)
    return removed


@operation
def deactivate(*, actor: Actor, at: datetime, person_id: str, reason: str = "") -> PersonView:
    """Deactivate somebody: sessions, links, personal tokens, pending approvals end in the same transaction.

    :raises Denied: without ``org:people:manage``, or for oneself.
    :raises Conflict: when they are deactivated already, or nobody could give roles any more.
    """
    require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    if person_id == actor.id:
        raise Denied(
            "Nobody deactivates themselves.",
            permission=str(Permission.ORG_PEOPLE_MANAGE),
            remedy="Ask another administrator.",
            code="own-access",
        )
    leaving.end_access(actor=actor, at=at, person_id=person_id, reason=reason)
    return queries.person(person_id)


@operation
def reactivate(*, actor: Actor, at: datetime, person_id: str, reason: str = "") -> PersonView:
    """Reactivate somebody. Grants that are still in force count again; sessions and tokens do not come back.

    What it takes two people to give does not come back by one: those roles end, those groups are left, in the same
    entry, and are given again in the ordinary way.

    :raises Denied: without ``org:people:manage``, or unless they could give each role that comes back with them; for
        what comes back and is kept apart.
    :raises Conflict: when they are not deactivated.
    """
    require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    grants = access.grants_of(person_id)
    require_assigning_all(actor, grants, at=at)
    returning = [grant for grant in grants if not two_people.any_needed([grant], at=at)]
    segregation.check_return(person_id, returning, at=at)
    leaving.give_back(actor=actor, at=at, person_id=person_id, reason=reason)
    return queries.person(person_id)


def _both_hands(message: str) -> Denied:
    """One administrator alone must not be able to sign in as somebody else, and so to approve their own changes."""
    return Denied(
        message,
        permission=str(Permission.ORG_PEOPLE_MANAGE),
        remedy="Ask another administrator. If there is none, deactivate them and invite them under a new address.",
        code="second-administrator",
    )


def _link(actor: Actor, person: Person, kind: links.Kind, *, at: datetime) -> Invitation:
    wanted = "invited" if kind == "invite" else "active"
    if person.status != wanted:
        remedy = "They sign in; if they forgot their password, make a reset link." if kind == "invite" else ""
        raise Conflict(f"This person is not {wanted}, but {person.status}.", remedy=remedy)
    if kind == "reset" and enforced_for(person.email):
        raise Conflict(
            "People of this domain sign in through their provider alone; a link to a new password would open nothing.",
            remedy="They sign in there. If it is down for long, end its enforcement or use the emergency access.",
        )
    link, text = links.make(kind, person_id=person.pk, at=at)
    detail = {"kind": kind, "person": person.pk, "link": link.id}
    record(action=actions.LINK_CREATED, actor=actor, at=at, detail=detail)
    return Invitation(person=queries.person(person.pk), link=text, expires_at=link.expires_at)
