"""Personal and service tokens: shown once, stored hashed, always expiring, never able to approve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ensign.control.access import queries as access
from ensign.control.access.assigning import require_assigning_all
from ensign.control.access.decisions import require
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.permissions import EDITION, NEVER_BY_TOKEN, Permission
from ensign.control.access.places import require_known
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, enforcing, queries
from ensign.control.identity.actions import TOKEN_CREATED, TOKEN_REVOKED
from ensign.control.identity.domain import TOKEN_LIFETIME, TOKEN_LIFETIME_MAX, TokenView, clean_purpose
from ensign.control.identity.operations import own_account
from ensign.control.identity.tokens import Kind
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """What a token should be. ``permissions`` None: all that its owner has and a token can. ``renew_days``: for how
    many days a service account may rotate it by itself (None: never).
    """

    name: str
    days: int = TOKEN_LIFETIME.days
    permissions: frozenset[str] | None = None
    scope: Scope = ORGANISATION
    purpose: str = ""
    renew_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token and its text, which exists nowhere else."""

    token: TokenView
    text: str


#: What a token can be narrowed to.
GRANTABLE = tuple(permission for permission in Permission if permission not in NEVER_BY_TOKEN)


@operation
def create_personal(*, actor: Actor, at: datetime, wish: TokenWish) -> NewToken:
    """A token that acts as the person who makes it, within their grants.

    :raises Denied: when asked by a token: a stolen token must not make others. NeedsMfa in a session without a recent
        second factor, of who has one: a session ends, a token would outlive it.
    :raises Invalid: for an unknown permission or place, or a permission that no token has.
    """
    own_account(actor, act="token.create")
    require_step_up(actor, at=at)
    return _create(actor, actor.id, "personal", wish, at=at)


@operation
def create_for_service(*, actor: Actor, at: datetime, service_account_id: str, wish: TokenWish) -> NewToken:
    """A token that acts as a service account. It outlives whoever makes it.

    :raises Denied: without ``org:service-accounts:manage``, or unless they could give each role that it acts with;
        never by token.
    :raises Conflict: when the service account is disabled.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    account = queries.service_account(service_account_id)
    require_assigning_all(actor, access.grants_of(account.id), at=at)
    if account.status != "active":
        raise Conflict("This service account is disabled.", remedy="Enable it first.")
    return _create(actor, account.id, "service", wish, at=at)


@operation
def revoke(*, actor: Actor, at: datetime, token_id: str, reason: str = "") -> TokenView:
    """Revoke a token at once: one's own, a token itself, or, with the permission, somebody else's.

    :raises Denied: without ``org:service-accounts:manage`` (service) or ``org:people:manage`` (personal).
    :raises NotFound: when there is none.
    :raises Conflict: when it has been revoked already.
    """
    try:
        token = queries.token(token_id)
    except NotFound:
        if actor.kind == "anonymous":
            raise Denied("Sign in first.", permission="token.revoke") from None
        raise
    if token.subject != actor.id:
        personal = token.kind == "personal"
        require(actor, Permission.ORG_PEOPLE_MANAGE if personal else Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    staged = accounts.stage_revocation(token, at=at)
    record(action=TOKEN_REVOKED, actor=actor, at=at, staged=[staged], reason=reason, detail={"subject": token.subject})
    return queries.token(token_id)


def require_step_up(actor: Actor, *, at: datetime) -> None:
    """A stolen session must not leave a token behind.

    :raises NeedsMfa: as ``decisions.step_up``.
    """
    if actor.interactive and not actor.recent_mfa(at=at) and enforcing.must_prove(actor.id):
        raise NeedsMfa(
            "To make a token you need a second factor, proved a short while ago.",
            permission="token.create",
            remedy="Confirm it is you, then go on.",
        )


def _create(actor: Actor, subject: str, kind: Kind, wish: TokenWish, *, at: datetime) -> NewToken:
    check_permissions(wish.permissions)
    check_days(wish.days)
    require_known(wish.scope)
    more: dict[str, Any] = {"purpose": clean_purpose(wish.purpose), "vouched_by": actor.id}
    if wish.renew_days is not None:
        if kind != "service":
            raise Invalid("Only a service account's token rotates itself.", fields={"renew_days": "Leave it out."})
        check_days(wish.renew_days, field="renew_days")
        more["renewable_until"] = clock.text(at + timedelta(days=wish.renew_days))
    staged, text = accounts.stage_token(
        kind=kind,
        subject=subject,
        name=wish.name,
        permissions=None if wish.permissions is None else tuple(wish.permissions),
        edition=EDITION,
        project=wish.scope.project,
        environment=wish.scope.environment,
        created_by=actor.id,
        expires_at=at + timedelta(days=wish.days),
        at=at,
        more=more,
    )
    record(action=TOKEN_CREATED, actor=actor, at=at, staged=[staged], detail={"kind": kind, "subject": subject})
    return NewToken(token=queries.token(staged.id), text=text)


def check_permissions(permissions: frozenset[str] | None) -> None:
    """Refuse what no token can be narrowed to. None, which is no narrowing, is right.

    :raises Invalid: for an unknown permission, one that no token has, or none at all.
    """
    unknown = sorted((permissions or frozenset()) - set(GRANTABLE))
    if unknown:
        raise Invalid(
            "A token cannot have some of these permissions.",
            fields={"permissions": f"Not possible for tokens: {', '.join(unknown)[:200]}."},
        )
    if permissions is not None and not permissions:
        raise Invalid("The token could do nothing.", fields={"permissions": "Choose at least one, or do not narrow."})


def check_days(days: int, *, field: str = "days") -> None:
    """Refuse a lifetime that no token has.

    :raises Invalid: naming ``field``.
    """
    if not 1 <= days <= TOKEN_LIFETIME_MAX.days:
        raise Invalid(
            "A token must expire.", fields={field: f"Choose a lifetime of 1 to {TOKEN_LIFETIME_MAX.days} days."}
        )
