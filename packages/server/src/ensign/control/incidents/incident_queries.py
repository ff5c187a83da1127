"""Reads of incidents, and what belongs to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ensign.control.audit.models import Entry
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.models import Request
from ensign.control.incidents import queries
from ensign.control.incidents.emergency import Emergency
from ensign.control.incidents.models import EmergencyRow, IncidentRow, IncidentUpdate, Kill
from ensign.control.incidents.states import Incident
from ensign.control.incidents.timing import Rate
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.kernel.ids import first_id

#: So long before its detection a kill or request may have been made that was put under an incident later.
_BEFORE = timedelta(days=30)
_MANY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the log."""

    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """An incident with its row's version and its log, oldest line first."""

    incident: Incident
    version: int
    lines: tuple[Line, ...] = ()


def incident(id: str) -> IncidentView:
    """One incident.

    :raises NotFound: when there is none.
    """
    row = IncidentRow.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such incident.", remedy="See Incidents.")
    lines = IncidentUpdate.objects.filter(incident=id).order_by("pk")
    return IncidentView(
        incident=Incident.from_state(row.pk, row.state),
        version=row.version,
        lines=tuple(Line(by=one.state["by"], at=clock.parse(one.state["at"]), text=one.state["text"]) for one in lines),
    )


def incidents(
    *, projects: Collection[str] | None, state: str = "", since: datetime | None = None, limit: int = _MANY
) -> list[Incident]:
    """Incidents, newest first: those that are about one of ``projects`` (None: all), declared ``since``."""
    rows = IncidentRow.objects.order_by("-pk")
    if state:
        rows = rows.filter(incident_state=state)
    if since is not None:
        rows = rows.filter(pk__gte=first_id("inc", at=since))
    found: list[Incident] = []
    for row in rows.iterator(chunk_size=200):
        one = Incident.from_state(row.pk, row.state)
        if projects is None or not set(projects).isdisjoint(one.projects):
            found.append(one)
            if len(found) >= limit:
                break
    return found


def going_on(project: str, environment: str) -> list[Incident]:
    """Those that are not resolved and about this place, newest first."""
    rows = IncidentRow.objects.exclude(incident_state="resolved").order_by("-pk")
    found = [Incident.from_state(row.pk, row.state) for row in rows]
    return [one for one in found if one.concerns(project, environment)]


def kills_of(one: Incident) -> list[queries.KillView]:
    """The kill switches that were pressed in it, oldest first."""
    rows = Kill.objects.filter(project__in=one.projects, pk__gte=first_id("kil", at=one.detected_at - _BEFORE))
    rows = rows.filter(content__contains=f'"incident":"{one.id}"').order_by("pk")
    return [queries.to_view(row) for row in rows]


def requests_of(one: Incident) -> list[ChangeRequest]:
    """The change requests that belong to it, oldest first; kill switches have theirs besides."""
    rows = Request.objects.filter(project__in=one.projects, pk__gte=first_id("crq", at=one.detected_at - _BEFORE))
    rows = rows.filter(content__contains=f'"incident":"{one.id}"').order_by("pk")
    found = [ChangeRequest.from_state(row.pk, row.state) for row in rows]
    return [request for request in found if request.mode != "standard"]


def emergency(id: str) -> Emergency:
    """One opening of the glass.

    :raises NotFound: when there is none.
    """
    row = EmergencyRow.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such emergency access.", remedy="See Incidents.")
    return to_emergency(row)


def to_emergency(row: EmergencyRow) -> Emergency:
    """The value of a row."""
    return Emergency.from_state(row.pk, row.version, row.state)


def emergencies(
    *, projects: Collection[str] | None = None, incident: str = "", since: datetime | None = None, limit: int = _MANY
) -> list[Emergency]:
    """Openings, newest first."""
    rows = EmergencyRow.objects.order_by("-pk")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    if incident:
        rows = rows.filter(incident=incident)
    if since is not None:
        rows = rows.filter(pk__gte=first_id("bgo", at=since))
    return [to_emergency(row) for row in rows[:limit]]


def unreviewed() -> list[Emergency]:
    """Openings without a verdict, oldest first."""
    return [to_emergency(row) for row in EmergencyRow.objects.filter(verdict__isnull=True).order_by("pk")]


def open_now(*, at: datetime) -> list[Emergency]:
    """Openings that are open at ``at``."""
    rows = EmergencyRow.objects.filter(pk__gte=first_id("bgo", at=at - timedelta(hours=5)), verdict__isnull=True)
    return [one for one in map(to_emergency, rows.order_by("pk")) if one.open(at=at)]


def rate(*, projects: Collection[str] | None, since: datetime) -> Rate:
    """How many of the changes applied since then were emergencies; kill switches are no emergencies, but changes."""
    entries = Entry.objects.filter(mode__isnull=False, ts__gte=clock.text(since))
    if projects is not None:
        entries = entries.filter(project__in=projects)
    return Rate(emergencies=entries.filter(mode="break-glass").count(), changes=entries.count())


def titles(ids: Collection[str], *, projects: Collection[str]) -> dict[str, str]:
    """Id -> title of those incidents that touch one of the projects; of all where the empty one, the organisation, is
    among them.
    """
    wanted = [id for id in ids if id.startswith("inc_")]
    if not wanted:
        return {}
    states = {row.pk: row.state for row in IncidentRow.objects.filter(pk__in=wanted)}
    return {
        id: str(state["title"])
        for id, state in states.items()
        if "" in projects or not set(projects).isdisjoint(state["projects"])
    }
