"""Endpoints of changes. An operation is ``{"type": "strategy.update", …}``; see docs/reference/operations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import Cursor, Limit, Page, decode, encode
from ensign.control.changes import operations as door
from ensign.control.changes import previewing, queries
from ensign.control.changes.api_schemas import (
    ApprovalOut,
    ApproveIn,
    CommentIn,
    DecisionIn,
    EditIn,
    PreviewOut,
    ProposeIn,
    RequestOut,
    RevertIn,
    RowOut,
    Status_,
    SubmitIn,
)
from ensign.control.changes.domain.base import Operation, from_json
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

router = Router(tags=["changes"])


def who(request: HttpRequest) -> Actor:
    """Who calls."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def operations_of(values: Sequence[dict[str, Any]]) -> tuple[Operation, ...]:
    """Operations from JSON; an error names the field."""
    return tuple(from_json(value, f"operations[{index}]") for index, value in enumerate(values))


def reads(request: HttpRequest, project: str) -> Actor:
    """Who calls, as somebody who may read the project."""
    actor = who(request)
    require(actor, Permission.PROJECT_READ, Scope(project), at=clock.now())
    return actor


def found(request: HttpRequest, id: str) -> queries.RequestRow:
    """The request, to somebody who may see its project; ``If-Match`` is honoured."""
    row = queries.request(id, reader=who(request).id)
    reads(request, row.request.project)
    etag.require_match(request, version=row.version)
    return row


def _out(row: queries.RequestRow, actor: Actor) -> RequestOut:
    value = row.request
    state = value.to_state()
    approvals = [ApprovalOut(**a.to_state(), signed=a.signature is not None) for a in value.approvals]
    required, missing, policy = value.required or 0, 0, value.policy or ""
    moved: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    if value.open:
        stands = queries.standing(value, reader=actor, at=clock.now())
        lost = {(a.person, a.round): why for a, why in stands.verdict.lost}
        for approval in approvals:
            approval.lost = lost.get((approval.person, approval.round))
        required, missing = stands.policy.required, stands.verdict.missing
        policy, moved, lacking = stands.policy.ref, stands.moved, stands.verdict.lacks
    effect = queries.effect(value)
    own = ("required", "policy", "approvals", "decisions")
    return RequestOut(
        **{name: member for name, member in state.items() if name not in own},
        id=value.id,
        version=row.version,
        approvals=approvals,
        required=required,
        missing=missing,
        lacking=list(lacking),
        policy=policy,
        conflicted=list(moved),
        sentences=list(effect.sentences),
        diff=[RowOut(path=r.path, before=r.before, after=r.after) for r in effect.rows],
        entry=row.seq,
    )


def answer(request: HttpRequest, response: HttpResponse, id: str) -> RequestOut:
    """The request as it is now, with its version for ``If-Match``."""
    row = queries.request(id, reader=who(request).id)
    etag.give(response, version=row.version)
    return _out(row, who(request))


@router.post(
    "/projects/{project}/environments/{environment}/changes",
    response={200: PreviewOut, 201: RequestOut},
    summary="Propose a change",
)
def propose(
    request: HttpRequest,
    response: HttpResponse,
    project: str,
    environment: str,
    body: ProposeIn,
    dry_run: Annotated[bool, Query(description="Say what it would do and need, and write nothing.")] = False,
) -> Status[PreviewOut | RequestOut]:
    """The policy decides what becomes of it: it applies at once, or becomes a change request."""
    actor, at = reads(request, project), clock.now()
    steps = operations_of(body.operations)
    if dry_run:
        seen = previewing.preview(actor=actor, at=at, project=project, environment=environment, operations=steps)
        rows = [RowOut(path=r.path, before=r.before, after=r.after) for r in seen.rows]
        preview = PreviewOut(
            sentences=list(seen.sentences),
            diff=rows,
            warnings=list(seen.warnings),
            operations=[o.to_json() for o in seen.operations],
            digest=seen.digest,
            base=dict(seen.base),
            policy=seen.policy.ref,
            required=seen.policy.required,
            protected=seen.policy.protected,
            outcome="applies" if seen.applies else "review",
            verdict=seen.verdict,
        )
        return Status(200, preview)
    done = door.propose(
        actor=actor, at=at, project=project, environment=environment, operations=steps,
        title=body.title, reason=body.reason, wish=body.wish, tickets=body.tickets,
    )  # fmt: skip
    return Status(201, answer(request, response, done.request.id))


@router.get("/changes", response=Page[RequestOut], summary="List change requests")
def list_changes(
    request: HttpRequest,
    project: str | None = None,
    environment: str | None = None,
    status: Status_ | None = None,
    author: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RequestOut]:
    """Newest first, of the projects that you may read; other people's drafts are left out."""
    actor = who(request)
    visible = held(actor, at=clock.now()).projects(Permission.PROJECT_READ)
    if project is not None:
        reads(request, project)
        visible = frozenset({project})
    position = decode(cursor)
    listed = queries.requests(
        reader=actor.id,
        projects=visible,
        environment=environment,
        statuses=None if status is None else (status,),
        author=author,
        before=None if position is None else str(position[0]),
        limit=limit + 1,
    )
    items = [_out(row, actor) for row in listed[:limit]]
    more = len(listed) > limit
    return Page[RequestOut](items=items, next_cursor=encode(items[-1].id) if more else None)


