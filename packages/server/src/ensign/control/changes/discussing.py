"""What people say about a request: comments, on the whole of it or on one line of its difference; threads of replies.

A comment on a line names the round, the digest and the row that its writer saw. After an edit it stays where it was
said, marked as about an earlier version: nobody's words are moved to what they were not about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import rows as governed
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.changes import actions, drafting, queries
from ensign.control.changes.domain.diff import keyed
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.models import Comment
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects.domain import check_text


@dataclass(frozen=True, slots=True, kw_only=True)
class LineOf:
    """A line of a request's difference as somebody saw it: ``path`` is a key of :func:`domain.diff.keyed`."""

    digest: str
    path: str


def stage_comment(
    request: ChangeRequest,
    *,
    actor: Actor,
    at: datetime,
    text: str,
    kind: str,
    further: Mapping[str, Any] | None = None,
) -> Staged | None:
    """The row of a comment; None when there is no text."""
    text = check_text(text, field="comment", limit=5_000)
    if not text:
        return None
    state = {"request": request.id, "author": actor.id, "text": text, "kind": kind, "at": clock.text(at)}
    return stage(Comment, id=ids.new_id("cmt", at=at), state={**state, **(further or {})})


@operation
def comment(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    text: str,
    line: LineOf | None = None,
    reply_to: str | None = None,
) -> str:
    """Say something about a request; returns the comment's id. Drafts and what was closed can be commented, too.

    ``line``: about one line of the difference. ``reply_to``: the comment (an id) whose thread it belongs to.

    :raises Denied: without ``change:comment``. :raises Invalid: when there is no text, or no such line.
    :raises Conflict: when the request is not any more what the writer of a line's comment saw; nothing is said.
    """
    request = _open_to(actor, request_id, at=at)
    further: dict[str, Any] = {}
    if reply_to is not None:
        further["parent"] = _root(request, reply_to).pk
    elif line is not None:
        further["anchor"] = _anchor(request, line)
    staged = stage_comment(request, actor=actor, at=at, text=text, kind="comment", further=further)
    if staged is None:
        raise Invalid("The comment is empty.", fields={"comment": "Write something."})
    record(
        action=actions.COMMENTED,
        actor=actor,
        at=at,
        staged=[staged],
        where=Where(project=request.project, environment=request.environment),
        detail={
            "request": request.id,
            "comment": staged.id,
            "on": "thread" if reply_to is not None else "line" if line is not None else "request",
        },
    )
    return staged.id


@operation
def resolve(*, actor: Actor, at: datetime, request_id: str, comment_id: str, resolved: bool = True) -> None:
    """Mark the thread that a comment belongs to as settled, or open it again.

    :raises Denied: without ``change:comment``. :raises Conflict: when it is like that already.
    """
    request = _open_to(actor, request_id, at=at)
    row = _root(request, comment_id)
    state = row.state
    if (state.get("resolved") is not None) is resolved:
        raise Conflict(f"This thread is {'resolved' if resolved else 'open'} already.", code="wrong-state")
    mark = {"by": actor.id, "at": clock.text(at)} if resolved else None
    record(
        action=actions.THREAD_RESOLVED if resolved else actions.THREAD_REOPENED,
        actor=actor,
        at=at,
        staged=[stage(Comment, id=row.pk, state={**state, "resolved": mark}, current=row)],
        where=Where(project=request.project, environment=request.environment),
        detail={"request": request.id, "comment": row.pk},
    )


def _open_to(actor: Actor, request_id: str, *, at: datetime) -> ChangeRequest:
    """The request, locked, to somebody who may comment on it."""
    _, request = drafting.lock_request(request_id)
    if request.status == "draft" and actor.id != request.author:
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    require(actor, Permission.CHANGE_COMMENT, Scope(request.project), at=at)
    return request


def _root(request: ChangeRequest, comment_id: str) -> Comment:
    """The first comment of the thread that a comment belongs to, locked."""
    row = governed.row(Comment, lock="update", id=comment_id)
    if row is not None and row.state.get("parent"):
        row = governed.row(Comment, lock="update", id=row.state["parent"])
    if row is None or row.state["request"] != request.id:
        raise NotFound("There is no such comment on this request.", remedy="Look at the request as it is now.")
    return row


def _anchor(request: ChangeRequest, line: LineOf) -> dict[str, Any]:
    if line.digest != request.digest:
        raise Conflict(
            "This request changed since you looked at it. Nothing was said.",
            remedy="Look at it as it is now, then say it where it belongs.",
            code="digest-mismatch",
        )
    if line.path not in dict(keyed(queries.effect(request).rows)):
        raise Invalid(
            "There is no such line in this request.",
            remedy="Take the line's name from the request's difference.",
            fields={"path": "Not a line of the difference."},
        )
    return {"round": request.round, "digest": request.digest, "path": line.path}
