"""The life of a change request: draft -> in review <-> changes requested -> approved (-> scheduled) -> applied.

It ends otherwise as rejected, withdrawn or expired.

Every function takes a request and returns the next one, or raises and says why. Permissions of the organisation are
checked by the operations; what makes a decision trustworthy is in :mod:`trust` and called from here, so that no path
leads round it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ensign.control.changes.domain import plans, trust
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.emergency import Opening, require_break_glass
from ensign.control.changes.domain.requests import (
    OPEN,
    Approval,
    ChangeRequest,
    Decision,
    Mode,
    PolicyInForce,
    Status,
)
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid

MAX_OPERATIONS = 200
MAX_REVIEWERS = 20


def _require(request: ChangeRequest, states: frozenset[Status], act: str) -> None:
    if request.status not in states:
        raise Conflict(f"This request is {request.status.replace('_', ' ')}; it cannot be {act}.", code="wrong-state")


_EDITABLE: frozenset[Status] = frozenset({"draft", "in_review", "changes_requested", "approved", "scheduled"})
_REVIEWED: frozenset[Status] = frozenset({"in_review", "approved", "scheduled"})


def approved_status(request: ChangeRequest) -> Status:
    """What a request is once it has its approvals: approved, or scheduled where a time was set before."""
    return "scheduled" if request.schedule is not None and request.schedule.state == "pending" else "approved"


def edit(
    request: ChangeRequest,
    *,
    by: str,
    at: datetime,
    operations: Sequence[Operation],
    base: Mapping[str, int],
    title: str,
    reason: str,
    behind: Collection[str] = (),
    days: int | None = None,
) -> ChangeRequest:
    """Replace what it says. Voids every approval and its schedule, begins a new round, and makes ``by`` a contributor
    for ever.

    ``days``: how long it may wait from now on, if it waits for a review; None leaves that as it is.
    ``behind`` are the people who stand behind ``by`` now; they stay barred from approving it, as ``by`` does.
    """
    _require(request, _EDITABLE, "edited")
    if len(operations) > MAX_OPERATIONS:
        raise Invalid(f"A request holds at most {MAX_OPERATIONS} operations.", fields={"operations": "Too many."})
    contributors = request.contributors
    if by != request.author and by not in contributors:
        contributors = (*contributors, by)
    digest = change_digest(project=request.project, environment=request.environment, operations=operations, base=base)
    return replace(
        request,
        title=title,
        reason=reason,
        operations=tuple(operations),
        base=dict(base),
        digest=digest,
        contributors=contributors,
        behind=tuple(sorted({*request.behind, *behind} - {by})),
        approvals=(),
        round=request.round if request.status == "draft" else request.round + 1,
        status="in_review" if request.status in _REVIEWED else request.status,
        schedule=None,
        expires_at=request.expires_at if request.status == "draft" or days is None else at + timedelta(days=days),
        updated_at=at,
    )


def submit(request: ChangeRequest, *, by: str, at: datetime, policy: PolicyInForce) -> ChangeRequest:
    """Put it up for review. Only who wrote or edited it does; where the policy asks for nothing it is approved."""
    if by not in request.authors:
        raise Denied(
            "Only who wrote or edited this request submits it.",
            permission="change:draft",
            scope=f"{request.project}/{request.environment}",
            code="not-involved",
        )
    _require(request, frozenset({"draft", "changes_requested"}), "submitted")
    missing = {}
    if not request.operations:
        missing["operations"] = "There is nothing to change yet."
    if not request.title.strip():
        missing["title"] = "Say in a few words what this is for."
    if policy.requires_reason and not request.reason.strip():
        missing["reason"] = "The policy of this environment asks for a reason."
    if missing:
        raise Invalid("This request cannot be submitted yet.", fields=missing)
    status: Status = "approved" if policy.required == 0 else "in_review"
    ends = at + timedelta(days=policy.request_days)
    return replace(request, status=status, submitted_at=at, expires_at=ends, updated_at=at)


def ask(request: ChangeRequest, *, reviewers: Sequence[str], at: datetime) -> ChangeRequest:
    """Ask these people and groups, and nobody else, to look at it. Voids nothing: what it says is the same.

    :raises Invalid: when one of them can never approve it. :raises Conflict: when it is closed.
    """
    _require(request, OPEN, "given reviewers")
    asked = tuple(dict.fromkeys(reviewers))
    if len(asked) > MAX_REVIEWERS:
        raise Invalid(f"At most {MAX_REVIEWERS} can be asked.", fields={"reviewers": "Too many: ask a group."})
    if not request.barred.isdisjoint(asked):
        raise Invalid(
            "Who wrote or edited a request, or stood behind a service account that did, cannot review it.",
            fields={"reviewers": "Ask somebody who had no part in it."},
        )
    return replace(request, reviewers=asked, updated_at=at)


def expire(request: ChangeRequest, *, at: datetime) -> ChangeRequest:
    """End what nobody came for in time. Final.

    :raises Conflict: when it is not due.
    """
    if not request.due(at):
        raise Conflict("This request is not due to expire.", code="wrong-state")
    return replace(request, approvals=(), schedule=None, status="expired", updated_at=at)


def approve(
    request: ChangeRequest,
    actor: Actor,
    *,
    at: datetime,
    digest: str,
    policy: PolicyInForce,
    current: Mapping[str, int],
    judges: trust.Judges,
    signature: Mapping[str, Any] | None = None,
) -> ChangeRequest:
    """Add ``actor``'s approval of ``digest``, which must be what they saw and what the request still says; with the
    ``signature`` of a passkey where the policy asks for one.

    :raises Denied: when they may not approve this, or the signature is not good; NeedsMfa when a second factor is
        lacking.
    :raises Conflict: when it changed meanwhile, isn't in review, or must be signed.
    """
    refusal = trust.refusal_to_approve(request, actor, at=at, policy=policy, judges=judges)
    if refusal is not None:
        raise refusal
    if digest != request.digest:
        raise Conflict(
            "This request changed since you looked at it. Nothing was approved.",
            remedy="Look at it as it is now, then decide.",
            code="digest-mismatch",
        )
    trust.require_unmoved(request, current)
    given = Approval(
        person=actor.id, at=at, digest=request.digest, policy=policy.ref, round=request.round, signature=signature
    )
    trust.require_signed(request, given, policy=policy, signing=judges.signing)
    decided = replace(
        request,
        approvals=(*request.approvals, given),
        decisions=(*request.decisions, Decision(person=actor.id, kind="approve", at=at, round=request.round)),
        updated_at=at,
    )
    judged = trust.verdict(decided, at=at, policy=policy, judges=judges)
    return replace(decided, status=approved_status(decided) if judged.enough else "in_review")


def without_approvals_of(
    request: ChangeRequest,
    person: str,
    *,
    at: datetime,
    policy: PolicyInForce,
    judges: trust.Judges,
) -> ChangeRequest:
    """Void the approvals of somebody who left. What they decided stays told; what lacks it now is in review again."""
    _require(request, _EDITABLE, "changed")
    left = replace(
        request, approvals=tuple(given for given in request.approvals if given.person != person), updated_at=at
    )
    if request.status not in {"approved", "scheduled"}:
        return left
    judged = trust.verdict(left, at=at, policy=policy, judges=judges)
    return replace(left, status=request.status if judged.enough else "in_review")


def _decided(request: ChangeRequest, by: str, at: datetime, kind: str, status: Status) -> ChangeRequest:
    decision = Decision(person=by, kind="reject" if kind == "reject" else "request_changes", at=at, round=request.round)
    decided = (*request.decisions, decision)
    return replace(request, decisions=decided, approvals=(), status=status, schedule=None, updated_at=at)


def request_changes(request: ChangeRequest, *, by: str, at: datetime) -> ChangeRequest:
    """Send it back to its author. Voids the approvals given so far, and what comes back is a new round."""
    _require(request, _REVIEWED, "sent back")
    sent = _decided(request, by, at, "request_changes", "changes_requested")
    return replace(sent, round=request.round + 1)


def reject(request: ChangeRequest, *, by: str, at: datetime) -> ChangeRequest:
    """End it without applying. Final."""
    _require(request, _REVIEWED | {"changes_requested"}, "rejected")
    return _decided(request, by, at, "reject", "rejected")


def withdraw(request: ChangeRequest, *, by: str, at: datetime) -> ChangeRequest:
    """Its author, or who edited it, takes it back. Final."""
    if by not in request.authors:
        raise Denied(
            "Only who wrote or edited this request withdraws it.",
            permission="change:draft",
            scope=f"{request.project}/{request.environment}",
            remedy="A reviewer can reject it.",
            code="not-involved",
        )
    _require(request, _EDITABLE, "withdrawn")
    return replace(request, approvals=(), status="withdrawn", schedule=None, updated_at=at)


def applied(
    request: ChangeRequest,
    actor: Actor,
    *,
    at: datetime,
    policy: PolicyInForce,
    current: Mapping[str, int],
    judges: trust.Judges,
    mode: Mode = "request",
    underway: plans.Underway | None = None,
    opening: Opening | None = None,
) -> ChangeRequest:
    """Apply it: the only function that makes a request ``applied``.

    ``mode`` "standard" is for what needs no approval anywhere (switching off); "direct" for what is proposed and
    applied in one act, where the policy asks for no approval; "plan" for a step of the approved plan that is
    ``underway``. None of them can be reached with what was a request before. "break-glass" is an emergency under
    ``opening``: what the policy asks for stays told, and is reviewed afterwards.

    :raises Conflict: when it changed, was not approved, or its approvals no longer count. :raises Denied: see trust.
    """
    digest = change_digest(
        project=request.project,
        environment=request.environment,
        operations=request.operations,
        base=current,
    )
    judged = trust.verdict(request, at=at, policy=policy, judges=judges)
    if mode == "standard":
        if not all(operation.type == "flag.disable" for operation in request.operations):
            raise Denied(
                "Only switching off is a standard change.",
                permission="flag:kill",
                scope=f"{request.project}/{request.environment}",
                code="not-standard",
            )
        judged = trust.Verdict(counted=(), required=0)
    required, emergency = judged.required, mode == "break-glass"
    if mode == "plan":
        judged = plans.require_step_of_plan(request, actor, underway=underway, at=at, policy=policy)
        required = judged.required
    if emergency:
        require_break_glass(opening, request, actor, at=at)
        judged = replace(judged, required=0, absent=(), lacks=())
    trust.require_in_time(request, at=at)
    trust.require_unmoved(request, current)
    trust.require_applicable(
        request,
        digest=digest,
        current=current,
        judged=judged,
        direct=mode != "request",
        emergency=emergency,
        acting=request.author if mode == "plan" else trust.acting(request, actor, at=at),
    )
    return replace(
        request,
        status="applied",
        applied_at=at,
        applied_by=actor.id,
        updated_at=at,
        submitted_at=request.submitted_at or at,
        mode=mode,
        approvals=judged.counted,
        required=required,
        policy=policy.ref,
        schedule=None if request.schedule is None else replace(request.schedule, state="done"),
    )
