"""Personal and service tokens: shown once, stored hashed, always expiring, never able to approve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

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
from ensign.control.identity.domain import TOKEN_LIFETIME, TOKEN_LIFETIME_MAX, TokenView
from ensign.control.identity.operations import own_account
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """What a token should be. ``permissions`` None: all that its owner has and a token can."""

    name: str
    days: int = TOKEN_LIFETIME.days
    permissions: frozenset[str] | None = None
    scope: Scope = ORGANISATION


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
        service = token.kind == "service"
        require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE if service else Permission.ORG_PEOPLE_MANAGE, at=at)
    staged = accounts.stage_revocation(token)
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


def _create(actor: Actor, subject: str, kind: str, wish: TokenWish, *, at: datetime) -> NewToken:
    unknown = sorted((wish.permissions or frozenset()) - set(GRANTABLE))
    if unknown:
        raise Invalid(
            "A token cannot have some of these permissions.",
            fields={"permissions": f"Not possible for tokens: {', '.join(unknown)[:200]}."},
        )
    if wish.permissions is not None and not wish.permissions:
        raise Invalid("The token could do nothing.", fields={"permissions": "Choose at least one, or do not narrow."})
    if not 1 <= wish.days <= TOKEN_LIFETIME_MAX.days:
        raise Invalid(
            "A token must expire.", fields={"days": f"Choose a lifetime of 1 to {TOKEN_LIFETIME_MAX.days} days."}
        )
    require_known(wish.scope)
    staged, text = accounts.stage_token(
        kind="service" if kind == "service" else "personal",
        subject=subject,
        name=wish.name,
        permissions=None if wish.permissions is None else tuple(wish.permissions),
        edition=EDITION,
        project=wish.scope.project,
        environment=wish.scope.environment,
        created_by=actor.id,
        expires_at=at + timedelta(days=wish.days),
        at=at,
    )
    record(action=TOKEN_CREATED, actor=actor, at=at, staged=[staged], detail={"kind": kind, "subject": subject})
    return NewToken(token=queries.token(staged.id), text=text)
