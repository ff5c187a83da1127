"""Who may give which role where: the one place that every way to a role passes.

The permission says where somebody gives roles (``org:access:grant`` anywhere, ``project:access:grant`` in a project),
the role that confers it says which (``Role.assigns``); they need not hold those themselves. Giving a role, changing its
end, adding somebody to a group that holds it, inviting somebody with it, bringing back somebody who still has it and
changing what a role means for those who hold it: all of these give, and all ask here (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ensign.control.access.decisions import Held, denied, held, step_up, views
from ensign.control.access.domain import ORGANISATION, Decision, GrantView, Scope, subject_kind
from ensign.control.access.models import Grant
from ensign.control.access.permissions import Permission
from ensign.control.access.roles import EVERY, Role
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict


def assigning(holds: Held, role: Role, scope: Scope) -> Decision:
    """Whether what is held lets ``role`` be given in ``scope``, and by which grants."""
    everywhere = holds.decide(Permission.ORG_ACCESS_GRANT)
    within = None if scope.project is None else holds.decide(Permission.PROJECT_ACCESS_GRANT, Scope(scope.project))
    if not everywhere.allowed and (within is None or not within.allowed):
        return everywhere if within is None else within
    found = [g.id for g in _sources(holds, scope) if g.definition.may_assign(role, everywhere=g.scope == ORGANISATION)]
    if not found:
        reason = f"Your roles let you give some roles there, but not {role.name}."
        return Decision(allowed=False, code="not-assignable", reason=reason)
    return Decision(allowed=True, code="granted", reason="Your roles let you give it.", grants=tuple(found))


def require_assigning(actor: Actor, role: Role, scope: Scope, *, at: datetime, holds: Held | None = None) -> Decision:
    """:func:`assigning`, or else a refusal that becomes an entry.

    :raises Denied: code ``not-assignable`` when they give roles there, but not this one.
    :raises NeedsMfa: as ``decisions.step_up``.
    """
    decision = assigning(held(actor, at=at) if holds is None else holds, role, scope)
    if not decision.allowed:
        error = denied(decision, _permission(scope), scope)
        if decision.code == "not-assignable":
            error.remedy = "Ask somebody whose role lists it, such as an administrator of the whole organisation."
        raise error
    step_up(actor, _permission(scope), scope, at=at)
    return decision


def require_assigning_all(actor: Actor, grants: Iterable[GrantView], *, at: datetime) -> None:
    """That the actor could give each of ``grants`` that is not over: for what lets somebody have them by another way.

    :raises Denied: naming the first role that they could not give.
    """
    holds: Held | None = None
    for grant in grants:
        if grant.over(at=at):
            continue
        holds = held(actor, at=at) if holds is None else holds
        require_assigning(actor, grant.definition, grant.scope, at=at, holds=holds)


def may_assign_any(holds: Held, scope: Scope) -> bool:
    """Whether the person may give any role at all in ``scope``: to offer it."""
    return any(grant.definition.assigns for grant in _sources(holds, scope))


def assignable(holds: Held, roles: Iterable[Role]) -> tuple[Role, ...]:
    """Those of ``roles`` that the person may give somewhere."""
    places = {ORGANISATION, *(Scope(grant.scope.project) for grant in holds.grants if grant.scope.project is not None)}
    return tuple(role for role in roles if any(assigning(holds, role, place).allowed for place in places))


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


def gives_everything(role: Role, scope: Scope) -> bool:
    """Whether holding ``role`` in ``scope`` lets one give every role everywhere: somebody must always be able to."""
    return scope == ORGANISATION and role.confers(Permission.ORG_ACCESS_GRANT) and EVERY in role.assigns


def require_another_granter(
    *,
    without_grant: str | None = None,
    without_person: str | None = None,
    without_role: str | None = None,
    at: datetime,
) -> None:
    """Refuse to leave the organisation without anybody who can give every role.

    :raises Conflict: when nobody else active can.
    """
    active = {person.id for person in identity.people(status="active")} - {without_person}
    members = identity.members()
    for grant in views(Grant.objects.filter(status="active").exclude(pk=without_grant or "")):
        if grant.role == without_role or not grant.in_force(at=at):
            continue
        if not gives_everything(grant.definition, grant.scope):
            continue
        holders = members.get(grant.subject, ()) if grant.subject_kind == "group" else (grant.subject,)
        if active.intersection(holders):
            return
    raise Conflict(
        "Nobody would be left who can give roles.",
        remedy="Make somebody else an administrator first.",
        code="last-administrator",
    )


def _sources(holds: Held, scope: Scope) -> list[GrantView]:
    """The grants that let roles be given in ``scope``, if what is held is not narrowed or refused otherwise."""
    found: list[GrantView] = []
    if holds.allows(Permission.ORG_ACCESS_GRANT):
        found += holds.conferring(Permission.ORG_ACCESS_GRANT)
    within = Scope(scope.project)
    if scope.project is not None and holds.allows(Permission.PROJECT_ACCESS_GRANT, within):
        found += holds.conferring(Permission.PROJECT_ACCESS_GRANT, within)
    return found


def _permission(scope: Scope) -> Permission:
    return Permission.ORG_ACCESS_GRANT if scope.project is None else Permission.PROJECT_ACCESS_GRANT
