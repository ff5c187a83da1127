"""Making, changing and ending rules. All of it needs ``org:service-accounts:manage``, which no token confers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from ensign.control.access import queries as access
from ensign.control.access.assigning import require_assigning_all
from ensign.control.access.decisions import require
from ensign.control.access.permissions import EDITION, Permission
from ensign.control.access.places import require_known
from ensign.control.access.tokens import check_permissions
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.federation import actions, queries
from ensign.control.federation.domain import RuleView, RuleWish, check
from ensign.control.federation.issuers import ISSUERS, MAX_ISSUERS
from ensign.control.federation.models import FederationRule
from ensign.control.identity import accounts
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import clean_name
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.kernel.ids import new_id

MAX_RULES: Final = MAX_ISSUERS


@operation
def create(*, actor: Actor, at: datetime, service_account_id: str, wish: RuleWish) -> RuleView:
    """Let CI jobs of an issuer act as a service account.

    :raises Denied: without ``org:service-accounts:manage``, or unless they could give each role that it acts with;
        never by token.
    :raises Invalid: naming the field that is wrong; above all when the rule pins no repository.
    :raises Conflict: when the service account is disabled, or there are very many rules.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    account = identity.service_account(service_account_id)
    require_assigning_all(actor, access.grants_of(account.id), at=at)
    if account.status != "active":
        raise Conflict("This service account is disabled.", remedy="Enable it first.")
    if FederationRule.objects.filter(status="active").count() >= MAX_RULES:
        raise Conflict(f"There are {MAX_RULES} rules already.", remedy="End those that nobody needs.")
    said = _said(wish)
    state = {
        **said,
        "service_account": account.id,
        "status": "active",
        "created_by": actor.id,
        "created_at": clock.text(at),
        "changed_by": actor.id,
    }
    staged = stage(FederationRule, id=new_id("fed", at=at), state=state)
    record(action=actions.RULE_CREATED, actor=actor, at=at, staged=[staged], detail=_detail(state))
    ISSUERS.forget(said["issuer"])
    return queries.rule(staged.id)


@operation
def change(*, actor: Actor, at: datetime, rule_id: str, wish: RuleWish) -> RuleView:
    """Change what a rule says. Tokens that were made by it before end at once: they may have had more.

    :raises Denied: without ``org:service-accounts:manage``; never by token.
    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when the rule has ended.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    row = _locked(rule_id)
    require_assigning_all(actor, access.grants_of(row.service_account), at=at)
    state = {**row.state, **_said(wish)}
    if state != row.state:
        state["changed_by"] = actor.id
        ended = accounts.stage_federated_revocations(state["service_account"], row.pk, at=at)
        staged = stage(FederationRule, id=row.pk, state=state, current=row)
        detail = {**_detail(state), "tokens": len(ended)}
        record(action=actions.RULE_CHANGED, actor=actor, at=at, staged=[staged, *ended], detail=detail)
        ISSUERS.forget(state["issuer"])
    return queries.rule(rule_id)


@operation
def end(*, actor: Actor, at: datetime, rule_id: str, reason: str = "") -> RuleView:
    """End a rule; the tokens made by it end in the same transaction.

    :raises Denied: without ``org:service-accounts:manage``; never by token.
    :raises Conflict: when it has ended already.
    """
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    row = _locked(rule_id)
    state = {**row.state, "status": "ended", "changed_by": actor.id}
    ended = accounts.stage_federated_revocations(state["service_account"], row.pk, at=at)
    staged = stage(FederationRule, id=row.pk, state=state, current=row)
    detail = {**_detail(state), "tokens": len(ended)}
    record(action=actions.RULE_ENDED, actor=actor, at=at, staged=[staged, *ended], reason=reason or None, detail=detail)
    return queries.rule(rule_id)


def _locked(id: str) -> FederationRule:
    row = FederationRule.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such rule.", remedy="See the service account's page.")
    if row.status != "active":
        raise Conflict("This rule has ended.", remedy="Make a new one.")
    return row


def _said(wish: RuleWish) -> dict[str, Any]:
    shape = check(wish)
    check_permissions(wish.permissions)
    require_known(wish.scope)
    return {
        "name": clean_name(wish.name),
        "shape": shape,
        "issuer": wish.issuer,
        "audience": wish.audience,
        "claims": dict(wish.claims),
        "permissions": None if wish.permissions is None else sorted(wish.permissions),
        "edition": EDITION,
        "project": wish.scope.project,
        "environment": wish.scope.environment,
        "minutes": wish.minutes,
    }


def _detail(state: dict[str, Any]) -> dict[str, Any]:
    """What stands in clear: no claims, as a repository may carry a person's name."""
    return {"subject": state["service_account"], "issuer": state["issuer"], "minutes": state["minutes"]}
