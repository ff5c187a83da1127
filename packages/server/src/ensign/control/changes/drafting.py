"""Writing requests: propose, collect edits in a draft, edit, submit, withdraw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from ensign.control.access.decisions import Held, held
from ensign.control.audit import rows as governed
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.changes import actions, gates
from ensign.control.changes.applying import Applied, apply_request
from ensign.control.changes.compiling import Compiled, compile_operations
from ensign.control.changes.domain import algebra, lifecycle
from ensign.control.changes.domain import tickets as references
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.gates import Asked, Phase
from ensign.control.changes.loading import behind, policy_for, reached
from ensign.control.changes.models import Request
from ensign.control.changes.policy_gates import waits
from ensign.control.changes.rights import may_apply, require_to_draft
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_text

Wish = Literal["apply", "submit", "draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What became of a proposal: a request with its row's version, applied already or waiting."""

    request: ChangeRequest
    version: int
    applied: Applied | None = None


def lock_request(id: str, *, expected_version: int | None = None) -> tuple[Request, ChangeRequest]:
    """The row, locked until the commit, and its value.

    :raises NotFound: when there is none. :raises Conflict: when it is not at ``expected_version``.
    """
    row = governed.row(Request, lock="update", id=id)
    if row is None:
        raise NotFound("There is no such change request.", remedy="Look at the list of requests.")
    if expected_version is not None and row.version != expected_version:
        raise Conflict(
            "The request changed since you looked at it. Nothing was done.",
            remedy="Look at it as it is now.",
            code="version-conflict",
        )
    return row, ChangeRequest.from_state(row.pk, row.state)


