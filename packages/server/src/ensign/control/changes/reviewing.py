"""Deciding on requests: approve, request changes, reject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.changes import actions, drafting, signing
from ensign.control.changes.applying import Applied
from ensign.control.changes.discussing import stage_comment
from ensign.control.changes.domain import lifecycle
from ensign.control.changes.domain.requests import ChangeRequest, DecisionKind
from ensign.control.changes.domain.signing import in_entry
from ensign.control.changes.domain.world import Ref
from ensign.control.changes.loading import (
    facts_now,
    joined_policy,
    judges,
    load,
    policy_for,
    reached,
)
from ensign.control.changes.models import Request
from ensign.control.changes.rights import may_stop
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, EnsignError, Invalid, NotFound
from ensign.control.projects import policies

_ACTIONS: dict[DecisionKind, Action] = {
    "approve": actions.APPROVED,
    "request_changes": actions.CHANGES_REQUESTED,
    "reject": actions.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """The request after a decision. ``applied`` is set when the last approval applied it, ``not_applied`` says why it
    could not although the policy wanted it.
    """

    request: ChangeRequest
    version: int
    applied: Applied | None = None
    not_applied: str = ""


@operation
def review(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    decision: DecisionKind,
    digest: str,
    text: str = "",
    expected_version: int | None = None,
    answer: str = "",
) -> Reviewed:
    """Decide on a request. ``digest`` is that of the change the reviewer has seen; to reject and to send back takes
    a comment. ``answer`` is what the browser's passkey answered to :func:`signing.ask`: the approval's signature.

    :raises Denied: for authors and editors, tokens, who is not entitled, and a signature that does not hold; NeedsMfa
        without a recent second factor.
    :raises Conflict: when it changed meanwhile; nothing is decided.
    """
    row, request = drafting.lock_request(request_id, expected_version=expected_version)
    if request.status == "draft":
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    if decision == "approve":
        decided = _approved(request, actor=actor, at=at, digest=digest, answer=answer)
    else:
        decided = _stopped(request, actor=actor, at=at, decision=decision, text=text)
    staged = stage(Request, id=request.id, state=decided.to_state(), current=row)
    said = stage_comment(request, actor=actor, at=at, text=text, kind=decision)
    record(
        action=_ACTIONS[decision],
        actor=actor,
        at=at,
        staged=[staged] if said is None else [staged, said],
        where=Where(project=request.project, environment=request.environment),
        detail={"request": request.id, "round": request.round, "digest": request.digest, **_signed(decided, decision)},
    )
    return Reviewed(request=decided, version=staged.version)


def _signed(decided: ChangeRequest, decision: DecisionKind) -> dict[str, Any]:
    """What the entry of a signed approval says for whoever verifies it (docs/reference/ledger-format, 3.6)."""
    given = decided.approvals[-1] if decision == "approve" else None
    if given is None or given.signature is None:
        return {}
    return {"policy": given.policy, "at": clock.text(given.at), "signature": in_entry(given.signature)}


def _approved(request: ChangeRequest, *, actor: Actor, at: datetime, digest: str, answer: str) -> ChangeRequest:
    place = {"project": request.project, "environment": request.environment}
    keys = reached(operations=request.operations, **place)
    found = policies.policies_of(request.project, keys, lock=True)
    loaded = load(refs=[Ref.parse(name) for name in request.base], lock=True, **place)
    policy = joined_policy(found, facts_now(request, at=at))
    signature = signing.accept(request, actor=actor, at=at, answer=answer) if answer else None
    named = [] if signature is None else [signature["key"]]
    people = judges(request, environments=keys, flags=loaded.world.flags, at=at, keys=named, lock=True)
    return lifecycle.approve(
        request,
        actor,
        at=at,
        digest=digest,
        policy=policy,
        current=loaded.versions,
        judges=people,
        signature=signature,
    )


def _stopped(request: ChangeRequest, *, actor: Actor, at: datetime, decision: DecisionKind, text: str) -> ChangeRequest:
    """Stopping takes the right to review in any environment reached, and a reason, but no second factor."""
    scope = Scope(request.project, request.environment)
    if not actor.interactive:
        raise Denied(
            "A token cannot decide on a request: that is an act of a person in a session.",
            permission=str(Permission.CHANGE_REVIEW),
            scope=str(scope),
            code="approval-by-token",
        )
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    rights = held(actor, at=at)
    if not may_stop(rights, request, environments=keys):
        rights.require(Permission.CHANGE_REVIEW, scope)
        # Held in the request's own environment, yet not for all that it touches.
        reason = "Your roles do not cover all that this request touches."
        raise Denied(reason, permission=str(Permission.CHANGE_REVIEW), scope=str(scope), code="other-flags")
    if actor.id in request.authors:
        raise Denied(
            "You wrote or edited this request: withdraw it instead.",
            permission=str(Permission.CHANGE_REVIEW),
            scope=str(scope),
            code="own-change",
        )
    if not text.strip():
        raise Invalid("Say why, so that its author knows what to do.", fields={"comment": "Write a sentence."})
    if decision == "reject":
        return lifecycle.reject(request, by=actor.id, at=at)
    return lifecycle.request_changes(request, by=actor.id, at=at)


def review_and_apply(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    decision: DecisionKind,
    digest: str,
    text: str = "",
    expected_version: int | None = None,
    answer: str = "",
) -> Reviewed:
    """:func:`review`; then, where the policy applies at once on the last approval, :func:`drafting.apply`.

    Two transactions: an approval stays when the apply fails, and whoever may applies it later. The approver, not the
    author, is who applied it.
    """
    done = review(
        actor=actor,
        at=at,
        request_id=request_id,
        decision=decision,
        digest=digest,
        text=text,
        expected_version=expected_version,
        answer=answer,
    )
    request = done.request
    if request.status != "approved":
        return done
    if not policy_for(request, at=at).apply_on_last_approval:
        return done
    try:
        applied = drafting.apply(actor=actor, at=at, request_id=request_id, expected_version=done.version)
    except EnsignError as failed:
        return Reviewed(request=request, version=done.version, not_applied=failed.message)
    return Reviewed(request=applied.request, version=done.version + 1, applied=applied)
