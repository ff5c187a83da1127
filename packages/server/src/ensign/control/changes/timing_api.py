"""Endpoints of the time at which a change request applies by itself."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import AwareDatetime

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.schemas import Input
from ensign.control.changes import operations as door
from ensign.control.changes import queries
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

router = Router(tags=["changes"])


class ScheduleIn(Input):
    """When, with its offset: ``2026-12-01T06:30:00Z``."""

    at: AwareDatetime


class ScheduleOut(Schema):
    """When a request applies by itself (null: not), and as whom.

    ``lapsing``: people whose approvals count now and will have expired by then. ``frozen``: the freeze window that
    lies over the time, in which nothing applies.
    """

    request: str
    status: str
    at: datetime | None
    by: str | None
    lapsing: list[str]
    frozen: str | None = None


def _actor(request: HttpRequest, id: str) -> tuple[Actor, int]:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    row = queries.request(id, reader=actor.id)
    require(actor, Permission.PROJECT_READ, Scope(row.request.project), at=clock.now())
    etag.require_match(request, version=row.version)
    return actor, row.version


def _out(response: HttpResponse, done: door.Timed) -> ScheduleOut:
    etag.give(response, version=done.version)
    timed = done.request.schedule
    return ScheduleOut(
        request=done.request.id,
        status=done.request.status,
        at=None if timed is None else timed.at,
        by=None if timed is None else timed.by,
        lapsing=[given.person for given in done.lapsing],
        frozen=None if done.frozen is None else done.frozen.name,
    )


@router.put("/changes/{id}/schedule", response=ScheduleOut, summary="Let a change request apply at a time")
def schedule(request: HttpRequest, response: HttpResponse, id: str, body: ScheduleIn) -> ScheduleOut:
    """In review or approved; approvals stay. At its time all is asked again: what cannot apply then says why."""
    actor, version = _actor(request, id)
    return _out(
        response,
        door.schedule(actor=actor, at=clock.now(), request_id=id, when=body.at, expected_version=version),
    )


@router.delete("/changes/{id}/schedule", response=ScheduleOut, summary="Take the time of a change request back")
def unschedule(request: HttpRequest, response: HttpResponse, id: str) -> ScheduleOut:
    """It waits for a person again."""
    actor, version = _actor(request, id)
    return _out(response, door.unschedule(actor=actor, at=clock.now(), request_id=id, expected_version=version))
