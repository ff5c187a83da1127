"""Requests for access: asking for a role for oneself for a while, and confirming what takes a second person.

Only people in a session with a recent second factor approve, by the permission to give the very role; never who gets it
and never who asked. Everything is checked again at the last approval, in the transaction in which the role is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ensign.control.access import segregation, staging, two_people
from ensign.control.access.actions import (
    ACCESS_REQUEST_APPROVED,
    ACCESS_REQUEST_EXPIRED,
    ACCESS_REQUEST_REFUSED,
    ACCESS_REQUEST_WITHDRAWN,
    ACCESS_REQUESTED,
    GRANT_GIVEN,
    GRANT_RAN_OUT,
    GRANT_RESCHEDULED,
    GRANT_REVIEWED,
)
from ensign.control.access.asked import OWN_MAX, RequestView, RoleAsked
from ensign.control.access.assigning import require_assigning
from ensign.control.access.catalogue import definitions
from ensign.control.access.decisions import denied, held, require_recent_mfa, view
from ensign.control.access.domain import ANY_FLAG, Decision, GrantView, Narrowing, Scope
from ensign.control.access.grants import Wish, clean_reason, stage_wish
from ensign.control.access.memberships import stage_joining
from ensign.control.access.models import AccessRequest, Grant
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity.actions import MEMBER_ADDED
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound

#: Who writes the entries of what ends by itself.
BY_ITSELF = system("access")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """What the last approval does: rows to stage, and the entry for it."""

    action: Action
    rows: tuple[Staged, ...]
    where: Where
    detail: dict[str, Any]
    grant: str | None


@operation
def ask(
    *,
    actor: Actor,
    at: datetime,
    role: str,
    scope: Scope,
    lasts: timedelta,
    reason: str,
    narrowing: Narrowing = ANY_FLAG,
) -> RequestView:
    """Ask for a role for oneself, for ``lasts`` from the approval on. Takes one who may give it, or two where giving
    it takes two.

    :raises Denied: for who is not an active person.
    :raises Invalid: without a reason, for a time over 30 days, for an unknown role or place.
    :raises Conflict: when it is held there already, or the same waits for an answer.
    """
    holds = held(actor, at=at)
    if actor.kind != "person" or holds.refusal is not None:
        refusal = holds.refusal or Decision(allowed=False, code="not-a-person", reason="Only people ask for access.")
        raise denied(refusal, Permission.ORG_ACCESS_GRANT, scope)
    reason = clean_reason(reason)
    if not reason:
        raise Invalid("A reason is missing.", fields={"reason": "Say what you need it for."})
    minutes = round(lasts.total_seconds() / 60)
    if not 1 <= minutes <= OWN_MAX.total_seconds() / 60:
        raise Invalid("Ask for a while.", fields={"lasts": f"At most {OWN_MAX.days} days, at least a minute."})
    wish = Wish(role=role, scope=scope, ends_at=at + lasts, narrowing=narrowing)
    stage_wish(actor.id, wish, granted_by=actor.id, at=at, reason=reason)  # for its rules; nothing is written
    meaning = definitions([role])[role]
    segregation.check_gain(actor.id, [segregation.wished(subject=actor.id, role=meaning, scope=scope, at=at)], at=at)
    needed = 2 if two_people.needed(meaning, scope) else 1
    asked = two_people.asked(role, scope, wish.narrowing)
    plan = two_people.Plan(kind="own", subject=actor.id, roles=(asked,), minutes=minutes)
    row = two_people.open_request(actor=actor, at=at, plan=plan, reason=reason, needed=needed)
    detail = {"kind": "own", "subject": actor.id, "roles": [role], "minutes": minutes}
    where = two_people.where_of(plan.roles)
    record(action=ACCESS_REQUESTED, actor=actor, at=at, staged=[row], where=where, reason=reason, detail=detail)
    return _read(row.id)


@operation
def approve(*, actor: Actor, at: datetime, request_id: str, reason: str = "") -> RequestView:
    """Approve a request; with the last approval that it needs, what it asks for counts from this moment.

    :raises Denied: by token; for who gets it or asked for it; without what giving it would need; for a toxic pair.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises NotFound: when there is none.
    :raises Conflict: when it was answered or has expired, or the actor approved it before.
    """
    row, request = _locked(request_id)
    _require_answering(actor, request, at=at)
    require_recent_mfa(
        actor,
        Permission.ORG_ACCESS_GRANT,
        "Approving access needs your second factor, proved within the last 30 minutes.",
        at=at,
    )
    _require_open(request, at=at)
    if any(said.by == actor.id for said in request.approvals):
        raise Conflict("You approved this already.", remedy="Somebody else has to, too.")
    able = two_people.granters(request.roles, at=at)
    standing = [said for said in request.approvals if said.by in able]  # who lost the say since then no longer counts
    said = [{"by": one.by, "at": clock.text(one.at)} for one in standing] + [{"by": actor.id, "at": clock.text(at)}]
    needed = _needed(request)
    state = {**row.state, "approvals": said, "needed": needed}
    left = able - two_people.gets_it(request.subject) - {str(one["by"]) for one in said} - {request.requested_by}
    alone = len(said) == needed - 1 and not left
    if len(said) < needed and not alone:
        return _note(row, state, ACCESS_REQUEST_APPROVED, actor, request, at=at, reason=reason)
    return _complete(row, state, actor, request, at=at, reason=reason, sole=alone)


@operation
def refuse(*, actor: Actor, at: datetime, request_id: str, reason: str) -> RequestView:
    """Refuse a request, by whoever could approve it.

    :raises Denied: by token; for who gets it or asked for it; without what giving it would need.
    :raises Invalid: without a reason.
    :raises Conflict: when it was answered or has expired.
    """
    row, request = _locked(request_id)
    _require_answering(actor, request, at=at)
    _require_open(request, at=at)
    answer = clean_reason(reason)
    if not answer:
        raise Invalid("A refusal needs a reason.", fields={"reason": "Say why, so that they can ask better."})
    state = {**row.state, **_decided("refused", actor, at), "answer": answer}
    return _note(row, state, ACCESS_REQUEST_REFUSED, actor, request, at=at, reason=answer)


@operation
def withdraw(*, actor: Actor, at: datetime, request_id: str) -> RequestView:
    """Take back a request that one made oneself.

    :raises Denied: for anybody else.
    :raises Conflict: when it was answered or has expired.
    """
    row, request = _locked(request_id)
    if request.requested_by != actor.id:
        raise Denied(
            "Only who asked withdraws a request.",
            permission=str(Permission.ORG_ACCESS_GRANT),
            remedy="Refuse it instead, if you may give the role.",
            code="not-involved",
        )
    _require_open(request, at=at)
    state = {**row.state, **_decided("withdrawn", actor, at)}
    return _note(row, state, ACCESS_REQUEST_WITHDRAWN, actor, request, at=at)


@operation
def review(*, actor: Actor, at: datetime, request_id: str, reason: str) -> RequestView:
    """Say afterwards that a role given by one person alone is right. If it is not, end the role instead.

    :raises Denied: by token; for who gave or holds it; without what giving it would need.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Invalid: without a reason.
    :raises Conflict: when there is nothing to review.
    """
    row, request = _locked(request_id)
    _require_answering(actor, request, at=at)
    require_recent_mfa(
        actor,
        Permission.ORG_ACCESS_GRANT,
        "Reviewing access needs your second factor, proved within the last 30 minutes.",
        at=at,
    )
    if not request.sole or any(said.by == actor.id for said in request.approvals):
        raise Conflict("There is nothing here for you to review.")
    if request.reviewed_by is not None:
        raise Conflict("This was reviewed already.")
    if not clean_reason(reason):
        raise Invalid("A review needs its grounds.", fields={"reason": "Say why the role is right."})
    state = {**row.state, "reviewed_by": actor.id, "reviewed_at": clock.text(at)}
    return _note(row, state, GRANT_REVIEWED, actor, request, at=at, reason=reason)


def tick(*, at: datetime) -> int:
    """Write the entries of what ended by itself: requests that nobody answered, roles that ran out. How many."""
    done = 0
    for pk in [row.pk for row in AccessRequest.objects.filter(status="open") if not two_people.view(row).open(at=at)]:
        done += _expire(actor=BY_ITSELF, at=at, request_id=pk)
    for pk in [row.pk for row in Grant.objects.filter(status="active") if grant_over(row, at=at)]:
        done += _run_out(actor=BY_ITSELF, at=at, grant_id=pk)
    return done


@operation
def _expire(*, actor: Actor, at: datetime, request_id: str) -> bool:
    row, request = _locked(request_id)
    if request.status != "open" or request.open(at=at):
        return False
    _note(row, {**row.state, **_decided("expired", actor, at)}, ACCESS_REQUEST_EXPIRED, actor, request, at=at)
    return True


@operation
def _run_out(*, actor: Actor, at: datetime, grant_id: str) -> bool:
    row = Grant.objects.select_for_update().get(pk=grant_id)
    if row.status != "active" or not grant_over(row, at=at):
        return False
    grant = view(row)
    where = Where(project=grant.scope.project, environment=grant.scope.environment)
    detail = {"role": grant.role, "subject": grant.subject}
    staged = [staging.stage_grant_end(row, ended_by=actor.id)]
    record(action=GRANT_RAN_OUT, actor=actor, at=at, staged=staged, where=where, detail=detail)
    return True


def _require_answering(actor: Actor, request: RequestView, *, at: datetime) -> None:
    permission = str(Permission.ORG_ACCESS_GRANT)
    if not actor.interactive:
        raise Denied(
            "An answer about access is given in person, never by a token.",
            permission=permission,
            remedy="Sign in.",
            code="approval-by-token",
        )
    if actor.id == request.requested_by or actor.id in two_people.gets_it(request.subject):
        raise Denied(
            "Nobody answers what they asked for or would get themselves.",
            permission=permission,
            remedy="Ask somebody else who may give the role.",
            code="own-access",
        )
    meaning = definitions(one.role for one in request.roles)
    for one in request.roles:
        require_assigning(actor, meaning[one.role], one.scope, at=at)


def _needed(request: RequestView) -> int:
    """How many approve it: what a role means and what is protected may have changed since it was asked for.

    Other kinds than ``own`` are requests only because they take two, of whom a person or a provider is one already.
    """
    if request.kind != "own":
        return request.needed
    meaning = definitions(one.role for one in request.roles)
    two = any(two_people.needed(meaning[one.role], one.scope) for one in request.roles)
    return max(request.needed, 2 if two else 1)


def _complete(
    row: AccessRequest,
    state: dict[str, Any],
    actor: Actor,
    request: RequestView,
    *,
    at: datetime,
    reason: str,
    sole: bool,
) -> RequestView:
    by = actor.id if request.kind == "own" else request.requested_by
    act = _act(request, by=by, at=at)
    approvers = [one["by"] for one in state["approvals"]]
    state |= {**_decided("granted", actor, at), "grant": act.grant, "sole": sole}
    detail = {**act.detail, "request": row.pk, "requested_by": request.requested_by, "approved_by": approvers}
    if sole:
        detail["sole_granter"] = True
    state["answer"] = clean_reason(reason)
    decided = stage(AccessRequest, id=row.pk, state=state, current=row)
    said = request.reason or reason.strip()
    rows = [decided, *act.rows]
    record(action=act.action, actor=actor, at=at, staged=rows, where=act.where, reason=said, detail=detail)
    return _read(row.pk)


def _act(request: RequestView, *, by: str, at: datetime) -> _Act:
    """What it asks for, staged after all of its rules."""
    if request.kind == "membership" and request.group is not None:
        return _join(request, request.group, by=by, at=at)
    if request.kind == "extension" and request.extends is not None:
        return _extend(request, request.extends, at=at)
    (asked,) = request.roles
    ends_at = request.ends_at if request.lasts is None else at + request.lasts
    starts_at = request.starts_at if request.starts_at is not None and request.starts_at > at else None
    _check_duties(request.subject, request.roles, at=at)
    wish = Wish(role=asked.role, scope=asked.scope, starts_at=starts_at, ends_at=ends_at, narrowing=asked.narrowing)
    grant = stage_wish(request.subject, wish, granted_by=by, at=at, reason=request.reason)
    detail = {"role": asked.role, "subject": request.subject}
    where = two_people.where_of(request.roles)
    return _Act(action=GRANT_GIVEN, rows=(grant,), where=where, detail=detail, grant=grant.id)


def _join(request: RequestView, group: str, *, by: str, at: datetime) -> _Act:
    present = two_people.roles_of(_grants_of(group), at=at)
    if set(present) - set(request.roles):
        raise Conflict("The group holds other roles now.", remedy="Add the person to it again.")
    _check_duties(request.subject, present, at=at)
    member = stage_joining(group, request.subject, added_by=by, at=at, managed_by=request.managed_by)
    detail = {"group": group, "person": request.subject}
    return _Act(action=MEMBER_ADDED, rows=(member,), where=Where(), detail=detail, grant=None)


def _extend(request: RequestView, grant_id: str, *, at: datetime) -> _Act:
    row = Grant.objects.select_for_update().get(pk=grant_id)
    grant = view(row)
    if grant.over(at=at):
        raise Conflict("This role is over already.", remedy="Give it again.")
    if request.ends_at is not None and request.ends_at <= at:
        raise Conflict("The new end has passed already.", remedy="Refuse this, and choose another end.")
    detail = {"role": grant.role, "subject": grant.subject}
    where = two_people.where_of(request.roles)
    moved = staging.stage_grant_until(row, ends_at=request.ends_at)
    return _Act(action=GRANT_RESCHEDULED, rows=(moved,), where=where, detail=detail, grant=grant.id)


def _check_duties(subject: str, roles: Sequence[RoleAsked], *, at: datetime) -> None:
    meaning = definitions(one.role for one in roles)
    gained = [segregation.wished(subject=subject, role=meaning[one.role], scope=one.scope, at=at) for one in roles]
    segregation.check_gain(subject, gained, at=at)


def _grants_of(group: str) -> list[GrantView]:
    return [view(row) for row in Grant.objects.filter(subject=group, status="active").order_by("pk")]


def _decided(status: str, actor: Actor, at: datetime) -> dict[str, Any]:
    return {"status": status, "decided_by": actor.id, "decided_at": clock.text(at)}


def _note(
    row: AccessRequest,
    state: dict[str, Any],
    action: Action,
    actor: Actor,
    request: RequestView,
    *,
    at: datetime,
    reason: str = "",
) -> RequestView:
    """Write the row's next state with an entry that gives nothing."""
    staged = stage(AccessRequest, id=row.pk, state=state, current=row)
    detail = {"request": row.pk, "subject": request.subject, "roles": sorted({one.role for one in request.roles})}
    where = two_people.where_of(request.roles)
    record(action=action, actor=actor, at=at, staged=[staged], where=where, reason=reason, detail=detail)
    return _read(row.pk)


def _locked(request_id: str) -> tuple[AccessRequest, RequestView]:
    row = AccessRequest.objects.select_for_update().filter(pk=request_id).first()
    if row is None:
        raise NotFound("There is no such request.", remedy="See Requests for access.")
    return row, two_people.view(row)


def _read(request_id: str) -> RequestView:
    return two_people.view(AccessRequest.objects.get(pk=request_id))


def _require_open(request: RequestView, *, at: datetime) -> None:
    if request.status != "open":
        raise Conflict(f"This request is not open any more: {request.status}.")
    if not request.open(at=at):
        raise Conflict("Nobody answered this request in time.", remedy="Ask again.")


def grant_over(row: Grant, *, at: datetime) -> bool:
    """Whether its end has passed."""
    ends_at = row.state["ends_at"]
    return ends_at is not None and clock.parse(ends_at) <= at
