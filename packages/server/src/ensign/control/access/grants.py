"""Giving and ending roles. Nobody gives a role to themselves, nor to a group that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ensign.control.access import staging
from ensign.control.access.actions import GRANT_ENDED, GRANT_GIVEN
from ensign.control.access.decisions import denied, held, view
from ensign.control.access.domain import ORGANISATION, Decision, GrantView, Scope, subject_kind
from ensign.control.access.models import Grant
from ensign.control.access.permissions import NEVER_BY_TOKEN, Permission
from ensign.control.access.places import require_known
from ensign.control.access.roles import ROLES
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A role asked for: where, and until when (None: no end)."""

    role: str
    scope: Scope = ORGANISATION
    ends_at: datetime | None = None


@operation
def give(*, actor: Actor, at: datetime, subject: str, wish: Wish, reason: str = "") -> GrantView:
    """Give a role to a person, group or service account.

    :raises Denied: without ``org:access:grant`` (or ``project:access:grant`` in the project), or to oneself.
    :raises Invalid: for an unknown role, subject or place, an end in the past, a role that says nothing in the scope.
    :raises Conflict: when the same role is held there already.
    """
    decision = require_granting(actor, wish.scope, at=at)
    check_not_oneself(actor, subject, wish.scope, decision)
    staged = stage_wish(subject, wish, granted_by=actor.id, at=at)
    where = Where(project=wish.scope.project, environment=wish.scope.environment)
    detail = {"role": wish.role, "subject": subject}
    record(action=GRANT_GIVEN, actor=actor, at=at, staged=[staged], where=where, reason=reason, detail=detail)
    return view(Grant.objects.get(pk=staged.id))


@operation
def end(*, actor: Actor, at: datetime, grant_id: str, reason: str = "") -> GrantView:
    """End a grant at once. One's own may be given up, but the last administrator's stays.

    :raises Denied: without the permission that giving it would need.
    :raises NotFound: when there is none.
    :raises Conflict: when it has ended already, or nobody could grant any more.
    """
    row = Grant.objects.select_for_update().filter(pk=grant_id).first()
    if row is None:
        raise NotFound("There is no such grant.", remedy="See Access.")
    grant = view(row)
    if grant.subject != actor.id or not actor.interactive:
        require_granting(actor, grant.scope, at=at)
    if grant.status != "active":
        raise Conflict("This grant has been ended already.")
    if Permission.ORG_ACCESS_GRANT in ROLES[grant.role].permissions and grant.scope == ORGANISATION:
        require_another_granter(without_grant=grant.id, without_person=None, at=at)
    where = Where(project=grant.scope.project, environment=grant.scope.environment)
    record(
        action=GRANT_ENDED,
        actor=actor,
        at=at,
        staged=[staging.stage_grant_end(row, ended_by=actor.id)],
        where=where,
        reason=reason,
        detail={"role": grant.role, "subject": grant.subject},
    )
    return view(Grant.objects.get(pk=grant_id))


def stage_wish(subject: str, wish: Wish, *, granted_by: str, at: datetime) -> Staged:
    """A grant's row for a wish, after its rules.

    :raises Invalid: as :func:`give`.
    :raises Conflict: as :func:`give`.
    """
    role = ROLES.get(wish.role)
    if role is None:
        raise Invalid("There is no such role.", fields={"role": f"Choose one of {', '.join(ROLES)}."})
    if wish.ends_at is not None and wish.ends_at <= at:
        raise Invalid("The grant would be over already.", fields={"ends_at": "Choose an end in the future."})
    if role.key == "admin" and wish.scope.environment is not None:
        raise Invalid(
            "Administration is not narrowed to an environment.",
            fields={"environment": "Give this role in the whole project."},
        )
    require_known(wish.scope)
    _check_subject(subject, wish)
    same = Grant.objects.filter(subject=subject, role=wish.role, status="active")
    for row in same.select_for_update():
        grant = view(row)
        if grant.scope == wish.scope and (grant.ends_at is None or grant.ends_at > at):
            raise Conflict(
                "This role is held there already.",
                remedy="End the present grant first, if it should have another end.",
                fields={"role": "Held already."},
            )
    return staging.stage_grant(
        subject=subject,
        role=wish.role,
        scope=wish.scope,
        granted_by=granted_by,
        starts_at=at,
        ends_at=wish.ends_at,
        at=at,
    )


def require_granting(actor: Actor, scope: Scope, *, at: datetime) -> Decision:
    """Whoever may grant in the organisation may grant anywhere; whoever may in a project, in that project.

    :raises Denied: otherwise.
    """
    holds = held(actor, at=at)
    decision = holds.decide(Permission.ORG_ACCESS_GRANT)
    if decision.allowed or scope.project is None:
        if not decision.allowed:
            raise denied(decision, Permission.ORG_ACCESS_GRANT, scope)
        return decision
    within = holds.decide(Permission.PROJECT_ACCESS_GRANT, Scope(scope.project))
    if not within.allowed:
        raise denied(within, Permission.PROJECT_ACCESS_GRANT, scope)
    return within


def check_not_oneself(actor: Actor, subject: str, scope: Scope, decision: Decision) -> None:
    """Refuse a role for oneself, directly or through a group.

    :raises Denied: a person with ``org:access:grant`` is no exception.
    """
    oneself = subject == actor.id or (subject_kind(subject) == "group" and actor.id in identity.group(subject).members)
    if oneself:
        reason = "Nobody gives a role to themselves, nor to a group that they belong to."
        refusal = Decision(allowed=False, code="own-access", reason=reason, grants=decision.grants)
        error = denied(refusal, Permission.ORG_ACCESS_GRANT, scope)
        error.remedy = "Ask another administrator to give it."
        raise error


def require_another_granter(*, without_grant: str | None, without_person: str | None, at: datetime) -> None:
    """Refuse to leave the organisation without anybody who can give roles.

    :raises Conflict: when nobody else active holds ``org:access:grant``.
    """
    active = {person.id for person in identity.people(status="active")} - {without_person}
    members = identity.members()
    for row in Grant.objects.filter(status="active").exclude(pk=without_grant or ""):
        grant = view(row)
        if not (grant.in_force(at=at) and grant.covers(Permission.ORG_ACCESS_GRANT, ORGANISATION)):
            continue
        holders = members.get(grant.subject, ()) if grant.subject_kind == "group" else (grant.subject,)
        if active.intersection(holders):
            return
    raise Conflict(
        "Nobody would be left who can give roles.",
        remedy="Make somebody else an administrator first.",
        code="last-administrator",
    )


def _check_subject(subject: str, wish: Wish) -> None:
    kind = subject_kind(subject)
    try:
        if kind == "person":
            usable = identity.person(subject).status not in {"disabled", "erased"}
        elif kind == "group":
            usable = identity.group(subject).status == "active"
        elif kind == "service":
            usable = identity.service_account(subject).status == "active"
        else:
            raise NotFound("There is no such subject.")
    except NotFound as error:
        raise Invalid(
            "Nobody has this id.", fields={"subject": "Choose a person, a group or a service account."}
        ) from error
    if not usable:
        raise Invalid("This subject is not active.", fields={"subject": "Reactivate it first."})
    if kind == "service" and wish.role in UNFIT_FOR_SERVICES:
        raise Invalid(
            "A service account cannot hold this role, as no token can use it.",
            fields={"role": "Approving and administering are done by people."},
        )


#: Roles whose point a token can never use.
UNFIT_FOR_SERVICES = frozenset(role.key for role in ROLES.values() if role.permissions & NEVER_BY_TOKEN)
