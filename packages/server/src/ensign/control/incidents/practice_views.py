"""Pages of addresses that switch flags off, and of drills."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity.forms import PlainForm
from ensign.control.identity.web import SeeOther, add_errors, secret_page
from ensign.control.incidents import drills, forms, pages, triggering, triggers
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid
from ensign.control.projects.visits import Visit, visit


@require_safe
def trigger_list(request: HttpRequest) -> HttpResponse:
    """Addresses that switch flags off; those that end soon or have ended, too."""
    here = visit(request)
    found = triggers.triggers(projects=here.held.projects(Permission.INCIDENT_READ))
    names = pages.people(one.created_by for one in found)
    lines = [
        {
            "one": one,
            "by": names[one.created_by],
            "usable": one.usable(at=here.at),
            "url": triggers.address(one.id),
            "may": one.usable(at=here.at)
            and here.held.allows_some(Permission.KILL_TRIGGER, Scope(one.project, one.environment)),
        }
        for one in found
    ]
    may_make = bool(pages.places_for(here.held, Permission.KILL_TRIGGER))
    context = {"lines": lines, "may_make": may_make, "tabs": pages.tabs("Triggers")}
    return render(request, "incidents/triggers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def trigger_new(request: HttpRequest) -> HttpResponse:
    """Make an address; the answer shows its secret once."""
    here = visit(request)
    form = forms.TriggerForm(request.POST or None, places=_places(here, request, Permission.KILL_TRIGGER))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            said = dict(form.cleaned_data)
            project, _, environment = said.pop("place").partition("/")
            try:
                made = triggers.make(actor=here.actor, at=here.at, project=project, environment=environment, **said)
            except EnsignError as error:
                status = add_errors(form, error)
            else:
                context = {"made": made, "mode": triggering.MODES[made.trigger.mode], "tabs": pages.tabs("Triggers")}
                return secret_page(request, "incidents/trigger_made.html", context)
    context = {"form": form, "tabs": pages.tabs("Triggers")}
    return render(request, "incidents/trigger_new.html", context, status=status)


def _places(here: Visit, request: HttpRequest, permission: Permission) -> list[tuple[str, str]]:
    """What the form offers; what is sent is judged by the operation, so that a refusal becomes an entry."""
    if request.method == "POST":
        return pages.every_place()
    offered = pages.places_for(here.held, permission)
    if not offered:
        here.held.require(permission, Scope("*", "*"))
    return offered


@require_POST
def trigger_revoke(request: HttpRequest, id: str) -> HttpResponse:
    """End an address at once."""
    here = visit(request)
    try:
        ended = triggers.revoke(actor=here.actor, at=here.at, trigger_id=id)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"“{ended.name}” does nothing any more.")
    return SeeOther(reverse("incidents:triggers"))


@require_safe
def drill_list(request: HttpRequest) -> HttpResponse:
    """Plans, and what came of each drill."""
    return _drills(request, visit(request), None)


def _drills(request: HttpRequest, here: Visit, form: PlainForm | None, *, status: int = 200) -> HttpResponse:
    keys = here.held.projects(Permission.INCIDENT_READ)
    plans = drills.plans(projects=keys)
    found = drills.drills(projects=keys, limit=100)
    names = pages.people([one.planned_by for one in plans] + [one.started_by for one in found])
    places = pages.places_for(here.held, Permission.DRILL_MANAGE)
    if form is None and places:
        form = forms.PlanForm(places=places)
    context = {
        "plans": [
            {
                "one": one,
                "by": names[one.planned_by],
                "overdue": one.overdue(at=here.at),
                "may": here.held.allows_some(Permission.DRILL_MANAGE, Scope(one.project, one.environment)),
            }
            for one in plans
            if one.status == "active"
        ],
        "lines": [{"one": one, "by": names[one.started_by], "look": pages.DRILL_LOOKS[one.status]} for one in found],
        "form": form,
        "tabs": pages.tabs("Drills"),
    }
    return render(request, "incidents/drills.html", context, status=status)


@require_POST
def drill_plan(request: HttpRequest) -> HttpResponse:
    """Plan to rehearse a kill switch."""
    here = visit(request)
    form = forms.PlanForm(request.POST, places=pages.every_place())
    status = 422
    if form.is_valid():
        said = dict(form.cleaned_data)
        project, _, environment = said.pop("place").partition("/")
        try:
            drills.plan(actor=here.actor, at=here.at, project=project, environment=environment, **said)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            messages.success(request, "Planned.")
            return SeeOther(reverse("incidents:drills"))
    return _drills(request, here, form, status=status)


@require_POST
def drill_act(request: HttpRequest, id: str) -> HttpResponse:
    """Run a drill now, or end its plan."""
    here = visit(request)
    name = request.POST.get("act", "")
    try:
        if name == "run":
            done = drills.run(actor=here.actor, at=here.at, plan_id=id, now=clock.now)
            messages.success(
                request, f"{done.flag} is off in {done.environment}. The result is here within six minutes."
            )
        elif name == "end":
            drills.end(actor=here.actor, at=here.at, plan_id=id)
            messages.success(request, "The plan has ended.")
        else:
            raise Invalid("There is no such act.")
    except (Conflict, Invalid) as error:
        messages.error(request, f"Nothing was done. {error.message} {error.remedy}".strip())
    return SeeOther(reverse("incidents:drills"))
