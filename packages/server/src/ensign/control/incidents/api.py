"""Endpoints of the kill switch."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.incidents import operations, queries
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

router = Router(tags=["incidents"])


class KillIn(Input):
    """The reason may be given now or later."""

    reason: str = ""


class ReasonIn(Input):
    """Why it was pressed."""

    reason: str


class KillOut(Schema):
    """One press of a kill switch. ``took_ms``: from the press reaching Ensign to the ruleset being ready to commit."""

    id: str
    version: int
    project: str
    environment: str
    flag: str
    request: str
    by: str
    via: str
    pressed_at: datetime
    applied_at: datetime
    took_ms: int
    reason_status: str
    reason: str
    reason_by: str | None
    reason_at: datetime | None
    incident: str | None
    trigger: str | None


class RestoreOut(Schema):
    """The draft."""

    request: str
    status: str


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def _answer(response: HttpResponse, kill: queries.KillView) -> queries.KillView:
    etag.give(response, version=kill.version)
    return kill


@router.post(
    "/projects/{project}/flags/{flag}/environments/{environment}/kill",
    response={201: KillOut},
    summary="Switch a flag off at once",
)
def kill(
    request: HttpRequest, response: HttpResponse, project: str, flag: str, environment: str, body: KillIn
) -> Status[queries.KillView]:
    """Without approval, whatever the policy asks for. Refused where off would switch another flag on."""
    done = operations.kill(
        actor=_actor(request), at=clock.now(), project=project, environment=environment, flag=flag,
        reason=body.reason, now=clock.now,
    )  # fmt: skip
    return Status(201, _answer(response, done.kill))


@router.post("/kills/{id}/restore", response={201: RestoreOut}, summary="Draft switching the flag on again")
def restore(request: HttpRequest, id: str) -> Status[RestoreOut]:
    """An ordinary change: the answer names the draft, which is submitted, approved and applied like any other."""
    made = operations.restore(actor=_actor(request), at=clock.now(), kill_id=id)
    return Status(201, RestoreOut(request=made.request.id, status=made.request.status))


@router.get("/kills", response=Page[KillOut], summary="List kill switches that were pressed")
def list_kills(
    request: HttpRequest, project: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[KillOut]:
    """Newest first, of the projects that you may read."""
    actor, at = _actor(request), clock.now()
    visible = held(actor, at=at).projects(Permission.INCIDENT_READ)
    if project is not None:
        require(actor, Permission.INCIDENT_READ, Scope(project), at=at)
        visible = frozenset({project})
    position = decode(cursor)
    found = queries.kills(projects=visible, before=None if position is None else str(position[0]), limit=limit + 1)
    items = [KillOut.from_orm(row) for row in found[:limit]]
    return Page[KillOut](items=items, next_cursor=encode(items[-1].id) if len(found) > limit else None)


@router.post("/kills/{id}/reason", response=KillOut, summary="Say why a kill switch was pressed")
def record_reason(request: HttpRequest, response: HttpResponse, id: str, body: ReasonIn) -> queries.KillView:
    """Once; for who pressed it, or may explain those of others there."""
    etag.require_match(request, version=queries.kill(id).version)
    given = operations.record_reason(actor=_actor(request), at=clock.now(), kill_id=id, reason=body.reason)
    return _answer(response, given)
