"""Pages of safeguards: those of a project, making one, one with what it saw, and which Prometheus is asked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.audit import history as log
from ensign.control.flags import queries as flags
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Denied, EnsignError
from ensign.control.monitoring import guarding, pages, prometheus
from ensign.control.monitoring import safeguard_queries as queries
from ensign.control.monitoring.domain.safeguards import ACTS, SOURCES
from ensign.control.monitoring.safeguard_api import hook_of
from ensign.control.monitoring.safeguard_forms import PrometheusForm, SafeguardForm
from ensign.control.monitoring.safeguard_queries import SafeguardView
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import attach
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks


def _line(view: SafeguardView, names: dict[str, str]) -> dict[str, Any]:
    one = view.safeguard
    return {
        "one": one,
        "watch": view.watch,
        "version": view.version,
        "source": SOURCES[one.source.kind],
        "act": ACTS[one.act],
        "account": pages.person(one.account, names),
        "state": pages.safeguard_state(one, view.watch),
    }


def _may(here: Visit, view: SafeguardView) -> bool:
    one = view.safeguard
    scope = guarding.scope_of(one.project, one.environment, one.flag)
    return here.held.allows(Permission.SAFEGUARD_MANAGE, scope)


@require_safe
def safeguards(request: HttpRequest, project: str) -> HttpResponse:
    """GET /projects/<project>/safeguards: all of them, with what each saw last."""
    here = visit(request, project=project)
    row = projects.project(project)
    found = queries.safeguards(project, ended=bool(request.GET.get("ended")))
    names = identity.names(view.safeguard.account for view in found)
    context = {
        "project": row,
        "steps": project_pages.crumbs(row, ("Safeguards", "")),
        "lines": [_line(view, names) for view in found],
        "may_make": any(
            here.may_for_some(Permission.SAFEGUARD_MANAGE, project, e.key) for e in projects.environments(project)
        ),
        "ended": bool(request.GET.get("ended")),
    }
    return render(request, "monitoring/safeguards.html", context)


def _form(project: str, data: Any = None, **more: Any) -> SafeguardForm:
    accounts = [(one.id, one.name) for one in identity.service_accounts() if one.status == "active"]
    return SafeguardForm(
        data,
        flags=[(one.info.key, one.info.key) for one in flags.flags(project)],
        environments=[(one.key, one.name) for one in projects.environments(project)],
        accounts=accounts,
        **more,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, project: str) -> HttpResponse:
    """GET and POST /projects/<project>/safeguards/new."""
    here = visit(request, project=project)
    row = projects.project(project)
    given = {name: request.GET[name] for name in ("flag", "environment") if name in request.GET}
    form = _form(project, request.POST or None, initial={"environment": "production", **given})
    secret = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = guarding.make(
                actor=here.actor,
                at=here.at,
                project=project,
                environment=form.cleaned_data["environment"],
                key=form.cleaned_data["key"].strip(),
                wish=form.wish(),
                reason=form.cleaned_data["reason"],
            )
        except Denied:
            raise
        except EnsignError as error:
            attach(form, error)
        else:
            if not made.secret:
                messages.success(request, f"{made.safeguard.key} is armed.")
                return redirect("monitoring:safeguard", project=project, id=made.safeguard.id)
            secret = made.secret
            context = {
                "project": row,
                "steps": _steps(row, made.safeguard.key),
                "one": made.safeguard,
                "secret": secret,
                "hook": hook_of(made.safeguard),
            }
            return render(request, "monitoring/safeguard_made.html", context)
    context = {"project": row, "steps": _steps(row, "New"), "form": form}
    return render(request, "monitoring/safeguard_new.html", context, status=422 if form.errors else 200)


def _steps(row: projects.ProjectRow, last: str) -> list[looks.Crumb]:
    all_of_them = reverse("monitoring:safeguards", kwargs={"project": row.key})
    return project_pages.crumbs(row, ("Safeguards", all_of_them), (last, ""))


@require_http_methods(["GET", "HEAD", "POST"])
def safeguard(request: HttpRequest, project: str, id: str) -> HttpResponse:
    """GET /projects/<project>/safeguards/<id>: what it guards, what it saw and did; POST changes it."""
    here = visit(request, project=project)
    view = queries.safeguard(id, project=project)
    form = _form(project, request.POST or None, changes=True, initial=_beginning(view))
    if request.method == "POST" and form.is_valid():
        try:
            guarding.change(
                actor=here.actor,
                at=here.at,
                safeguard_id=id,
                wish=form.wish(),
                reason=form.cleaned_data["reason"],
            )
        except Denied:
            raise
        except EnsignError as error:
            attach(form, error)
        else:
            messages.success(request, "The safeguard watches for this from now on.")
            return redirect("monitoring:safeguard", project=project, id=id)
    one = view.safeguard
    entries = log.of_object(f"safeguard:{id}", limit=20)
    names = identity.names([one.account, one.made_by, *(entry.actor["id"] for entry in entries)])
    row = projects.project(project)
    context = {
        "project": row,
        "steps": _steps(row, one.key),
        **_line(view, names),
        "hook": hook_of(one),
        "form": form,
        "may": _may(here, view),
        "entries": [(entry, pages.person(entry.actor["id"], names)) for entry in entries],
    }
    return render(request, "monitoring/safeguard.html", context, status=422 if form.errors else 200)


def _beginning(view: SafeguardView) -> dict[str, Any]:
    one, source = view.safeguard, view.safeguard.source
    return {
        **{
            name: getattr(one, name) for name in ("flag", "environment", "key", "act", "account", "threshold", "checks")
        },
        **{name: getattr(source, name) for name in ("query", "measure", "metric", "per", "minutes", "path")},
        "source": source.kind,
        "labels": "\n".join(f"{name}={value}" for name, value in source.labels.items()),
        "direction": "above" if one.above else "below",
        "no_data_minutes": one.no_data_minutes,
    }


@require_POST
def act(request: HttpRequest, project: str, id: str) -> HttpResponse:
    """POST /projects/<project>/safeguards/<id>/act: arm it again, or end it."""
    here = visit(request, project=project)
    queries.safeguard(id, project=project)
    reason = request.POST.get("reason", "")
    try:
        if request.POST.get("act") == "end":
            guarding.end(actor=here.actor, at=here.at, safeguard_id=id, reason=reason)
            messages.success(request, "It guards no more.")
        else:
            guarding.rearm(actor=here.actor, at=here.at, safeguard_id=id, reason=reason)
            messages.success(request, "It watches again.")
    except Denied:
        raise
    except EnsignError as error:
        said = " ".join([error.message, error.remedy, *error.fields.values()])
        messages.error(request, said.strip())
    return redirect("monitoring:safeguard", project=project, id=id)


@require_http_methods(["GET", "HEAD", "POST"])
def choose_prometheus(request: HttpRequest) -> HttpResponse:
    """GET and POST /alerts/prometheus: which Prometheus safeguards ask."""
    here = visit(request)
    here.held.require(Permission.ORG_READ)
    present = prometheus.present()
    form = PrometheusForm(request.POST or None, initial=PrometheusForm.beginning(present))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            prometheus.choose(
                actor=here.actor,
                at=here.at,
                url=data["url"],
                credentials=data["credentials"],
                secret=data["secret"],
                version=data["version"],
                reason=data["reason"],
            )
        except Denied:
            raise
        except EnsignError as error:
            attach(form, error)
        else:
            messages.success(request, "Safeguards ask there from now on.")
            return redirect("monitoring:prometheus")
    context = {
        "form": form,
        "present": present,
        "may_manage": here.may(Permission.ORG_SETTINGS_MANAGE),
        "steps": (looks.Crumb(label="Alerts", href="/alerts"), looks.Crumb(label="Prometheus", href="")),
    }
    return render(request, "monitoring/prometheus.html", context, status=422 if form.errors else 200)
