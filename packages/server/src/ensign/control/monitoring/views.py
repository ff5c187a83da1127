"""Pages of alerts: the list, one alert with its verdict, and what is watched."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.audit import history as log
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid, NeedsMfa
from ensign.control.monitoring import exporting, operations, pages, queries, settings
from ensign.control.monitoring.api import answer
from ensign.control.monitoring.forms import AlertFilter, RulesForm, TriageForm
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import attach
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks
from ensign.control.ui.middleware import PROJECT_COOKIE

_LIMIT = 50
_EVIDENCE = 20


def _filter(request: HttpRequest, here: Visit) -> AlertFilter:
    reader = queries.readable(here.held)
    keys = [row.key for row in projects.projects() if reader.projects is None or row.key in reader.projects]
    return AlertFilter(request.POST if request.method == "POST" else request.GET, projects=keys)


@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """GET /alerts: those that wait, newest first; the filters are the address."""
    here = visit(request)
    reader, form = queries.readable(here.held), _filter(request, here)
    before = request.GET.get("before") or None
    found = (
        queries.alerts(reader, form.wanted(), at=here.at, before=before, limit=_LIMIT + 1) if form.is_valid() else []
    )
    shown = [view.alert for view in found[:_LIMIT]]
    names = identity.names(pages.ids(shown))
    given = {name: value for name, value in request.GET.items() if value and name != "before"}
    older = "?" + urlencode({**given, "before": shown[-1].id}) if len(found) > _LIMIT else ""
    context = {
        "form": form,
        "lines": [pages.line(one, names, reader=here.actor.id, at=here.at) for one in shown],
        "given": given,
        "filtered": bool(given),
        "reads": bool(reader),
        "may_set": here.may(Permission.ORG_READ),
        "guarded": _project(request, here),
        "pager": looks.Pager(
            shown=len(shown), noun="alerts", newer="?" + urlencode(given) if before else "", older=older
        ),
    }
    return render(request, "monitoring/alerts.html", context)


def _project(request: HttpRequest, here: Visit) -> str:
    """The key of the project that this browser looked at last, or of the first that its person reads; perhaps none."""
    keys = [row.key for row in projects.projects() if here.sees(row.key)]
    last = request.COOKIES.get(PROJECT_COOKIE, "")
    return last if last in keys else next(iter(keys), "")


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """POST /alerts/export: the alerts of the filters as a file."""
    here = visit(request)
    form = _filter(request, here)
    if not form.is_valid():
        messages.error(request, "Nothing was exported: one of the filters is not possible.")
        return redirect("monitoring:alerts")
    format_: exporting.Format = "json" if request.POST.get("format") == "json" else "csv"
    return answer(exporting.export(actor=here.actor, at=here.at, wanted=form.wanted(), format=format_))


@require_safe
def alert(request: HttpRequest, id: str) -> HttpResponse:
    """GET /alerts/<id>: what was seen, the entries that show it, and the verdict."""
    return _alert(request, id, TriageForm())


def _alert(request: HttpRequest, id: str, form: TriageForm) -> HttpResponse:
    here = visit(request)
    view = queries.alert(id, queries.readable(here.held))
    one = view.alert
    opened = log.opened(one.evidence[-_EVIDENCE:])
    names = identity.names([*pages.ids([one]), *(entry.actor["id"] for entry in opened.values())])
    context = {
        "line": pages.line(one, names, reader=here.actor.id, at=here.at),
        "alert": one,
        "version": view.version,
        "evidence": [(entry, pages.person(entry.actor["id"], names)) for entry in reversed(opened.values())],
        "older": len(one.evidence) - len(opened),
        "triaged_by": None if one.triaged_by is None else pages.person(one.triaged_by, names),
        "acknowledged_by": None if one.acknowledged_by is None else pages.person(one.acknowledged_by, names),
        "may": queries.triageable(one, here.held),
        "form": form,
        "steps": (looks.Crumb(label="Alerts", href="/alerts"), looks.Crumb(label=one.title, href="")),
    }
    return render(request, "monitoring/alert.html", context, status=422 if form.errors else 200)


@require_POST
def judge(request: HttpRequest, id: str) -> HttpResponse:
    """POST /alerts/<id>/judge: look into it, or the verdict."""
    here = visit(request)
    view = queries.alert(id, queries.readable(here.held))
    form = TriageForm(request.POST)
    try:
        if request.POST.get("act") == "acknowledge":
            operations.acknowledge(actor=here.actor, at=here.at, alert_id=view.alert.id)
            messages.success(request, "Everybody sees that you look into it.")
            return redirect("monitoring:alert", id=id)
        form.is_valid()
        operations.triage(
            actor=here.actor,
            at=here.at,
            alert_id=view.alert.id,
            verdict=form.cleaned_data.get("verdict", request.POST.get("verdict", "")),
            reason=request.POST.get("reason", ""),
            follow_up=request.POST.get("follow_up", ""),
        )
    except (Conflict, Invalid) as error:
        attach(form, error)
        return _alert(request, id, form)
    except Denied as error:
        if error.code != "own-alert":
            raise
        attach(form, error)
        return _alert(request, id, form)
    messages.success(request, "Thank you: your verdict stands in the log.")
    return redirect("monitoring:alerts")


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    """GET and POST /alerts/rules: what is watched."""
    here = visit(request)
    if not here.may(Permission.ORG_READ):
        here.held.require(Permission.ORG_READ)
    present = settings.present()
    form = RulesForm(request.POST or None, initial=RulesForm.beginning(present.rules, present.version))
    if request.method == "POST" and form.is_valid():
        try:
            settings.change(
                actor=here.actor,
                at=here.at,
                wanted=form.wanted(),
                version=form.cleaned_data["version"],
                reason=form.cleaned_data["reason"],
            )
        except (Denied, NeedsMfa):
            raise
        except EnsignError as error:
            attach(form, error)
        else:
            messages.success(request, "This is watched from now on.")
            return redirect("monitoring:rules")
    context = {
        "form": form,
        "may_manage": here.may(Permission.ORG_SETTINGS_MANAGE),
        "rules": present.rules,
        "steps": (looks.Crumb(label="Alerts", href="/alerts"), looks.Crumb(label="What is watched", href="")),
    }
    return render(request, "monitoring/rules.html", context, status=422 if form.errors else 200)
