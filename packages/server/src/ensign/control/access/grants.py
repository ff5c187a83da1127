"""Giving and ending roles, and moving their ends. Nobody gives a role to themselves, nor to a group of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access import segregation, staging, two_people
from ensign.control.access.actions import GRANT_ENDED, GRANT_GIVEN, GRANT_RESCHEDULED
from ensign.control.access.asked import RequestView
from ensign.control.access.assigning import (
    check_not_oneself,
    gives_everything,
    require_another_granter,
    require_assigning,
)
from ensign.control.access.catalogue import definitions
from ensign.control.access.decisions import view, views
from ensign.control.access.domain import ANY_FLAG, ORGANISATION, GrantView, Narrowing, Scope, reaches, subject_kind
from ensign.control.access.models import Grant
from ensign.control.access.permissions import About
from ensign.control.access.places import known_narrowing, require_known
from ensign.control.access.roles import ROLES, Role, unfit_for_services
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import Staged
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound

REASON_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A role asked for: where, for which flags, from when (None: at once) until when (None: no end)."""

    role: str
    scope: Scope = ORGANISATION
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    narrowing: Narrowing = ANY_FLAG


@operation
def give(*, actor: Actor, at: datetime, subject: str, wish: Wish, reason: str = "") -> GrantView | RequestView:
    """Give a role to a person, group or service account. What takes two people (``two_people``) becomes a request that
    waits for the second one.

    :raises Denied: without ``org:access:grant`` (or ``project:access:grant`` in the project) by a role that lists this
        one, or to oneself.
        Also for a pair of permissions that is kept apart (code ``toxic-pair``).
    :raises Invalid: for an unknown role, subject or place, a time in the past, a role that says nothing in the scope;
        without a reason, where it takes two people and there is no second one.
    :raises Conflict: when the same role is held there already, or the same waits for a second person.
    """
    decision = require_assigning(actor, definitions([wish.role])[wish.role], wish.scope, at=at)
    check_not_oneself(actor, subject, wish.scope, decision)
    return give_wish(actor=actor, at=at, subject=subject, wish=wish, reason=reason)


def give_wish(*, actor: Actor, at: datetime, subject: str, wish: Wish, reason: str) -> GrantView | RequestView:
    """The second half of :func:`give`, inside the write door, once it is decided that ``actor`` may give it."""
    staged = stage_wish(subject, wish, granted_by=actor.id, at=at, reason=reason)
    role = definitions([wish.role])[wish.role]
    segregation.check_gain(subject, [segregation.wished(subject=subject, role=role, scope=wish.scope, at=at)], at=at)
    where = Where(project=wish.scope.project, environment=wish.scope.environment)
    detail: dict[str, Any] = {"role": wish.role, "subject": subject}
    rows = [staged]
    if two_people.needed(role, wish.scope):
        asked = two_people.asked(wish.role, wish.scope, wish.narrowing)
        plan = two_people.Plan(
            kind="grant", subject=subject, roles=(asked,), starts_at=wish.starts_at, ends_at=wish.ends_at
        )
        waiting = two_people.begin(actor=actor, at=at, plan=plan, reason=clean_reason(reason))
        if waiting is not None:
            return waiting
        row, facts = two_people.sole(actor=actor, at=at, plan=plan, reason=reason, grant=staged.id)
        rows.append(row)
        detail |= facts
    record(action=GRANT_GIVEN, actor=actor, at=at, staged=rows, where=where, reason=reason, detail=detail)
    return view(Grant.objects.get(pk=staged.id))


@operation
def end(*, actor: Actor, at: datetime, grant_id: str, reason: str = "") -> GrantView:
    """End a grant at once. One's own may be given up, but the last administrator's stays.

    :raises Denied: without what giving it would need.
    :raises NotFound: when there is none.
    :raises Conflict: when it has ended already, or nobody could grant any more.
    """
    row, grant = _locked(grant_id)
    if grant.subject != actor.id or not actor.interactive:
        require_assigning(actor, grant.definition, grant.scope, at=at)
    if grant.status != "active":
        raise Conflict("This grant has been ended already.")
    if gives_everything(grant.definition, grant.scope):
        require_another_granter(without_grant=grant.id, at=at)
    return _record(GRANT_ENDED, actor, grant, staging.stage_grant_end(row, ended_by=actor.id), reason=reason, at=at)


@operation
def reschedule(
    *, actor: Actor, at: datetime, grant_id: str, ends_at: datetime | None, reason: str = ""
) -> GrantView | RequestView:
    """Move the end of a grant: sooner, later, or (None) away. To end it now, see :func:`end`. A later end of what takes
    two people becomes a request that waits for the second one.

    Somebody may bring the end of their own role forward, but nobody puts off that of their own.

    :raises Denied: without what giving it would need; to oneself, for a later end.
    :raises NotFound: when there is none.
    :raises Invalid: for an end in the past or before the start.
    :raises Conflict: when it is over, or nobody could grant any more.
    """
    row, grant = _locked(grant_id)
    later = grant.ends_at is not None and (ends_at is None or ends_at > grant.ends_at)
    if later or grant.subject != actor.id or not actor.interactive:
        decision = require_assigning(actor, grant.definition, grant.scope, at=at)
        if later:
            check_not_oneself(actor, grant.subject, grant.scope, decision)
    if grant.over(at=at):
        raise Conflict("This grant is over already.", remedy="Give the role again.")
    _check_times(max(at, grant.starts_at), ends_at, at=at)
    if later:
        _check_subject(grant.subject, grant.definition)
    if ends_at is not None and gives_everything(grant.definition, grant.scope):
        require_another_granter(without_grant=grant.id, at=at)
    if ends_at == grant.ends_at:
        return grant
    moved = staging.stage_grant_until(row, ends_at=ends_at)
    if later and two_people.needed(grant.definition, grant.scope):
        return _extend(actor, grant, moved, ends_at=ends_at, reason=reason, at=at)
    return _record(GRANT_RESCHEDULED, actor, grant, moved, reason=clean_reason(reason), at=at)


