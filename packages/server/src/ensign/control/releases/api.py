"""Endpoints of ramps, release templates and of what applies when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.changes.domain.ramp_operations import RampStep
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.releases import calendar, operations, queries, templating
from ensign.control.releases.domain import Ramp

router = Router(tags=["releases"])

_Breach = Literal["pause", "roll_back"]


class ReasonIn(Input):
    """Why; it is kept with the entry."""

    reason: str = ""


class StepModel(Input):
    """A share in per cent, and for how many minutes it is held before the next."""

    percent: int = Field(ge=1, le=100)
    hold: int = Field(0, ge=0, le=43_200)


class TemplateIn(Input):
    """A named plan. ``guards`` are names that somebody judges; ``on_breach`` says what a bad one does."""

    name: str
    description: str = ""
    steps: list[StepModel] = Field(min_length=2, max_length=20)
    guards: list[str] = []
    on_breach: _Breach = "pause"


class TemplateEdit(Input):
    """What to replace; members left out stay."""

    name: str | None = None
    description: str | None = None
    steps: list[StepModel] | None = Field(None, min_length=2, max_length=20)
    guards: list[str] | None = None
    on_breach: _Breach | None = None


class StepOut(Schema):
    """A step of a plan."""

    percent: int
    hold: int


class TemplateOut(Schema):
    """A release template."""

    id: str
    version: int
    project: str
    name: str
    description: str
    steps: list[StepOut]
    guards: list[str]
    on_breach: _Breach
    archived: bool


class TakenOut(Schema):
    """A share that was reached, when, and by which change."""

    percent: int
    at: datetime
    request: str


class RampOut(Schema):
    """A plan that is being carried out. ``request`` is the change that was approved; ``next_at`` is when the next
    step is due, null when none is.
    """

    id: str
    project: str
    environment: str
    flag: str
    strategy: str
    request: str
    owner: str
    status: str
    percent: int
    reached: int
    steps: list[StepOut]
    guards: list[str]
    on_breach: _Breach
    since: datetime
    next_at: datetime | None
    paused_because: str | None
    paused_by: str | None
    paused_code: str | None
    taken: list[TakenOut]
    started_at: datetime
    ended_at: datetime | None


class EventOut(Schema):
    """Something that applies by itself at ``at`` if nothing stands in its way then."""

    at: datetime
    kind: Literal["change", "step"]
    project: str
    environment: str
    title: str
    request: str
    by: str


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def _out(ramp: Ramp) -> RampOut:
    pause = ramp.pause
    return RampOut(
        **{name: getattr(ramp, name) for name in _RAMP},
        strategy=ramp.operation.strategy,
        guards=list(ramp.operation.guards),
        on_breach=ramp.operation.on_breach,
        steps=[StepOut(**step.to_state()) for step in ramp.steps],
        paused_because=None if pause is None else pause.reason,
        paused_by=None if pause is None else pause.by,
        paused_code=None if pause is None else pause.code,
        taken=[TakenOut(percent=t.percent, at=t.at, request=t.request) for t in ramp.taken],
    )


_RAMP = (
    "id", "project", "environment", "flag", "request", "owner", "status", "percent", "reached", "since", "next_at",
    "started_at", "ended_at",
)  # fmt: skip


def _seen(request: HttpRequest, id: str) -> Actor:
    actor = _actor(request)
    require(actor, Permission.PROJECT_READ, Scope(queries.ramp(id).project), at=clock.now())
    return actor


@router.get("/ramps", response=Page[RampOut], summary="List ramps")
def list_ramps(
    request: HttpRequest,
    project: str | None = None,
    flag: str | None = None,
    status: Literal["running", "paused", "finished", "rolled_back", "stopped"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RampOut]:
    """Newest first, of the projects that you may read."""
    rights = held(_actor(request), at=clock.now())
    visible = rights.projects(Permission.PROJECT_READ)
    if project is not None:
        rights.require(Permission.PROJECT_READ, Scope(project))
        visible = frozenset({project})
    position = decode(cursor)
    found = queries.ramps(
        projects=visible,
        statuses=None if status is None else (status,),
        flag=flag,
        before=None if position is None else str(position[0]),
        limit=limit + 1,
    )
    items = [_out(ramp) for ramp in found[:limit]]
    return Page[RampOut](items=items, next_cursor=encode(items[-1].id) if len(found) > limit else None)


@router.get("/ramps/{id}", response=RampOut, summary="Read a ramp")
def read_ramp(request: HttpRequest, id: str) -> RampOut:
    """Its plan, how far it has come, and why it waits."""
    _seen(request, id)
    return _out(queries.ramp(id))


@router.post("/ramps/{id}/pause", response=RampOut, summary="Pause a ramp")
def pause(request: HttpRequest, id: str, body: ReasonIn) -> RampOut:
    """It takes no further step until somebody resumes it; after a service account's pause, a person in a session."""
    return _out(operations.pause(actor=_seen(request, id), at=clock.now(), ramp_id=id, reason=body.reason))


