"""The endpoint that changes many flags at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api.schemas import Input
from ensign.control.changes import bulk, queries
from ensign.control.changes.domain.tickets import MAX as MAX_TICKETS
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

router = Router(tags=["changes"])


class BulkIn(Input):
    """One act on many flags. ``rollout`` is the percentage that the act ``rollout`` sets."""

    flags: list[str] = Field(min_length=1, max_length=1_000)
    act: Literal["on", "off", "archive", "rollout"]
    rollout: int | None = Field(None, ge=0, le=100)
    title: str = ""
    reason: str = ""
    tickets: list[str] = Field([], max_length=MAX_TICKETS)
    wish: Literal["apply", "submit", "draft"] = "submit"


class SkippedOut(Schema):
    """A flag that is left alone, and why."""

    flag: str
    why: str


class BulkOut(Schema):
    """The request that was made (read it at ``/changes/{id}``), or with ``dry_run`` what would be."""

    id: str | None
    status: str
    sentences: list[str]
    operations: list[dict[str, Any]]
    skipped: list[SkippedOut]
    verdict: str = ""


@router.post(
    "/projects/{project}/environments/{environment}/bulk",
    response={200: BulkOut, 201: BulkOut},
    summary="Change many flags at once",
)
def change_many(
    request: HttpRequest,
    project: str,
    environment: str,
    body: BulkIn,
    dry_run: Annotated[bool, Query(description="Say what it would do and need, and write nothing.")] = False,
) -> Status[BulkOut]:
    """As one change request of at most 200 operations. Flags that it would not change are left out."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    at = clock.now()
    require(actor, Permission.PROJECT_READ, Scope(project), at=at)
    wish: dict[str, Any] = {
        "actor": actor, "at": at, "project": project, "environment": environment, "flags": body.flags,
        "act": body.act, "percent": body.rollout,
    }  # fmt: skip
    seen = bulk.preview_bulk(**wish)
    skipped = [SkippedOut(flag=one.flag, why=one.why) for one in seen.plan.skipped]
    if dry_run:
        known = seen.seen
        answer = BulkOut(
            id=None,
            status="",
            sentences=[] if known is None else list(known.sentences),
            operations=[] if known is None else [o.to_json() for o in known.operations],
            skipped=skipped,
            verdict="Nothing would change." if known is None else known.verdict,
        )
        return Status(200, answer)
    made = bulk.change_many(**wish, title=body.title, reason=body.reason, tickets=body.tickets, wish=body.wish).request
    answer = BulkOut(
        id=made.id, status=made.status, sentences=list(queries.effect(made).sentences),
        operations=[o.to_json() for o in made.operations], skipped=skipped,
    )  # fmt: skip
    return Status(201, answer)
