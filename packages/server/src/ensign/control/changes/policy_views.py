"""The page of policies: what changes must meet in each environment, and since when."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.changes import forms
from ensign.control.changes import operations as door
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.timelines import policy_history
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import attach
from ensign.control.projects.policies import policy
from ensign.control.projects.visits import Visit, visit


@require_safe
def policies(request: HttpRequest, project: str) -> HttpResponse:
    """What changes must meet in each environment, and since when."""
    here = visit(request, project=project)
    return _policies(request, here, project)


def _policies(
    request: HttpRequest, here: Visit, project: str, *, typed: tuple[str, forms.PolicyForm] | None = None
) -> HttpResponse:
    here.require(Permission.PROJECT_POLICY_READ, project)
    found = projects.project(project)
    columns = []
    for place in project_pages.places(project):
        names = ("approvals", "apply_on_last_approval", "requires_reason", "compensating_control")
        initial = {name: getattr(place.policy, name) for name in names}
        form = typed[1] if typed is not None and typed[0] == place.row.key else None
        columns.append(
            {
                "place": place,
                "history": policy_history(project, place.row.key),
                "form": form or forms.PolicyForm(initial=initial, prefix=place.row.key),
                "open": form is not None,
            }
        )
    context = {
        "project": found,
        "columns": columns,
        "steps": project_pages.crumbs(found, ("Policies", "")),
        "may_propose": here.may(Permission.PROJECT_POLICY_PROPOSE, project),
    }
    return render(request, "changes/policies.html", context, status=422 if typed else 200)


@require_POST
def propose_policy(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Propose another policy: a change like any other, which the policy in force decides about."""
    here = visit(request, project=project)
    form = forms.PolicyForm(request.POST, prefix=environment)
    if form.is_valid():
        rules = form.rules(policy(project, environment).rules)
        try:
            done = door.propose(
                actor=here.actor, at=here.at, project=project, environment=environment,
                operations=(PolicySet(rules=rules),), reason=form.cleaned_data["reason"],
            )  # fmt: skip
        except (Invalid, Conflict) as error:
            attach(form, error)
        else:
            said = "The new policy is in force." if done.applied else "Submitted: the present policy decides."
            messages.success(request, said)
            return redirect("changes:detail", id=done.request.id)
    return _policies(request, here, project, typed=(environment, form))
