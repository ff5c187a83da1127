"""Service accounts: identities of pipelines and tools, which outlive the people who made them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ensign.control.access import queries as access
from ensign.control.access.assigning import require_assigning_all
from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import accounts, actions, queries
from ensign.control.identity.domain import ServiceAccountView, clean_name
from ensign.control.identity.models import ServiceAccount
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.ids import new_id

PURPOSE_MAX = 500


@operation
def create(*, actor: Actor, at: datetime, name: str, purpose: str, owner: str) -> ServiceAccountView:
    """Make a service account without any role. ``owner`` is the id of the active person who answers for it.

    :raises Denied: without ``org:service-accounts:manage``.
    :raises Invalid: when purpose or owner are missing.
    :raises Conflict: when the name is taken.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    state = {**_described(name, purpose, owner), "status": "active"}
    row = stage(ServiceAccount, id=new_id("svc", at=at), state=state)
    record(action=actions.SERVICE_ACCOUNT_CREATED, actor=actor, at=at, staged=[row])
    return queries.service_account(row.id)


@operation
def update(
    *, actor: Actor, at: datetime, service_account_id: str, name: str, purpose: str, owner: str
) -> ServiceAccountView:
    """Change name, purpose or owner.

    :raises Denied: without ``org:service-accounts:manage``.
    :raises Invalid: when purpose or owner are missing.
    :raises Conflict: when the name is taken.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    account = _locked(service_account_id)
    state = {**account.state, **_described(name, purpose, owner, but=account.pk)}
    if state != account.state:
        if state["owner"] != account.owner:
            # Whoever answered for it may know tokens that were made until now; findings ask.
            former = account.state.get("former_owners", [])
            state["former_owners"] = [*former, {"owner": account.owner, "until": clock.text(at)}]
        row = stage(ServiceAccount, id=account.pk, state=state, current=account)
        record(action=actions.SERVICE_ACCOUNT_UPDATED, actor=actor, at=at, staged=[row])
    return queries.service_account(service_account_id)


@operation
def take_over(*, actor: Actor, at: datetime, service_account_id: str, reason: str = "") -> ServiceAccountView:
    """Become its owner, leaving name and purpose as they are.

    :raises Denied: without ``org:service-accounts:manage``.
    :raises Conflict: when one owns it already, or it is disabled.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    account = _locked(service_account_id)
    if account.owner == actor.id or account.status != "active":
        raise Conflict("You own it already." if account.owner == actor.id else "This service account is disabled.")
    former = [*account.state.get("former_owners", []), {"owner": account.owner, "until": clock.text(at)}]
    row = stage(
        ServiceAccount,
        id=account.pk,
        state={**account.state, "owner": actor.id, "former_owners": former},
        current=account,
    )
    detail = {"owner": actor.id}
    record(action=actions.SERVICE_ACCOUNT_UPDATED, actor=actor, at=at, staged=[row], reason=reason, detail=detail)
    return queries.service_account(service_account_id)


@operation
def disable(*, actor: Actor, at: datetime, service_account_id: str, reason: str = "") -> ServiceAccountView:
    """Disable a service account and revoke all its tokens in the same transaction.

    :raises Denied: without ``org:service-accounts:manage``.
    :raises Conflict: when it is disabled already.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    account = _locked(service_account_id)
    if account.status == "disabled":
        raise Conflict("This service account is disabled already.")
    row = stage(ServiceAccount, id=account.pk, state={**account.state, "status": "disabled"}, current=account)
    tokens = accounts.stage_token_revocations(account.pk, at=at)
    record(
        action=actions.SERVICE_ACCOUNT_DISABLED,
        actor=actor,
        at=at,
        staged=[row, *tokens],
        reason=reason,
        detail={"tokens": len(tokens)},
    )
    return queries.service_account(service_account_id)


@operation
def enable(*, actor: Actor, at: datetime, service_account_id: str, reason: str = "") -> ServiceAccountView:
    """Enable a service account again; its grants count again, its tokens stay revoked.

    :raises Denied: without ``org:service-accounts:manage``, or unless they could give each role that comes back.
    :raises Conflict: when it is not disabled.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    account = _locked(service_account_id)
    if account.status == "active":
        raise Conflict("This service account is not disabled.")
    require_assigning_all(actor, access.grants_of(account.pk), at=at)
    row = stage(ServiceAccount, id=account.pk, state={**account.state, "status": "active"}, current=account)
    record(action=actions.SERVICE_ACCOUNT_ENABLED, actor=actor, at=at, staged=[row], reason=reason)
    return queries.service_account(service_account_id)


def _locked(id: str) -> ServiceAccount:
    row = ServiceAccount.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such service account.", remedy="See Service accounts.")
    return row


def _described(name: str, purpose: str, owner: str, *, but: str = "") -> dict[str, Any]:
    name, purpose = clean_name(name), purpose.strip()
    if not purpose or len(purpose) > PURPOSE_MAX:
        raise Invalid("Say what it is for.", fields={"purpose": f"Say in 1 to {PURPOSE_MAX} characters what it does."})
    if not owner.startswith("usr_") or not queries.is_active(owner):
        raise Invalid("Somebody must answer for it.", fields={"owner": "Choose an active person."})
    if ServiceAccount.objects.filter(name=name).exclude(pk=but).exists():
        raise Conflict("There is a service account of this name.", fields={"name": "Taken, perhaps by a disabled one."})
    return {"name": name, "purpose": purpose, "owner": owner}