@router.get("/changes/{id}", response=RequestOut, summary="Read a change request")
def read(request: HttpRequest, response: HttpResponse, id: str) -> RequestOut:
    """With its sentences and difference, what it has and what it lacks."""
    row = queries.request(id, reader=who(request).id)
    actor = reads(request, row.request.project)
    etag.give(response, version=row.version)
    return _out(row, actor)


@router.patch("/changes/{id}", response=RequestOut, summary="Edit a change request")
def edit(request: HttpRequest, response: HttpResponse, id: str, body: EditIn) -> RequestOut:
    """Voids every approval; whoever edits can never approve it."""
    row = found(request, id)
    door.edit(
        actor=who(request), at=clock.now(), request_id=id,
        operations=None if body.operations is None else operations_of(body.operations),
        title=body.title, reason=body.reason, tickets=body.tickets, expected_version=row.version,
    )  # fmt: skip
    return answer(request, response, id)


@router.post("/changes/{id}/submit", response=RequestOut, summary="Submit a change request for review")
def submit(request: HttpRequest, response: HttpResponse, id: str, body: SubmitIn | None = None) -> RequestOut:
    """For its author and who edited it. What came back waits its full time again."""
    row = found(request, id)
    door.submit_and_ask(
        actor=who(request), at=clock.now(), request_id=id, expected_version=row.version,
        reviewers=[] if body is None else body.reviewers,
    )  # fmt: skip
    return answer(request, response, id)


@router.post("/changes/{id}/comments", response={201: RequestOut}, summary="Comment on a change request")
def comment(request: HttpRequest, response: HttpResponse, id: str, body: CommentIn) -> Status[RequestOut]:
    """Say something about it."""
    found(request, id)
    door.comment(actor=who(request), at=clock.now(), request_id=id, text=body.comment)
    return Status(201, answer(request, response, id))


def _review(request: HttpRequest, response: HttpResponse, row: ChangeRequest, version: int, **rest: Any) -> RequestOut:
    door.review_and_apply(actor=who(request), at=clock.now(), request_id=row.id, expected_version=version, **rest)
    return answer(request, response, row.id)


@router.post("/changes/{id}/approve", response=RequestOut, summary="Approve a change request")
def approve(request: HttpRequest, response: HttpResponse, id: str, body: ApproveIn) -> RequestOut:
    """In a session with a recent second factor; refused to every token, and the try is logged."""
    row = found(request, id)
    return _review(
        request, response, row.request, row.version, decision="approve", digest=body.digest, text=body.comment,
        answer="" if body.answer is None else json.dumps(body.answer),
    )  # fmt: skip


@router.post("/changes/{id}/request-changes", response=RequestOut, summary="Send a change request back")
def request_changes(request: HttpRequest, response: HttpResponse, id: str, body: DecisionIn) -> RequestOut:
    """With a comment that says what to change. Not by token."""
    row = found(request, id)
    return _review(
        request, response, row.request, row.version, decision="request_changes", digest=body.digest, text=body.comment
    )


@router.post("/changes/{id}/reject", response=RequestOut, summary="Reject a change request")
def reject(request: HttpRequest, response: HttpResponse, id: str, body: DecisionIn) -> RequestOut:
    """For good, with a comment that says why. Not by token."""
    row = found(request, id)
    return _review(
        request, response, row.request, row.version, decision="reject", digest=body.digest, text=body.comment
    )


@router.post("/changes/{id}/withdraw", response=RequestOut, summary="Withdraw a change request")
def withdraw(request: HttpRequest, response: HttpResponse, id: str) -> RequestOut:
    """For its author and who edited it. For good."""
    row = found(request, id)
    door.withdraw(actor=who(request), at=clock.now(), request_id=id, expected_version=row.version)
    return answer(request, response, id)


@router.post("/changes/{id}/apply", response=RequestOut, summary="Apply an approved change request")
def apply(request: HttpRequest, response: HttpResponse, id: str) -> RequestOut:
    """For who wrote, edited or approved it. Everything is checked again; a conflict writes nothing."""
    row = found(request, id)
    door.apply(actor=who(request), at=clock.now(), request_id=id, expected_version=row.version)
    return answer(request, response, id)


@router.post("/changes/{id}/revert", response={201: RequestOut}, summary="Propose to undo an applied change")
def revert(request: HttpRequest, response: HttpResponse, id: str, body: RevertIn) -> Status[RequestOut]:
    """A new change request, which needs what every other needs. What others changed since stays as they left it.

    Code `clash` while a line that was changed again waits for a choice; `errors` names them.
    """
    found(request, id)
    done = door.revert(
        actor=who(request),
        at=clock.now(),
        request_id=id,
        reason=body.reason,
        tickets=body.tickets,
        wish=body.wish,
        choices=dict(body.choices),
    )
    return Status(201, answer(request, response, done.request.id))
