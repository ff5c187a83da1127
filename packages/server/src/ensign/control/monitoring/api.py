"""Endpoints of alerts and of what is watched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.monitoring import exporting, operations, queries, settings
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.kinds import KINDS
from ensign.control.monitoring.domain.rules import Rules
from ensign.control.monitoring.queries import AlertView, Wanted

router = Router(tags=["alerts"])

_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Status = Literal["waiting", "overdue", "open", "acknowledged", "triaged"]


class AlertOut(Schema):
    """One alert. ``caused_by``: ids of those who may not judge it; ``evidence``: numbers of entries of the log."""

    id: str
    version: int
    kind: str
    title: str
    look: str
    severity: str
    subject: str
    project: str | None
    environment: str | None
    caused_by: list[str]
    evidence: list[int]
    count: int
    facts: dict[str, int | str]
    raised_at: datetime
    last_at: datetime
    due_at: datetime
    overdue_at: datetime | None
    status: str
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    verdict: str | None
    reason: str
    follow_up: str
    triaged_by: str | None
    triaged_at: datetime | None
    alone: bool


class AlertsQuery(Schema):
    """Filters; one left out means any. ``waiting``: not judged yet; ``overdue``: not judged in time."""

    status: Status | None = None
    severity: Literal["high", "medium", "low"] | None = None
    kind: _Text | None = None
    project: _Text | None = None
    since: datetime | None = None
    until: datetime | None = None


class TriageIn(Input):
    """The verdict. ``follow_up`` names what deals with what was not expected: an incident, a request, a task."""

    verdict: str
    reason: str
    follow_up: str = ""


class ExportIn(Input):
    """Which alerts, and as what."""

    status: Status | None = None
    severity: Literal["high", "medium", "low"] | None = None
    kind: _Text | None = None
    project: _Text | None = None
    since: datetime | None = None
    until: datetime | None = None
    format: Literal["csv", "json"] = "csv"


class HoursIo(Input):
    """Working hours: ``days`` (0 is Monday), ``start`` and ``end`` in minutes after midnight in ``zone``."""

    days: list[int]
    start: int
    end: int
    zone: str = "UTC"


class RulesOut(Schema):
    """What is watched. ``off``: kinds whose detectors are switched off; ``version`` 0 are the defaults."""

    version: int
    off: list[str]
    hours: HoursIo
    project_hours: dict[str, HoursIo]
    mass_flags: int
    mass_minutes: int
    rare_days: int
    hasty_seconds: int
    reciprocal_percent: int
    reciprocal_least: int
    wide_token_days: int
    high_days: int
    medium_days: int
    low_days: int


class RulesIn(Input):
    """Other rules; what is left out stays as it is."""

    off: list[_Text] | None = None
    hours: HoursIo | None = None
    project_hours: dict[str, HoursIo] | None = None
    mass_flags: int | None = None
    mass_minutes: int | None = None
    rare_days: int | None = None
    hasty_seconds: int | None = None
    reciprocal_percent: int | None = None
    reciprocal_least: int | None = None
    wide_token_days: int | None = None
    high_days: int | None = None
    medium_days: int | None = None
    low_days: int | None = None
    reason: str = ""


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def out(view: AlertView) -> AlertOut:
    """An alert as the API shows it."""
    one = view.alert
    members = {name: getattr(one, name) for name in Alert.__slots__}
    return AlertOut(**{**members, "version": view.version, "title": one.title, "look": KINDS[one.kind].look})


def _wanted(given: AlertsQuery | ExportIn) -> Wanted:
    if given.kind and given.kind not in KINDS:
        raise Invalid("There is no such kind.", fields={"kind": f"Choose one of {', '.join(KINDS)}."})
    return Wanted(
        status=given.status or "",
        severity=given.severity or "",
        kind=given.kind or "",
        project=given.project or "",
        since=given.since,
        until=given.until,
    )


@router.get("/alerts", response=Page[AlertOut], summary="List alerts")
def list_alerts(
    request: HttpRequest, given: Query[AlertsQuery], limit: Limit = 50, cursor: Cursor = None
) -> Page[AlertOut]:
    """Newest first, of the projects whose alerts you may read; those of no project with `org:ledger:read`."""
    actor, at = _actor(request), clock.now()
    if given.project is not None:
        require(actor, Permission.ALERT_READ, Scope(given.project), at=at)
    position = decode(cursor)
    found = queries.alerts(
        queries.readable(held(actor, at=at)),
        _wanted(given),
        at=at,
        before=None if position is None else str(position[0]),
        limit=limit + 1,
    )
    items = [out(view) for view in found[:limit]]
    return Page[AlertOut](items=items, next_cursor=encode(items[-1].id) if len(found) > limit else None)


@router.get("/alerts/{alert_id}", response=AlertOut, summary="One alert")
def read_alert(request: HttpRequest, response: HttpResponse, alert_id: str) -> AlertOut:
    """With its evidence and, once it was judged, its verdict."""
    view = queries.alert(alert_id, queries.readable(held(_actor(request), at=clock.now())))
    etag.give(response, version=view.version)
    return out(view)


def _judging(request: HttpRequest, alert_id: str) -> tuple[Actor, datetime, AlertView]:
    actor, at = _actor(request), clock.now()
    view = queries.alert(alert_id, queries.readable(held(actor, at=at)))
    etag.require_match(request, version=view.version)
    return actor, at, view


@router.post("/alerts/{alert_id}/acknowledge", response=AlertOut, summary="Look into an alert")
def acknowledge(request: HttpRequest, response: HttpResponse, alert_id: str) -> AlertOut:
    """Says that you do; its deadline stays."""
    actor, at, _ = _judging(request, alert_id)
    operations.acknowledge(actor=actor, at=at, alert_id=alert_id)
    return read_alert(request, response, alert_id)


@router.post("/alerts/{alert_id}/triage", response=AlertOut, summary="Judge an alert")
def triage(request: HttpRequest, response: HttpResponse, alert_id: str, body: TriageIn) -> AlertOut:
    """`expected` or `unexpected`, with the reason. Refused to who took part in it, while anybody else could."""
    actor, at, _ = _judging(request, alert_id)
    operations.triage(
        actor=actor, at=at, alert_id=alert_id, verdict=body.verdict, reason=body.reason, follow_up=body.follow_up
    )
    return read_alert(request, response, alert_id)


@router.post("/exports/alerts", summary="Export alerts")
def export_alerts(request: HttpRequest, body: ExportIn) -> HttpResponse:
    """A CSV or JSON file, oldest first; making it is an entry."""
    actor, at = _actor(request), clock.now()
    if body.project is not None:
        require(actor, Permission.ALERT_READ, Scope(body.project), at=at)
    return answer(exporting.export(actor=actor, at=at, wanted=_wanted(body), format=body.format))


def answer(file: exporting.File) -> HttpResponse:
    """A file as a download."""
    response = HttpResponse(file.data, content_type=file.media_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    response["Cache-Control"] = "no-store"
    return response


def _rules_out(present: settings.Present) -> RulesOut:
    return RulesOut(version=present.version, **present.rules.to_state())


@router.get("/monitoring-rules", response=RulesOut, summary="What is watched")
def read_rules(request: HttpRequest, response: HttpResponse) -> RulesOut:
    """For whoever may see people and roles."""
    require(_actor(request), Permission.ORG_READ, at=clock.now())
    present = settings.present()
    etag.give(response, version=present.version)
    return _rules_out(present)


@router.put("/monitoring-rules", response=RulesOut, summary="Change what is watched")
def change_rules(request: HttpRequest, response: HttpResponse, body: RulesIn) -> RulesOut:
    """What is left out stays as it is. Noticing less, or later, raises an alert itself."""
    present = settings.present()
    etag.require_match(request, version=present.version)
    given = {name: value for name, value in body.dict(exclude={"reason"}).items() if value is not None}
    wanted = Rules.from_state({**present.rules.to_state(), **given})
    changed = settings.change(
        actor=_actor(request), at=clock.now(), wanted=wanted, version=present.version, reason=body.reason
    )
    etag.give(response, version=changed.version)
    return _rules_out(changed)
