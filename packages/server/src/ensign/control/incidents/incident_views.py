"""Pages of incidents and their times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity.forms import PlainForm
from ensign.control.identity.web import SeeOther, add_errors
from ensign.control.incidents import (
    forms,
    incident_queries,
    incidents,
    opening,
    operations,
    pages,
    queries,
    reading,
)
from ensign.control.incidents.incidents_api import as_response
from ensign.control.incidents.states import Incident
from ensign.control.incidents.timing import ENOUGH
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError, Invalid
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit

_RECENT: Final = timedelta(days=2)


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Incidents, those that go on first."""
    here = visit(request)
    found = incident_queries.incidents(projects=here.held.projects(Permission.INCIDENT_READ))
    found.sort(key=lambda one: not one.going_on)
    names = pages.people(one.declared_by for one in found)
    lines = [
        {
            "one": one,
            "look": pages.STATES[one.state],
            "tone": pages.SEVERITY_TONES[one.severity],
            "by": names[one.declared_by],
            "lasted": pages.took((one.resolved_at or here.at) - one.detected_at),
        }
        for one in found
    ]
    context = {"lines": lines, "tabs": pages.tabs("Incidents"), "may_declare": bool(_projects(here))}
    return render(request, "incidents/incidents.html", context)


def _projects(here: Visit) -> list[tuple[str, str]]:
    return [
        (row.key, f"{row.name} ({row.key})")
        for row in projects.projects()
        if here.may(Permission.INCIDENT_DECLARE, row.key)
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def declare(request: HttpRequest) -> HttpResponse:
    """Declare an incident."""
    here = visit(request)
    offered = _projects(here)
    if request.method == "POST":  # what is sent is judged by the operation, so that a refusal becomes an entry
        offered = [(row.key, row.name) for row in projects.projects()]
    environments = {e.key: e.name for rows in projects.all_environments().values() for e in rows}
    fresh = [
        one
        for one in queries.kills(projects=here.held.projects(Permission.INCIDENT_READ), limit=20)
        if one.incident is None and here.at - one.pressed_at < _RECENT
    ]
    initial: dict[str, Any] = {"projects": [offered[0][0]]} if len(offered) == 1 else {}
    if chosen := next((one for one in fresh if one.id == request.GET.get("kill")), None):
        initial = {
            "projects": [chosen.project], "environment": chosen.environment, "kills": [chosen.id],
            "suspected_flag": chosen.flag, "title": f"{chosen.flag} was switched off",
        }  # fmt: skip
    form = forms.DeclareForm(
        request.POST or None, initial=initial, projects=offered, environments=environments.items(),
        kills=[(one.id, f"{one.flag} in {one.environment}, {one.pressed_at:%H:%M} UTC") for one in fresh],
    )  # fmt: skip
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            said = dict(form.cleaned_data)
            keys = said.pop("projects")
            try:
                made = incidents.declare(actor=here.actor, at=here.at, project_keys=keys, **said)
            except EnsignError as error:
                status = add_errors(form, error)
            else:
                messages.success(request, "The incident is declared.")
                return SeeOther(reverse("incidents:incident", kwargs={"id": made.incident.id}))
    elif not offered:
        here.held.require(Permission.INCIDENT_DECLARE, Scope("*"))
    return render(request, "incidents/declare.html", {"form": form, "tabs": pages.tabs("Incidents")}, status=status)


@require_safe
def detail(request: HttpRequest, id: str) -> HttpResponse:
    """One incident: what is known, what was done, and what is the reader's to do."""
    return _detail(request, visit(request), id)


def _forms(here: Visit, one: Incident) -> dict[str, PlainForm]:
    """The forms of what the reader may do, by the act that each is for."""
    may = {
        permission: all(here.may(permission, key) for key in one.projects)
        for permission in (Permission.INCIDENT_DECLARE, Permission.INCIDENT_MANAGE)
    }
    found: dict[str, PlainForm] = {}
    if may[Permission.INCIDENT_DECLARE]:
        found["update"] = forms.LineForm(prefix="update")
        if one.state == "open":
            found["mitigate"] = forms.MitigateForm(prefix="mitigate")
    if may[Permission.INCIDENT_MANAGE]:
        if one.going_on:
            found["resolve"] = forms.SayForm(prefix="resolve")
        else:
            found["reopen"] = forms.SayForm(prefix="reopen")
        known = {name: getattr(one, name) for name in ("severity", "root_cause", "began_at", "detected_at")}
        found["conclude"] = forms.ConcludeForm(prefix="conclude", initial=known)
        found["follow-up"] = forms.FollowUpForm(prefix="follow-up", people=pages.active_people())
    if one.going_on:
        if places := pages.places_for(here.held, Permission.FLAG_KILL, incident=one):
            flag = {"flag": one.suspected_flag}
            found["kill"] = forms.KillForm(prefix="kill", places=places, initial=flag)
        if places := pages.places_for(here.held, Permission.CHANGE_BREAK_GLASS, incident=one):
            found["break-glass"] = forms.BreakGlassForm(prefix="break-glass", places=places)
    return found


def _detail(
    request: HttpRequest, here: Visit, id: str, *, given: Mapping[str, PlainForm] | None = None, status: int = 200
) -> HttpResponse:
    view = incident_queries.incident(id)
    one = view.incident
    reading.require_reading(here.held, one)
    emergencies = incident_queries.emergencies(incident=id)
    killed, requests = incident_queries.kills_of(one), incident_queries.requests_of(one)
    offered = {**_forms(here, one), **(given or {})}
    names = pages.people(
        [one.declared_by, *(line.by for line in view.lines), *(k.by for k in killed), *(e.person for e in emergencies)]
        + [request_.author for request_ in requests]
        + [todo.owner for todo in one.follow_ups]
    )
    context = {
        "one": one,
        "look": pages.STATES[one.state],
        "tone": pages.SEVERITY_TONES[one.severity],
        "lines": [{"line": line, "by": names[line.by]} for line in reversed(view.lines)],
        "kills": [{"kill": kill, "by": names[kill.by]} for kill in killed],
        "requests": [{"request": one_, "by": names[one_.author]} for one_ in requests],
        "emergencies": [
            {"one": e, "by": names[e.person], "open": e.open(at=here.at), "overdue": e.overdue(at=here.at)}
            for e in emergencies
        ],
        "follow_ups": [
            {
                "todo": todo,
                "owner": names[todo.owner],
                "overdue": todo.overdue(at=here.at),
                "may": todo.owner == here.actor.id or "follow-up" in offered,
            }
            for todo in one.follow_ups
        ],
        "declared_by": names[one.declared_by],
        "forms": {name.replace("-", "_"): form for name, form in offered.items()},
        "tabs": pages.tabs("Incidents"),
        "took": {
            "detect": None if one.began_at is None else pages.took(one.detected_at - one.began_at),
            "mitigate": None if one.mitigated_at is None else pages.took(one.mitigated_at - one.detected_at),
            "resolve": None if one.resolved_at is None else pages.took(one.resolved_at - one.detected_at),
        },
    }
    return render(request, "incidents/incident.html", context, status=status)


@require_POST
def act(request: HttpRequest, id: str) -> HttpResponse:
    """One step: a line, mitigated, resolved, the cause, a follow-up, a kill, breaking the glass."""
    here = visit(request)
    name = request.POST.get("act", "")
    one = incident_queries.incident(id).incident
    reading.require_reading(here.held, one)
    if name == "done":
        incidents.finish_follow_up(
            actor=here.actor, at=here.at, incident_id=id, follow_up_id=request.POST.get("follow_up", "")
        )
        return SeeOther(reverse("incidents:incident", kwargs={"id": id}))
    if name not in _ACTS:
        raise Invalid("There is no such act.")
    form = _bound(name, request, one)
    status = 422
    if form.is_valid():
        try:
            said, target = _ACTS[name](here, id, form.cleaned_data)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, said)
            return SeeOther(target or reverse("incidents:incident", kwargs={"id": id}))
    return _detail(request, here, id, given={name: form}, status=status)