@router.post("/ramps/{id}/resume", response=RampOut, summary="Let a paused ramp go on")
def resume(request: HttpRequest, id: str, body: ReasonIn) -> RampOut:
    """Whoever does owns it from then on; the step in force is held anew."""
    return _out(operations.resume(actor=_seen(request, id), at=clock.now(), ramp_id=id, reason=body.reason))


@router.post("/ramps/{id}/roll-back", response=RampOut, summary="Take a ramp back to the share before it")
def roll_back(request: HttpRequest, id: str, body: ReasonIn) -> RampOut:
    """At once, without approval: it was approved with the plan."""
    return _out(operations.roll_back(actor=_seen(request, id), at=clock.now(), ramp_id=id, reason=body.reason))


@router.post("/ramps/{id}/stop", response=RampOut, summary="End a ramp where it is")
def stop(request: HttpRequest, id: str, body: ReasonIn) -> RampOut:
    """The share stays; no further step is taken."""
    return _out(operations.stop(actor=_seen(request, id), at=clock.now(), ramp_id=id, reason=body.reason))


@router.get("/releases/calendar", response=list[EventOut], summary="What applies by itself in the next days")
def ahead(
    request: HttpRequest,
    project: str | None = None,
    days: Annotated[int, Query(ge=1, le=120, description="How many days ahead.")] = 14,
) -> list[EventOut]:
    """Scheduled changes and the steps of running ramps at their earliest, of the projects that you may read."""
    at = clock.now()
    rights = held(_actor(request), at=at)
    visible = rights.projects(Permission.PROJECT_READ)
    if project is not None:
        rights.require(Permission.PROJECT_READ, Scope(project))
        visible = frozenset({project})
    found = calendar.events(projects=visible, until=at + timedelta(days=days))
    return [EventOut(**{name: getattr(event, name) for name in calendar.Event.__slots__}) for event in found]


def _template(row: queries.TemplateRow, response: HttpResponse | None = None) -> TemplateOut:
    if response is not None:
        etag.give(response, version=row.version)
    return TemplateOut(id=row.template.id, version=row.version, **row.template.to_state())


def _steps(values: list[StepModel]) -> tuple[RampStep, ...]:
    return tuple(RampStep(percent=value.percent, hold=value.hold) for value in values)


@router.get("/projects/{project}/release-templates", response=list[TemplateOut], summary="List release templates")
def list_templates(request: HttpRequest, project: str, archived: bool = False) -> list[TemplateOut]:
    """By name."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    return [_template(row) for row in queries.templates(project, archived=archived)]


@router.post("/projects/{project}/release-templates", response={201: TemplateOut}, summary="Make a release template")
def make_template(request: HttpRequest, response: HttpResponse, project: str, body: TemplateIn) -> Status[TemplateOut]:
    """A named plan from which ramps are drafted."""
    made = templating.make(
        actor=_actor(request), at=clock.now(), project=project, name=body.name, description=body.description,
        steps=_steps(body.steps), guards=body.guards, on_breach=body.on_breach,
    )  # fmt: skip
    return Status(201, _template(queries.template(made.id), response))


def _seen_template(request: HttpRequest, id: str) -> tuple[Actor, queries.TemplateRow]:
    actor, row = _actor(request), queries.template(id)
    require(actor, Permission.PROJECT_READ, Scope(row.template.project), at=clock.now())
    etag.require_match(request, version=row.version)
    return actor, row


@router.patch("/release-templates/{id}", response=TemplateOut, summary="Change a release template")
def change_template(request: HttpRequest, response: HttpResponse, id: str, body: TemplateEdit) -> TemplateOut:
    """No ramp and no request changes with it."""
    actor, row = _seen_template(request, id)
    changed: dict[str, Any] = {name: getattr(body, name) for name in ("name", "description", "guards", "on_breach")}
    steps = None if body.steps is None else _steps(body.steps)
    templating.change(actor=actor, at=clock.now(), template_id=id, steps=steps, expected_version=row.version, **changed)
    return _template(queries.template(id), response)


@router.post("/release-templates/{id}/archive", response=TemplateOut, summary="Archive a release template")
def archive_template(request: HttpRequest, response: HttpResponse, id: str) -> TemplateOut:
    """It is offered no more."""
    actor, row = _seen_template(request, id)
    templating.archive(actor=actor, at=clock.now(), template_id=id, expected_version=row.version)
    return _template(queries.template(id), response)
