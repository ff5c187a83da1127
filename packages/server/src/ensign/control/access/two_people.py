"""Giving somebody the approval of production, the right to do without it, deciding who is who (``roles.STANDING``), or
the right to give either, takes two people who may; neither gets it.

The first begins a request, the second confirms it (``requests``). Where nobody else could confirm, as in a team of
which only one may give roles yet, it goes through with a reason, says so in its entry (``sole_granter``) and is a
finding until a second person has reviewed it. See docs/adr/0021.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access import as_of
from ensign.control.access.actions import ACCESS_REQUESTED
from ensign.control.access.asked import ANSWER_WITHIN, RequestKind, RequestView, RoleAsked, request_of
from ensign.control.access.catalogue import definitions
from ensign.control.access.domain import ORGANISATION, GrantView, Narrowing, Scope, subject_kind
from ensign.control.access.models import AccessRequest
from ensign.control.access.permissions import Permission
from ensign.control.access.places import reaches_protected
from ensign.control.access.roles import (
    EVERY,
    Role,
    confers_approval,
    confers_emergencies,
    confers_granting,
    confers_standing_for,
)
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.kernel.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a request is about. ``roles`` are those that somebody comes to hold by it."""

    kind: RequestKind
    subject: str
    roles: tuple[RoleAsked, ...]
    group: str | None = None
    managed_by: str | None = None
    extends: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    minutes: int | None = None


def needed(role: Role, scope: Scope) -> bool:
    """Whether giving ``role`` in ``scope`` takes two: it confers approving, or doing without approval in an emergency,
    where something is protected, deciding how people sign in, or giving a role that does one of these. Whoever could
    make the second person alone, such as another administrator, would be both.

    A grant in a whole project counts, though nothing in it may be protected yet: it reaches what is added later.
    """
    decides = (
        confers_approval(role) or confers_emergencies(role) or (scope == ORGANISATION and confers_standing_for(role))
    )
    return reaches_protected(scope) and (decides or gives_approval(role, scope))


def gives_approval(role: Role, scope: Scope) -> bool:
    """Whether holding ``role`` in ``scope`` lets one give a role that approves changes, or decides how people sign
    in.
    """
    if not confers_granting(role):
        return False
    named = definitions(role.assigns - {EVERY}).values()
    return (EVERY in role.assigns and scope == ORGANISATION) or any(confers_standing_for(one) for one in named)


def any_needed(grants: Iterable[GrantView], *, at: datetime) -> bool:
    """Whether one of these grants, unless it is over, would take two to be given."""
    return any(not grant.over(at=at) and needed(grant.definition, grant.scope) for grant in grants)


def granters(roles: Iterable[RoleAsked], *, at: datetime) -> frozenset[str]:
    """Ids of the active people who may give every one of ``roles``."""
    wanted = list(roles)
    meaning = definitions(one.role for one in wanted)
    able: set[str] | None = None
    lines = [line for line in as_of.now(at=at).lines if line.kind == "person"]
    for one in wanted:
        role, place = meaning[one.role], Scope(one.scope.project)
        found = {
            line.subject
            for line in lines
            if line.grant.definition.may_assign(role, everywhere=line.grant.scope == ORGANISATION)
            and (
                line.grant.covers(Permission.ORG_ACCESS_GRANT, ORGANISATION)
                or (place.project is not None and line.grant.covers(Permission.PROJECT_ACCESS_GRANT, place))
            )
        }
        able = found if able is None else able & found
    return frozenset(able or ())


def others(plan: Plan, *, but: Iterable[str], at: datetime) -> frozenset[str]:
    """Who could confirm: may give all of it, gets none of it, and is not among ``but``."""
    return granters(plan.roles, at=at) - set(but) - gets_it(plan.subject)


def gets_it(subject: str) -> frozenset[str]:
    """The people who would hold it: the subject, or the members of the group that is the subject."""
    if subject_kind(subject) == "group":
        return frozenset(identity.group(subject).members)
    return frozenset({subject})


def begin(*, actor: Actor, at: datetime, plan: Plan, reason: str) -> RequestView | None:
    """Hold it until a second person confirms; None when nobody else could (then see :func:`sole`).

    The first granter's approval is theirs by beginning it.

    :raises Conflict: when the same waits already.
    """
    if not others(plan, but=(actor.id,), at=at):
        return None
    row = open_request(actor=actor, at=at, plan=plan, reason=reason, needed=2, approvals=[actor.id])
    return _recorded(actor, at, plan, row, reason)