def _bound(name: str, request: HttpRequest, one: Incident) -> PlainForm:
    data = request.POST
    if name == "follow-up":
        return forms.FollowUpForm(data, prefix=name, people=pages.active_people())
    if name in {"kill", "break-glass"}:
        all_places = pages.every_place(one)
        kind = forms.KillForm if name == "kill" else forms.BreakGlassForm
        return kind(data, prefix=name, places=all_places)
    kinds: dict[str, type[PlainForm]] = {
        "update": forms.LineForm,
        "mitigate": forms.MitigateForm,
        "resolve": forms.SayForm,
        "reopen": forms.SayForm,
        "conclude": forms.ConcludeForm,
    }
    return kinds[name](data, prefix=name)


_Done = tuple[str, str]


def _update(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    incidents.update(actor=here.actor, at=here.at, incident_id=id, text=said["text"])
    return "Written into the incident's log.", ""


def _mitigate(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    incidents.mitigate(actor=here.actor, at=here.at, incident_id=id, when=said["when"], text=said["text"])
    return "The incident is mitigated.", ""


def _resolve(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    incidents.resolve(actor=here.actor, at=here.at, incident_id=id, text=said["text"])
    return "The incident is resolved.", ""


def _reopen(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    incidents.reopen(actor=here.actor, at=here.at, incident_id=id, text=said["text"])
    return "The incident is open again.", ""


def _conclude(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    incidents.conclude(
        actor=here.actor, at=here.at, incident_id=id, root_cause=said["root_cause"], severity=said["severity"],
        began_at=said["began_at"], detected_at=said["detected_at"],
    )  # fmt: skip
    return "Saved.", ""


def _follow_up(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    incidents.follow_up(actor=here.actor, at=here.at, incident_id=id, **said)
    return "Somebody has it to do.", ""


def _kill(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    project, _, environment = said["place"].partition("/")
    done = operations.kill(
        actor=here.actor, at=here.at, project=project, environment=environment, flag=said["flag"],
        reason=said["reason"], incident=id, now=clock.now,
    )  # fmt: skip
    return f"{done.kill.flag} is off in {environment}. It took {done.kill.took_ms} ms.", ""


def _break_glass(here: Visit, id: str, said: Mapping[str, Any]) -> _Done:
    project, _, environment = said["place"].partition("/")
    made = opening.break_glass(
        actor=here.actor, at=here.at, incident_id=id, project=project, environment=environment,
        flags=said["flags"].replace(",", " ").split(), reason=said["reason"], hours=said["hours"],
    )  # fmt: skip
    return "The glass is broken. Everybody sees it.", reverse("incidents:emergency", kwargs={"id": made.id})


_ACTS: Final[Mapping[str, Callable[[Visit, str, Mapping[str, Any]], _Done]]] = {
    "update": _update,
    "mitigate": _mitigate,
    "resolve": _resolve,
    "reopen": _reopen,
    "conclude": _conclude,
    "follow-up": _follow_up,
    "kill": _kill,
    "break-glass": _break_glass,
}


@require_safe
def times(request: HttpRequest) -> HttpResponse:
    """MTTD, MTTM, MTTR, and how often the glass is broken."""
    here = visit(request)
    told = reading.times(here.held, at=here.at)
    names = {"detect": "To detect (MTTD)", "mitigate": "To mitigate (MTTM)", "resolve": "To resolve (MTTR)"}
    rows = [
        {
            "name": names[one.kind],
            "one": one,
            "median": pages.took(one.median),
            "p90": pages.took(one.p90) if one.p90 is not None else "",
            "slowest": pages.took(one.slowest),
        }
        for one in told.measures
    ]
    context = {
        "told": told, "rows": rows, "enough": ENOUGH, "share": f"{told.rate.share * 100:.1f}",
        "tabs": pages.tabs("Times"),
    }  # fmt: skip
    return render(request, "incidents/times.html", context)


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """Incidents, drills or times as a file."""
    here = visit(request)
    subject, format = request.POST.get("subject", ""), request.POST.get("format", "csv")
    return as_response(reading.export(actor=here.actor, at=here.at, subject=subject, format=format))