def _extend(
    actor: Actor, grant: GrantView, moved: Staged, *, ends_at: datetime | None, reason: str, at: datetime
) -> GrantView | RequestView:
    """A later end of what takes two people: held until the second confirms it, or done by one where there is none."""
    asked = two_people.asked(grant.role, grant.scope, grant.narrowing)
    plan = two_people.Plan(kind="extension", subject=grant.subject, roles=(asked,), extends=grant.id, ends_at=ends_at)
    waiting = two_people.begin(actor=actor, at=at, plan=plan, reason=clean_reason(reason))
    if waiting is not None:
        return waiting
    alone, facts = two_people.sole(actor=actor, at=at, plan=plan, reason=reason, grant=grant.id)
    return _record(GRANT_RESCHEDULED, actor, grant, moved, alone, reason=clean_reason(reason), at=at, facts=facts)


def stage_wish(subject: str, wish: Wish, *, granted_by: str, at: datetime, reason: str = "") -> Staged:
    """A grant's row for a wish, after its rules.

    :raises Invalid: as :func:`give`.
    :raises Conflict: as :func:`give`.
    """
    role = _known_role(wish.role)
    starts_at = wish.starts_at or at
    _check_times(starts_at, wish.ends_at, at=at)
    narrowing = known_narrowing(wish.narrowing)
    _check_says_something(role, wish.scope, narrowing)
    require_known(wish.scope)
    _check_subject(subject, role)
    same = Grant.objects.select_for_update().filter(subject=subject, role=wish.role, status="active").order_by("pk")
    for grant in views(same):
        elsewhere = grant.scope != wish.scope or grant.narrowing != narrowing
        apart = (grant.ends_at is not None and grant.ends_at <= starts_at) or (
            wish.ends_at is not None and wish.ends_at <= grant.starts_at
        )
        if not (elsewhere or apart):
            raise Conflict(
                "This role is held there already.",
                remedy="Move the end of the present grant instead, if it should have another.",
                fields={"role": "Held already."},
            )
    return staging.stage_grant(
        subject=subject,
        role=wish.role,
        scope=wish.scope,
        narrowing=narrowing,
        granted_by=granted_by,
        starts_at=starts_at,
        ends_at=wish.ends_at,
        reason=clean_reason(reason),
        at=at,
    )


def clean_reason(text: str) -> str:
    """A reason, trimmed.

    :raises Invalid: when it is too long.
    """
    text = text.strip()
    if len(text) > REASON_MAX:
        raise Invalid("The reason is too long.", fields={"reason": f"Use at most {REASON_MAX:,} characters."})
    return text


def _known_role(key: str) -> Role:
    role = definitions([key])[key]
    if role.archived:
        raise Invalid(f"The role {role.name} was archived.", fields={"role": "Choose one that is in use."})
    if not role.permissions:
        raise Invalid("There is no such role.", fields={"role": f"Choose {', '.join(ROLES)} or a custom role."})
    return role


def _locked(grant_id: str) -> tuple[Grant, GrantView]:
    row = Grant.objects.select_for_update().filter(pk=grant_id).first()
    if row is None:
        raise NotFound("There is no such grant.", remedy="See Access.")
    return row, view(row)


def _record(
    action: Action,
    actor: Actor,
    grant: GrantView,
    *staged: Staged,
    reason: str,
    at: datetime,
    facts: Mapping[str, Any] | None = None,
) -> GrantView:
    where = Where(project=grant.scope.project, environment=grant.scope.environment)
    detail = {"role": grant.role, "subject": grant.subject, **(facts or {})}
    record(action=action, actor=actor, at=at, staged=staged, where=where, reason=reason, detail=detail)
    return view(Grant.objects.get(pk=grant.id))


def _check_times(starts_at: datetime, ends_at: datetime | None, *, at: datetime) -> None:
    if starts_at < at:
        raise Invalid("A role is not given for the past.", fields={"starts_at": "Choose now or a time to come."})
    if ends_at is not None and ends_at <= at:
        raise Invalid("The grant would be over already.", fields={"ends_at": "Choose an end in the future."})
    if ends_at is not None and ends_at <= starts_at:
        raise Invalid("The role would end before it begins.", fields={"ends_at": "Choose an end after the start."})


def _check_says_something(role: Role, scope: Scope, narrowing: Narrowing) -> None:
    if role.key == "admin" and scope.environment is not None:
        raise Invalid(
            "Administration is not narrowed to an environment.",
            fields={"environment": "Give this role in the whole project."},
        )
    inside = Scope(scope.project or "*", scope.environment or "*")
    left = [permission for permission in role.permissions if reaches(scope, permission, inside)]
    if not left:
        field = "project" if scope.environment is None else "environment"
        raise Invalid(f"{role.name} says nothing there.", fields={field: "Give this role in a wider place."})
    if narrowing and not any(permission.about is About.FLAGS for permission in left):
        raise Invalid(
            f"{role.name} changes no flag there, so that there is nothing to narrow.",
            fields={"tags": "Leave flag types and tags empty."},
        )


def _check_subject(subject: str, role: Role) -> None:
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
    if kind == "service" and unfit_for_services(role):
        raise Invalid(
            "A service account cannot hold this role, as no token can use it.",
            fields={"role": "Approving and administering are done by people."},
        )