def open_request(
    *, actor: Actor, at: datetime, plan: Plan, reason: str, needed: int, approvals: Sequence[str] = ()
) -> Staged:
    """An open request's row.

    :raises Conflict: when the same waits already.
    """
    waiting = AccessRequest.objects.select_for_update().filter(subject=plan.subject, status="open").order_by("pk")
    for row in waiting:
        known = view(row)
        same = known.roles == plan.roles and (known.group, known.extends) == (plan.group, plan.extends)
        if same and known.open(at=at):
            raise Conflict(
                "The same waits for an answer already.",
                remedy="See Requests for access.",
                fields={"role": "Asked for already."},
            )
    state = _state(actor, plan, reason, at=at)
    state |= {"needed": needed, "approvals": [{"by": id, "at": clock.text(at)} for id in approvals]}
    return stage(AccessRequest, id=new_id("arq", at=at), state=state)


def sole(*, actor: Actor, at: datetime, plan: Plan, reason: str, grant: str | None) -> tuple[Staged, dict[str, Any]]:
    """The row of a request that nobody else could confirm, granted by one person; and what its entry says of it.

    :raises Invalid: without a reason.
    """
    if not reason.strip():
        raise Invalid(
            "Nobody else could confirm this, so it needs a reason.",
            remedy="Say why; whoever comes to give roles next reviews it.",
            fields={"reason": "You are the only one who may give this role: say why."},
        )
    state = _state(actor, plan, reason, at=at)
    state |= {
        "needed": 2,
        "approvals": [{"by": actor.id, "at": clock.text(at)}],
        "status": "granted",
        "decided_by": actor.id,
        "decided_at": clock.text(at),
        "grant": grant,
        "sole": True,
    }
    row = stage(AccessRequest, id=new_id("arq", at=at), state=state)
    return row, {"request": row.id, "sole_granter": True}


def view(row: AccessRequest) -> RequestView:
    """A request's row as a value."""
    return request_of(row.pk, row.state, version=row.version, ledger_seq=row.ledger_seq)


def asked(role: str, scope: Scope, narrowing: Narrowing) -> RoleAsked:
    """One role asked for."""
    return RoleAsked(role=role, scope=scope, narrowing=narrowing)


def roles_of(grants: Iterable[GrantView], *, at: datetime) -> tuple[RoleAsked, ...]:
    """The roles of grants that are not over."""
    return tuple(asked(g.role, g.scope, g.narrowing) for g in grants if not g.over(at=at))


def where_of(plan_roles: Sequence[RoleAsked]) -> Where:
    """The place of an entry about one role; with several none is named."""
    if len(plan_roles) != 1:
        return Where()
    return Where(project=plan_roles[0].scope.project, environment=plan_roles[0].scope.environment)


def _recorded(actor: Actor, at: datetime, plan: Plan, row: Staged, reason: str) -> RequestView:
    record(
        action=ACCESS_REQUESTED,
        actor=actor,
        at=at,
        staged=[row],
        where=where_of(plan.roles),
        reason=reason,
        detail={"kind": plan.kind, "subject": plan.subject, "roles": sorted({one.role for one in plan.roles})},
    )
    return view(AccessRequest.objects.get(pk=row.id))


def _state(actor: Actor, plan: Plan, reason: str, *, at: datetime) -> dict[str, Any]:
    return {
        "kind": plan.kind,
        "subject": plan.subject,
        "grants": [one.to_state() for one in plan.roles],
        "group": plan.group,
        "managed_by": plan.managed_by,
        "extends": plan.extends,
        "starts_at": None if plan.starts_at is None else clock.text(plan.starts_at),
        "ends_at": None if plan.ends_at is None else clock.text(plan.ends_at),
        "minutes": plan.minutes,
        "reason": reason.strip(),
        "requested_by": actor.id,
        "requested_at": clock.text(at),
        "expires_at": clock.text(at + ANSWER_WITHIN),
        "status": "open",
        "decided_by": None,
        "decided_at": None,
        "answer": "",
        "grant": None,
        "sole": False,
        "reviewed_by": None,
        "reviewed_at": None,
    }
