"""Carrying a request over to what others changed meanwhile, and undoing what was applied, later changes kept.

Both are the same merge: of what a request does with what happened since. Nothing that somebody else changed is
overwritten unless a person took their own side of that line; and what comes of it is reviewed anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ensign.control.access.decisions import held
from ensign.control.audit.door import operation
from ensign.control.changes import actions
from ensign.control.changes.compiling import compile_operations
from ensign.control.changes.domain import algebra, lifecycle, trust
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.merging import Line, Merged, Side, merge
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.changes.drafting import Proposed, Wish, lock_request, new_request, place, write
from ensign.control.changes.history import before_applied
from ensign.control.changes.loading import behind, load, policy_for
from ensign.control.changes.models import Request
from ensign.control.changes.queries import as_of_base
from ensign.control.changes.rights import require_to_draft
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound


def merged(request: ChangeRequest, *, choices: Mapping[str, Side] | None = None) -> Merged:
    """What a request does, carried over to the state as it is; nothing is written.

    :raises NotFound: when the state that it is based on was redacted.
    """
    base = before_applied(request)
    return merge(base, _now(request, base), request.operations, choices=choices)


def _now(request: ChangeRequest, base: World) -> World:
    refs = [Ref.parse(name) for name in request.base]
    return as_of_base(load(project=request.project, environment=request.environment, refs=refs).world, base, request)


def _moved(request: ChangeRequest) -> bool:
    refs = [Ref.parse(name) for name in request.base]
    now = load(project=request.project, environment=request.environment, refs=refs).versions
    return bool(trust.moved(request, now))


def _require_decided(found: Merged, what: str) -> None:
    if found.open:
        raise Conflict(
            f"{len(found.open)} line{'s' if len(found.open) != 1 else ''} clash{'es' if len(found.open) == 1 else ''}"
            f" with what somebody else changed. Nothing was {what}.",
            remedy="Say for each of them whether mine or theirs is to be taken.",
            code="clash",
            fields={line.key: _both(line) for line in found.open},
        )


def _both(line: Line) -> str:
    sides = [value if value is not None else "not there" for value in (line.base, line.theirs, line.mine)]
    return f"{line.path}: was {sides[0]}; theirs {sides[1]}; mine {sides[2]}"


@operation
def rebase(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    choices: Mapping[str, Side] | None = None,
    expected_version: int | None = None,
) -> Proposed:
    """Carry an open request over to what changed since it was written: a new round, and every approval is void.

    ``choices``: mine or theirs, for each line that clashes, by its key. Whoever does it becomes a contributor.

    :raises Denied: when the actor may not write this here.
    :raises Conflict: code ``clash`` while a line waits for a choice (``fields`` names them), ``nothing-left`` when
        theirs does all of it already, ``nothing-moved`` where there is nothing to carry it over to.
    """
    row, request = lock_request(request_id, expected_version=expected_version)
    if request.status == "draft" and actor.id != request.author:
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    if not request.open:
        raise Conflict(f"This request is {request.status}; it can no longer be edited.", code="wrong-state")
    project, environment = request.project, request.environment
    rights = held(actor, at=at)
    require_to_draft(rights, project=project, environment=environment, operations=request.operations)
    if not _moved(request):
        raise Conflict("Nothing moved: this request starts from what is there now.", code="nothing-moved")
    found = merged(request, choices=choices)
    _require_decided(found, "carried over")
    if not found.operations:
        raise Conflict(
            "Nothing is left of this request: what is there now does all of it.",
            remedy="Withdraw it.",
            code="nothing-left",
        )
    require_to_draft(
        rights, project=project, environment=environment, operations=found.operations, replaced=request.operations
    )
    compiled = compile_operations(project=project, environment=environment, operations=found.operations, at=at)
    edited = lifecycle.edit(
        request,
        by=actor.id,
        at=at,
        operations=compiled.operations,
        base=compiled.base,
        title=request.title,
        reason=request.reason,
        behind=behind(actor),
        days=policy_for(request, at=at).request_days,
    )
    edited = replace(edited, warnings=compiled.warnings)
    mine = sum(line.taken == "mine" for line in found.clashes)
    detail = {"clashes": len(found.clashes), "mine": mine, "digest": edited.digest}
    version = write(edited, row=row, action=actions.REBASED, actor=actor, at=at, detail=detail)
    return Proposed(request=edited, version=version)


def inverse(request: ChangeRequest, *, choices: Mapping[str, Side] | None = None) -> Merged:
    """What takes back an applied request and keeps what was changed since; nothing is written.

    A line that was changed again clashes: ``theirs`` is what it is now, ``mine`` what it was before the request.

    :raises Conflict: when it was never applied. :raises NotFound: when the state of that time was redacted.
    """
    if request.status != "applied":
        raise Conflict("Only what was applied can be reverted.", code="wrong-state")
    before = before_applied(request)
    after = algebra.apply_all(before, request.operations)
    undone: Sequence[Operation] = algebra.invert_all(before, request.operations)
    return merge(after, _now(request, after), undone, choices=choices)


@operation
def revert(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    reason: str = "",
    tickets: Sequence[str] = (),
    wish: Wish = "submit",
    choices: Mapping[str, Side] | None = None,
) -> Proposed:
    """A new request that undoes an applied one. It passes through the same door: a revert skips no approval.

    What others changed since stays as they left it. ``choices``: for each line that was changed again, ``mine`` to take
    it back all the same, ``theirs`` to leave it.

    :raises Conflict: when it was never applied; code ``clash`` while a line waits for a choice, ``nothing-left`` when
        nothing of it is left to undo.
    """
    row = Request.objects.filter(pk=request_id).first()
    if row is None or (row.status == "draft" and row.author != actor.id):
        raise NotFound("There is no such change request.", remedy="Look at the list of requests.")
    request = ChangeRequest.from_state(row.pk, row.state)
    try:
        found = inverse(request, choices=choices)
    except OperationError as error:
        raise Conflict(f"It cannot be undone as it was: {error.message}", remedy=error.remedy) from error
    _require_decided(found, "proposed")
    if not found.operations:
        raise Conflict(
            "Nothing is left to undo: everything that this request changed is as it was before, or was changed again.",
            code="nothing-left",
        )
    project, environment = request.project, request.environment
    rights = held(actor, at=at)
    require_to_draft(rights, project=project, environment=environment, operations=found.operations)
    compiled = compile_operations(project=project, environment=environment, operations=found.operations, at=at)
    title = f"Revert “{request.title}”"
    new = new_request(
        compiled, actor=actor, at=at, title=title if len(title) <= 200 else title[:198] + "…”", reason=reason,
        reverts=request.id, tickets=tickets,
    )  # fmt: skip
    return place(new, compiled, actor=actor, at=at, wish=wish, rights=rights)
