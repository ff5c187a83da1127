"""Pages of policies: what changes must meet in each environment and since when, the editor, presets to begin from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from ensign.control.access import catalogue, places
from ensign.control.access.permissions import Permission
from ensign.control.changes import operations as door
from ensign.control.changes import pages, queries
from ensign.control.changes.domain import tickets as references
from ensign.control.changes.domain.base import operation_types
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.policy_forms import Known, PolicyForm
from ensign.control.changes.policy_gates import touches_policy
from ensign.control.changes.timelines import policy_history
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.knowing import spelled
from ensign.control.projects.policy_words import ACTS, frozen, members
from ensign.control.projects.presets import PRESETS, preset, recognised
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks


@require_safe
def policies(request: HttpRequest, project: str) -> HttpResponse:
    """What changes must meet in each environment, and since when."""
    here = visit(request, project=project)
    here.require(Permission.PROJECT_POLICY_READ, project)
    found = projects.project(project)
    waiting = _waiting(project, at=here.at)
    columns = [
        {
            "place": place,
            "said": _said(place.policy.rules),
            "history": policy_history(project, place.row.key),
            "frozen": frozen(place.policy.rules.freezes, at=here.at),
            "waiting": [line for line in waiting if line.request.environment == place.row.key],
        }
        for place in project_pages.places(project)
    ]
    context = {
        "project": found,
        "columns": columns,
        "steps": project_pages.crumbs(found, ("Policies", "")),
        "may_propose": here.may(Permission.PROJECT_POLICY_PROPOSE, project),
    }
    return render(request, "changes/policies.html", context)


def _waiting(project: str, *, at: datetime) -> list[pages.Line]:
    """Open requests that would change what is asked for here, as a list shows them."""
    asked = [row for row in queries.open_requests(project) if row.request.status != "draft"]
    return pages.lines([row for row in asked if touches_policy(row.request)], at=at)


def _said(rules: PolicyRules) -> list[tuple[str, str]]:
    """Everything that a policy says, as (label, words) with names in place of ids."""
    found = members(rules)
    return list(zip(spelled(found), spelled(found.values()), strict=True))


@require_http_methods(["GET", "HEAD", "POST"])
def policy(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Edit a policy and propose it: a change like any other, which the policy in force decides about."""
    here = visit(request, project=project)
    here.require(Permission.PROJECT_POLICY_PROPOSE, project)
    place = _place(project, environment)
    known = _known(project, environment)
    if request.method != "POST":
        begun = request.GET.get("preset", "")
        rules = place.policy.rules if not begun else _begun(begun, place)
        return _editor(request, project, place, PolicyForm(known=known, rules=rules), begun=begun)
    pressed = request.POST.get("more", "")
    form = PolicyForm(known=known, posted=request.POST, more=pressed)
    if pressed or not form.is_valid():
        return _editor(request, project, place, form, status=200 if pressed else 422)
    try:
        done = _propose(here, project, place, form)
    except (Invalid, Conflict) as error:
        form.attach(error)
        return _editor(request, project, place, form, status=422)
    messages.success(
        request, "The new policy is in force." if done.applied else "Submitted: the present policy decides."
    )
    return redirect("changes:detail", id=done.request.id)


def _propose(here: Visit, project: str, place: project_pages.Place, form: PolicyForm) -> door.Proposed:
    typed = form.rules()
    rules = replace(typed, preset=recognised(typed, protected=place.row.protected))
    reason, tickets = form.reason.cleaned_data["why"], references.split(form.reason.cleaned_data["tickets"])
    return door.propose(
        actor=here.actor, at=here.at, project=project, environment=place.row.key,
        operations=(PolicySet(rules=rules),), title=f"Another policy for {place.row.name}",
        reason=reason, tickets=tickets,
    )  # fmt: skip


def _place(project: str, environment: str) -> project_pages.Place:
    found = next((place for place in project_pages.places(project) if place.row.key == environment), None)
    if found is None:
        raise NotFound("There is no such environment.", remedy="Look at the project's page.")
    return found


def _begun(key: str, place: project_pages.Place) -> PolicyRules:
    """The policy of a preset to begin from; what is done instead of approvals stays what was stated."""
    return preset(key).wished(protected=place.row.protected, compensating_control=place.policy.compensating_control)


def _known(project: str, environment: str) -> Known:
    keys = [row.key for row in projects.environments(project)]
    return Known(
        roles=[(role.key, role.name) for role in catalogue.roles()],
        groups=[(group.id, group.name) for group in identity.groups() if group.status == "active"],
        lower=[(key, key) for key in keys[: keys.index(environment)]],
        operations=[(name, f"{ACTS[name]} ({name})") for name in sorted(operation_types())],
        flag_types=[(kind, kind) for kind in places.flag_types()],
    )


def _editor(
    request: HttpRequest,
    project: str,
    place: project_pages.Place,
    form: PolicyForm,
    *,
    begun: str = "",
    status: int = 200,
) -> HttpResponse:
    found = projects.project(project)
    here = reverse("changes:policy", kwargs={"project": project, "environment": place.row.key})
    context = {
        "project": found,
        "place": place,
        "environment": place.look,
        "form": form,
        "begun": PRESETS[begun].name if begun in PRESETS else "",
        "presets": [looks.Choice(label=one.name, href=f"{here}?preset={key}") for key, one in PRESETS.items()],
        "here": here,
        "steps": project_pages.crumbs(
            found, ("Policies", reverse("changes:policies", kwargs={"project": project})), (place.row.name, "")
        ),
    }
    return render(request, "changes/policy.html", context, status=status)
