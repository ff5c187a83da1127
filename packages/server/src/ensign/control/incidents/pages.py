"""Incidents, emergency changes, addresses and drills as pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Literal

from django.urls import reverse

from ensign.control.access.decisions import Held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.incidents.states import Incident
from ensign.control.projects import queries as projects
from ensign.control.ui import looks

_TABS: Final = (
    ("Incidents", "incidents:list"),
    ("Kill switches", "incidents:kills"),
    ("Emergency changes", "incidents:emergencies"),
    ("Drills", "incidents:drills"),
    ("Triggers", "incidents:triggers"),
    ("Times", "incidents:times"),
)
#: State -> word, tone, icon.
STATES: Final = {
    "open": ("Open", "bad", "warning"),
    "mitigated": ("Mitigated", "warn", "waiting"),
    "resolved": ("Resolved", "good", "check"),
}
SEVERITY_TONES: Final = {"sev1": "bad", "sev2": "warn", "sev3": "info", "sev4": "calm"}
DRILL_LOOKS: Final = {
    "measuring": ("Measuring", "info", "waiting"),
    "passed": ("Passed", "good", "check"),
    "failed": ("Failed", "bad", "failure"),
    "inconclusive": ("Nobody to measure", "warn", "warning"),
    "impossible": ("Could not run", "warn", "warning"),
}
VERDICT_LOOKS: Final = {
    "justified": ("Justified", "good", "check"),
    "unjustified": ("Unjustified", "bad", "failure"),
    "process_gap": ("Process gap", "warn", "warning"),
}


def tabs(current: str) -> tuple[looks.Choice, ...]:
    """The room's parts."""
    return tuple(looks.Choice(label=label, href=reverse(name), current=label == current) for label, name in _TABS)


def people(ids: Iterable[str]) -> dict[str, looks.Person]:
    """Ids as the components show them."""
    wanted = {id for id in ids if id}
    return {id: looks.Person(name=name, kind=_kind(id)) for id, name in identity.names(wanted).items()}


def _kind(id: str) -> Literal["person", "service", "system"]:
    return "person" if id.startswith("usr_") else "service" if id.startswith("svc_") else "system"


def active_people() -> list[tuple[str, str]]:
    """Who a follow-up can be given to."""
    return [(one.id, one.display) for one in identity.people(status="active")]


def places_for(rights: Held, permission: Permission, *, incident: Incident | None = None) -> list[tuple[str, str]]:
    """``project/environment`` of each place where they hold ``permission`` for some flag at least."""
    return [
        (f"{row.project}/{row.key}", f"{row.name} of {row.project}")
        for rows in projects.all_environments().values()
        for row in rows
        if rights.allows_some(permission, Scope(row.project, row.key))
        and (incident is None or incident.concerns(row.project, row.key))
    ]


def took(value: timedelta | None) -> str:
    """A duration as people say it: ``40 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if value is None:
        return "–"
    seconds = round(value.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def every_place(incident: Incident | None = None) -> list[tuple[str, str]]:
    """Every place that there is, or that ``incident`` is about: whether one may is decided by the operation."""
    return [
        (f"{row.project}/{row.key}", f"{row.name} of {row.project}")
        for rows in projects.all_environments().values()
        for row in rows
        if incident is None or incident.concerns(row.project, row.key)
    ]
