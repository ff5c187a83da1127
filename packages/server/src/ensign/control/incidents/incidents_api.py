"""Endpoints of incidents, their times and exports."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.schemas import Input
from ensign.control.identity.web import caller
from ensign.control.incidents import incident_queries, incidents, operations, queries, reading
from ensign.control.incidents.api import KillOut
from ensign.control.incidents.incident_queries import IncidentView
from ensign.control.incidents.states import Incident
from ensign.control.kernel import clock

router = Router(tags=["incidents"])

Severity = Literal["sev1", "sev2", "sev3", "sev4"]


class DeclareIn(Input):
    """An incident. ``detected_at`` left out: now; ``began_at``: when the harm began, if that is known; ``kills``: ids
    of kill switches that were pressed already."""

    title: str
    severity: Severity
    projects: list[str] = Field(min_length=1, max_length=20)
    environment: str = ""
    detected_at: datetime | None = None
    began_at: datetime | None = None
    suspected_flag: str = ""
    suspected_change: str = ""
    kills: list[str] = Field(default=[], max_length=50)
    text: str = ""


class TextIn(Input):
    """A line of the log."""

    text: str = ""


class MitigateIn(Input):
    """``when`` left out: now."""

    when: datetime | None = None
    text: str = ""


class ConcludeIn(Input):
    """What is left out stays as it is."""

    root_cause: str | None = None
    severity: Severity | None = None
    began_at: datetime | None = None
    detected_at: datetime | None = None


class FollowUpIn(Input):
    """Something to do: ``owner`` is the id of a person, ``due`` a day."""

    text: str
    owner: str
    due: date


class AttachIn(Input):
    """One of the two: the id of a kill record, or of a request that is still open."""

    kill: str = ""
    request: str = ""


class KillHereIn(Input):
    """A flag to switch off at once, as part of the incident."""

    project: str
    environment: str
    flag: str
    reason: str = ""


class FollowUpOut(Schema):
    """Something to do."""

    id: str
    text: str
    owner: str
    due: date
    done_at: datetime | None
    done_by: str | None


class LineOut(Schema):
    """A line of the log."""

    by: str
    at: datetime
    text: str


class IncidentOut(Schema):
    """An incident; ``kills``, ``requests`` and ``emergencies`` are the ids of what belongs to it."""

    id: str
    version: int
    title: str
    severity: str
    projects: list[str]
    environment: str
    state: str
    began_at: datetime | None
    detected_at: datetime
    declared_at: datetime
    declared_by: str
    mitigated_at: datetime | None
    resolved_at: datetime | None
    suspected_flag: str
    suspected_change: str
    root_cause: str
    follow_ups: list[FollowUpOut]
    lines: list[LineOut]
    kills: list[str]
    requests: list[str]
    emergencies: list[str]

    @staticmethod
    def of(view: IncidentView) -> IncidentOut:
        """From its value."""
        one = view.incident
        return IncidentOut(
            **{name: getattr(one, name) for name in _PLAIN},
            version=view.version,
            projects=list(one.projects),
            follow_ups=[FollowUpOut.from_orm(todo) for todo in one.follow_ups],
            lines=[LineOut.from_orm(line) for line in view.lines],
            kills=[kill.id for kill in incident_queries.kills_of(one)],
            requests=[request.id for request in incident_queries.requests_of(one)],
            emergencies=[opened.id for opened in incident_queries.emergencies(incident=one.id)],
        )


_PLAIN = (
    "id", "title", "severity", "environment", "state", "began_at", "detected_at", "declared_at", "declared_by",
    "mitigated_at", "resolved_at", "suspected_flag", "suspected_change", "root_cause",
)  # fmt: skip


class IncidentLineOut(Schema):
    """An incident in a list."""

    id: str
    title: str
    severity: str
    projects: list[str]
    environment: str
    state: str
    detected_at: datetime
    mitigated_at: datetime | None
    resolved_at: datetime | None

    @staticmethod
    def of(one: Incident) -> IncidentLineOut:
        """From its value."""
        return IncidentLineOut.from_orm(one)


class IncidentsOut(Schema):
    """Newest first, at most five hundred."""

    items: list[IncidentLineOut]


class MeasureOut(Schema):
    """Seconds. ``p90_s`` is null where there are too few to speak of one; ``note`` says so."""

    measure: str
    n: int
    left_out: int
    median_s: int | None
    p90_s: int | None
    slowest_s: int | None
    note: str


class TimesOut(Schema):
    """Times of the incidents declared since, and how many of the changes since ``rate_since`` were emergencies."""

    since: datetime
    until: datetime
    incidents: int
    measures: list[MeasureOut]
    rate_since: datetime
    emergencies: int
    changes: int
    level: str


@router.get("/incidents", response=IncidentsOut, summary="List incidents")
def list_incidents(request: HttpRequest, project: str = "", state: str = "") -> IncidentsOut:
    """Newest first, of the projects that you may read."""
    actor, at = caller(request)
    rights = held(actor, at=at)
    keys = rights.projects(Permission.INCIDENT_READ)
    if project:
        rights.require(Permission.INCIDENT_READ, Scope(project))
        keys = frozenset({project})
    found = incident_queries.incidents(projects=keys, state=state)
    return IncidentsOut(items=[IncidentLineOut.of(one) for one in found])


@router.post("/incidents", response={201: IncidentOut}, summary="Declare an incident")
def declare(request: HttpRequest, response: HttpResponse, body: DeclareIn) -> Status[IncidentOut]:
    """With the kill switches that were pressed before there was time for it."""
    actor, at = caller(request)
    said = body.dict()
    keys = said.pop("projects")
    made = incidents.declare(actor=actor, at=at, project_keys=keys, **said)
    return Status(201, _answer(response, made))


@router.get("/incidents/times", response=TimesOut, summary="How long it took to detect, mitigate and resolve")
def times(request: HttpRequest, days: int = reading.DAYS, project: str = "") -> TimesOut:
    """MTTD, MTTM and MTTR with their n, median and 90th percentile; and the rate of emergency changes."""
    actor, at = caller(request)
    told = reading.times(held(actor, at=at), at=at, days=days, project=project)
    rows = [row for row in reading.time_rows(told) if row["measure"] != "break-glass"]
    return TimesOut(
        since=told.since, until=told.until, incidents=told.incidents,
        measures=[MeasureOut(**{name: row[name] for name in MeasureOut.model_fields}) for row in rows],
        rate_since=told.rate_since, emergencies=told.rate.emergencies, changes=told.rate.changes, level=told.rate.level,
    )  # fmt: skip


class ExportIn(Input):
    """``subject``: incidents, drills or times; ``format``: csv, csv-spreadsheet or json."""

    subject: str = "incidents"
    format: str = "csv"
    days: int = reading.DAYS


@router.post("/exports/incidents", summary="Incidents, drills or times as a file", response={200: None})
def export(request: HttpRequest, body: ExportIn) -> HttpResponse:
    """The file; taking it becomes an entry with its digest."""
    actor, at = caller(request)
    return as_response(reading.export(actor=actor, at=at, subject=body.subject, format=body.format, days=body.days))


def as_response(file: reading.ExportedFile) -> HttpResponse:
    """The file, to save."""
    response = HttpResponse(file.data, content_type=file.media_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-SHA256"] = file.sha256
    return response


@router.get("/incidents/{id}", response=IncidentOut, summary="One incident")
def one(request: HttpRequest, response: HttpResponse, id: str) -> IncidentOut:
    """With its log, and what belongs to it."""
    actor, at = caller(request)
    found = incident_queries.incident(id)
    reading.require_reading(held(actor, at=at), found.incident)
    return _answer(response, found)


@router.post("/incidents/{id}/log", response=IncidentOut, summary="Write a line into the log")
def update(request: HttpRequest, response: HttpResponse, id: str, body: TextIn) -> IncidentOut:
    """What happened, or what is known now."""
    actor, at = caller(request)
    return _answer(response, incidents.update(actor=actor, at=at, incident_id=id, text=body.text))


@router.post("/incidents/{id}/mitigate", response=IncidentOut, summary="Say that the harm has ended")
def mitigate(request: HttpRequest, response: HttpResponse, id: str, body: MitigateIn) -> IncidentOut:
    """Now, or when it did."""
    actor, at = caller(request)
    _match(request, id)
    return _answer(response, incidents.mitigate(actor=actor, at=at, incident_id=id, when=body.when, text=body.text))


@router.post("/incidents/{id}/resolve", response=IncidentOut, summary="Resolve an incident")
def resolve(request: HttpRequest, response: HttpResponse, id: str, body: TextIn) -> IncidentOut:
    """Emergency access under it opens nothing from now on."""
    actor, at = caller(request)
    _match(request, id)
    return _answer(response, incidents.resolve(actor=actor, at=at, incident_id=id, text=body.text))


@router.post("/incidents/{id}/reopen", response=IncidentOut, summary="Open an incident again")
def reopen(request: HttpRequest, response: HttpResponse, id: str, body: TextIn) -> IncidentOut:
    """It was not over after all; ``text`` says what came back."""
    actor, at = caller(request)
    _match(request, id)
    return _answer(response, incidents.reopen(actor=actor, at=at, incident_id=id, text=body.text))


@router.patch("/incidents/{id}", response=IncidentOut, summary="Write down the cause, correct times and severity")
def conclude(request: HttpRequest, response: HttpResponse, id: str, body: ConcludeIn) -> IncidentOut:
    """What is left out stays as it is."""
    actor, at = caller(request)
    _match(request, id)
    return _answer(response, incidents.conclude(actor=actor, at=at, incident_id=id, **body.dict()))


@router.post("/incidents/{id}/follow-ups", response={201: IncidentOut}, summary="Give somebody something to do")
def follow_up(request: HttpRequest, response: HttpResponse, id: str, body: FollowUpIn) -> Status[IncidentOut]:
    """By a day; overdue ones are findings."""
    actor, at = caller(request)
    done = incidents.follow_up(actor=actor, at=at, incident_id=id, text=body.text, owner=body.owner, due=body.due)
    return Status(201, _answer(response, done))


@router.post("/incidents/{id}/follow-ups/{follow_up_id}/done", response=IncidentOut, summary="Say that it is done")
def follow_up_done(request: HttpRequest, response: HttpResponse, id: str, follow_up_id: str) -> IncidentOut:
    """For who owns it, or manages the incident."""
    actor, at = caller(request)
    done = incidents.finish_follow_up(actor=actor, at=at, incident_id=id, follow_up_id=follow_up_id)
    return _answer(response, done)


@router.post("/incidents/{id}/attach", response=IncidentOut, summary="Put a kill switch or a request under it")
def attach(request: HttpRequest, response: HttpResponse, id: str, body: AttachIn) -> IncidentOut:
    """One that was pressed before, or a request that is still open."""
    actor, at = caller(request)
    done = incidents.attach(actor=actor, at=at, incident_id=id, kill=body.kill, request=body.request)
    return _answer(response, done)


@router.post("/incidents/{id}/kill", response={201: KillOut}, summary="Switch a flag off as part of the incident")
def kill(request: HttpRequest, response: HttpResponse, id: str, body: KillHereIn) -> Status[queries.KillView]:
    """As the kill switch of the flag does."""
    actor, at = caller(request)
    done = operations.kill(
        actor=actor, at=at, project=body.project, environment=body.environment, flag=body.flag, reason=body.reason,
        incident=id, now=clock.now,
    )  # fmt: skip
    etag.give(response, version=done.kill.version)
    return Status(201, done.kill)


def _answer(response: HttpResponse, view: IncidentView) -> IncidentOut:
    etag.give(response, version=view.version)
    return IncidentOut.of(view)


def _match(request: HttpRequest, id: str) -> None:
    etag.require_match(request, version=incident_queries.incident(id).version)