def write(
    request: ChangeRequest,
    *,
    row: Request | None,
    action: Action,
    actor: Actor,
    at: datetime,
    comment: str = "",
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Write the request's next version with an entry of its own; returns the version. ``detail`` stands in clear."""
    staged = stage(Request, id=request.id, state=request.to_state(), current=row)
    record(
        action=action,
        actor=actor,
        at=at,
        staged=[staged],
        where=Where(project=request.project, environment=request.environment),
        reason=comment or None,
        detail={"request": request.id, "round": request.round, **(detail or {})},
    )
    return staged.version


def _texts(title: str, reason: str, sentences: Sequence[str]) -> tuple[str, str]:
    """Title and reason as they may stand; without a title the first sentence is one."""
    title = check_text(title, field="title", limit=200).replace("\n", " ")
    if not title and sentences:
        title = sentences[0] if len(sentences[0]) <= 200 else sentences[0][:199] + "…"
    return title, check_text(reason, field="reason", limit=5_000)


def new_request(
    compiled: Compiled,
    *,
    actor: Actor,
    at: datetime,
    title: str,
    reason: str,
    reverts: str | None = None,
    tickets: Sequence[str] = (),
    promotes: str | None = None,
    incident: str | None = None,
    asked_by: Collection[str] = (),
) -> ChangeRequest:
    said = algebra.describe_all(compiled.before, compiled.operations)
    title, reason = _texts(title, reason, said)
    return ChangeRequest(
        id=ids.new_id("crq", at=at),
        project=compiled.before.project,
        environment=compiled.before.environment,
        title=title,
        reason=reason,
        author=actor.id,
        behind=tuple(sorted({*behind(actor), *asked_by} - {actor.id})),
        operations=compiled.operations,
        base=compiled.base,
        digest=compiled.digest,
        warnings=compiled.warnings,
        created_at=at,
        updated_at=at,
        reverts=reverts,
        tickets=references.clean(tickets),
        promotes=promotes,
        incident=incident,
    )


def _require_gates(
    request: ChangeRequest, compiled: Compiled, *, policy: PolicyInForce, at: datetime, phase: Phase
) -> None:
    gates.require(
        Asked(
            request=request,
            policy=policy,
            before=compiled.before,
            after=compiled.after,
            mode="request",
            at=at,
            phase=phase,
        )
    )


def place(
    request: ChangeRequest, compiled: Compiled, *, actor: Actor, at: datetime, wish: Wish, rights: Held
) -> Proposed:
    """Apply it at once where the policy asks for no approval and the actor may; else draft or submit it."""
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    policy = policy_for(request, at=at)
    if wish != "draft" and not request.operations:
        raise Invalid("There is nothing to change.", fields={"operations": "Name at least one operation."})
    if (
        wish == "apply"
        and policy.required == 0
        and not waits(request, policy, compiled.before, compiled.after, at=at)
        and may_apply(rights, project=request.project, environments=keys, operations=request.operations)
    ):
        # Nothing asks for a review, but a reason may be asked for all the same.
        lifecycle.submit(request, by=actor.id, at=at, policy=policy)
        done = apply_request(actor=actor, at=at, rights=rights, request=request, row=None, mode="direct")
        return Proposed(request=done.request, version=1, applied=done)
    if wish == "draft":
        return Proposed(request=request, version=write(request, row=None, action=actions.DRAFTED, actor=actor, at=at))
    submitted = lifecycle.submit(request, by=actor.id, at=at, policy=policy)
    _require_gates(request, compiled, policy=policy, at=at, phase="submit")
    return Proposed(request=submitted, version=write(submitted, row=None, action=actions.SUBMITTED, actor=actor, at=at))


@operation
def propose(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    operations: Sequence[Operation],
    title: str = "",
    reason: str = "",
    wish: Wish = "apply",
    tickets: Sequence[str] = (),
    promotes: str | None = None,
    incident: str | None = None,
    asked_by: Collection[str] = (),
) -> Proposed:
    """Propose a change; the policy decides what becomes of it.

    ``asked_by`` are people for whom Ensign proposes it: they stand behind it, as others behind a service account.

    With ``wish`` "apply" it applies at once where the policy asks for no approval and the actor may apply there, and is
    submitted for review everywhere else; "submit" always submits, "draft" only keeps it.

    :raises Denied: when the actor may not propose this here.
    :raises Invalid, Conflict, NotFound: when it could not apply as things stand; nothing is written.
    """
    projects.environment(project, environment)
    rights = held(actor, at=at)
    require_to_draft(rights, project=project, environment=environment, operations=operations)
    compiled = compile_operations(project=project, environment=environment, operations=operations, at=at)
    request = new_request(
        compiled, actor=actor, at=at, title=title, reason=reason, tickets=tickets, promotes=promotes,
        incident=incident, asked_by=asked_by,
    )  # fmt: skip
    return place(request, compiled, actor=actor, at=at, wish=wish, rights=rights)


def my_draft(actor: Actor, *, project: str, environment: str) -> Request | None:
    """The draft in which the actor's edits of one environment are collected, or None."""
    rows = Request.objects.filter(author=actor.id, project=project, environment=environment, status="draft")
    return rows.order_by("-id").first()


@operation
def collect(*, actor: Actor, at: datetime, project: str, environment: str, operations: Sequence[Operation]) -> Proposed:
    """Add operations to the actor's open draft in this environment, or begin one. Later edits replace earlier ones.

    :raises Denied, Invalid, Conflict, NotFound: as :func:`propose`.
    """
    draft = my_draft(actor, project=project, environment=environment)
    if draft is None:
        return propose(
            actor=actor, at=at, project=project, environment=environment, operations=operations, wish="draft"
        )
    _, request = lock_request(draft.pk)
    combined = algebra.compose(request.operations, operations)
    if not combined:
        return withdraw(actor=actor, at=at, request_id=request.id)
    return edit(actor=actor, at=at, request_id=request.id, operations=combined)


def _kept_base(request: ChangeRequest, current: Mapping[str, int], *, rebase: bool) -> dict[str, int]:
    """The versions that the author has seen: those of the old base stay, else an edit would hide a conflict."""
    if rebase:
        return dict(current)
    return {name: request.base.get(name, version) for name, version in current.items()}


@operation
def edit(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    operations: Sequence[Operation] | None = None,
    title: str | None = None,
    reason: str | None = None,
    rebase: bool = False,
    tickets: Sequence[str] | None = None,
    expected_version: int | None = None,
) -> Proposed:
    """Replace what an open request says; None leaves a member as it is. Voids every approval of it.

    ``rebase`` takes the state as it is now for the state that the editor has seen. No page or endpoint offers it;
    people carry a request over line by line (:func:`rebasing.rebase`), that nothing of theirs is overwritten unseen.
    Whoever edits becomes a contributor and can never approve it.

    :raises Denied: when the actor may not write this here; drafts belong to their author.
    :raises Conflict: when it is closed, or not at ``expected_version``.
    """
    row, request = lock_request(request_id, expected_version=expected_version)
    steps = request.operations if operations is None else tuple(operations)
    project, environment = request.project, request.environment
    require_to_draft(
        held(actor, at=at),
        project=project,
        environment=environment,
        operations=steps,
        replaced=request.operations,
    )
    if request.status == "draft" and actor.id != request.author:
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    if not request.open:
        raise Conflict(f"This request is {request.status}; it can no longer be edited.", code="wrong-state")
    compiled = compile_operations(project=project, environment=environment, operations=steps, at=at)
    texts = _texts(
        request.title if title is None else title,
        request.reason if reason is None else reason,
        algebra.describe_all(compiled.before, compiled.operations),
    )
    edited = lifecycle.edit(
        request,
        by=actor.id,
        at=at,
        operations=compiled.operations,
        base=_kept_base(request, compiled.base, rebase=rebase),
        title=texts[0],
        reason=texts[1],
        behind=behind(actor),
        days=policy_for(request, at=at).request_days,
    )
    named = request.tickets if tickets is None else references.clean(tickets)
    edited = replace(edited, warnings=compiled.warnings, tickets=named)
    return Proposed(request=edited, version=write(edited, row=row, action=actions.EDITED, actor=actor, at=at))


@operation
def submit(
    *, actor: Actor, at: datetime, request_id: str, expected_version: int | None = None, apply: bool = False
) -> Proposed:
    """Put a draft, or what came back, up for review; with ``apply`` it applies at once where that needs no approval.

    :raises Invalid: when something is missing or could not apply. :raises Conflict: when something moved meanwhile.
    """
    row, request = lock_request(request_id, expected_version=expected_version)
    rights = held(actor, at=at)
    require_to_draft(rights, project=request.project, environment=request.environment, operations=request.operations)
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    policy = policy_for(request, at=at)
    submitted = lifecycle.submit(request, by=actor.id, at=at, policy=policy)
    compiled = compile_operations(
        project=request.project, environment=request.environment, operations=request.operations, at=at
    )
    _require_gates(request, compiled, policy=policy, at=at, phase="submit")
    if (
        apply
        and policy.required == 0
        and not waits(request, policy, compiled.before, compiled.after, at=at)
        and may_apply(rights, project=request.project, environments=keys, operations=request.operations)
    ):
        done = apply_request(actor=actor, at=at, rights=rights, request=submitted, row=row, mode="request")
        return Proposed(request=done.request, version=row.version + 1, applied=done)
    return Proposed(request=submitted, version=write(submitted, row=row, action=actions.SUBMITTED, actor=actor, at=at))


@operation
def withdraw(*, actor: Actor, at: datetime, request_id: str, expected_version: int | None = None) -> Proposed:
    """Its author, or who edited it, takes a request back. Final.

    :raises Denied: when the actor did neither. :raises Conflict: when it is closed.
    """
    row, request = lock_request(request_id, expected_version=expected_version)
    withdrawn = lifecycle.withdraw(request, by=actor.id, at=at)
    return Proposed(request=withdrawn, version=write(withdrawn, row=row, action=actions.WITHDRAWN, actor=actor, at=at))


@operation
def apply(*, actor: Actor, at: datetime, request_id: str, expected_version: int | None = None) -> Applied:
    """Apply a request that has the approvals which the policy in force asks for.

    :raises Conflict: code ``conflicted`` when something that it touches or references changed since it was written;
        ``not-approved`` when approvals are missing or no longer count. Nothing is written.
    :raises Denied: when the actor neither wrote, edited nor approved it, or may not apply here.
    """
    row, request = lock_request(request_id, expected_version=expected_version)
    return apply_request(actor=actor, at=at, rights=held(actor, at=at), request=request, row=row, mode="request")
