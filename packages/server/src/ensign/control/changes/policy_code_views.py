"""Pages of policies as code, and of the timeline of one policy."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from ensign.control.access.permissions import Permission
from ensign.control.changes import pages, policy_plans, timelines
from ensign.control.changes.domain import tickets as references
from ensign.control.changes.domain.diff import Row
from ensign.control.changes.domain.policy_yaml import MAX_SIZE
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import TextForm, attach
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks


class FileForm(TextForm):
    """Policies as text."""

    yaml = forms.CharField(
        label="Policies as YAML", max_length=MAX_SIZE, strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false"}),
        help_text="Of this project, as the export writes them. What differs is proposed, environment by environment.",
    )  # fmt: skip
    reason = forms.CharField(label="Why", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    tickets = forms.CharField(
        label="Tickets", required=False, max_length=4_000, help_text="Such as OPS-7; several with spaces."
    )


@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, project: str) -> HttpResponse:
    """The policies as text: say what a text would change and would have decided, or propose it."""
    here = visit(request, project=project)
    here.require(Permission.PROJECT_POLICY_READ, project)
    if request.method != "POST":
        return _plan(request, here, project, FileForm(initial={"yaml": policy_plans.file_of(project)}), None)
    form = FileForm(request.POST)
    if not form.is_valid():
        return _plan(request, here, project, form, None)
    text = form.cleaned_data["yaml"]
    try:
        if request.POST.get("act") != "propose":
            found = policy_plans.plan(actor=here.actor, at=here.at, project=project, text=text)
            return _plan(request, here, project, form, found)
        made = policy_plans.apply(
            actor=here.actor, at=here.at, project=project, text=text, reason=form.cleaned_data["reason"],
            tickets=references.split(form.cleaned_data["tickets"]),
        )  # fmt: skip
    except (Invalid, Conflict) as error:
        attach(form, error)
        return _plan(request, here, project, form, None)
    refused = [one for one in made if one.refused]
    for one in refused:
        form.add_error(None, f"{one.environment}: {one.refused}")
    if refused or not made:
        return _plan(request, here, project, form, [])
    messages.success(request, f"Proposed for {', '.join(one.environment for one in made)}.")
    return redirect("changes:list", project=project)


def _plan(
    request: HttpRequest, here: Visit, project: str, form: FileForm, found: Sequence[policy_plans.Plan] | None
) -> HttpResponse:
    about = projects.project(project)
    back = reverse("changes:policies", kwargs={"project": project})
    context = {
        "project": about,
        "form": form,
        "planned": found is not None,
        "plans": [
            {
                "plan": one,
                "difference": looks.Difference(sentences=(), rows=[pages.row(Row(*row)) for row in one.rows]),
                "weakens": "; ".join(one.weakens),
                "unsaid": list(one.unsaid.items()),
            }
            for one in found or ()
        ],
        "days": policy_plans.DAYS,
        "may_propose": here.may(Permission.PROJECT_POLICY_PROPOSE, project),
        "steps": project_pages.crumbs(about, ("Policies", back), ("As code", "")),
    }
    return render(request, "changes/policy_code.html", context, status=422 if form.errors else 200)


@require_POST
def export(request: HttpRequest, project: str) -> HttpResponse:
    """All policies as a YAML file."""
    here = visit(request, project=project)
    text = policy_plans.export(actor=here.actor, at=here.at, project=project)
    return _file(text.encode(), f"policies-{project}.yaml", "application/yaml; charset=utf-8")


@require_http_methods(["GET", "HEAD", "POST"])
def timeline(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Every value of every member of a policy, from when to when; POST gives it as a file."""
    here = visit(request, project=project)
    here.require(Permission.PROJECT_POLICY_READ, project)
    row = projects.environment(project, environment)
    if request.method == "POST":
        kind = request.POST.get("format", "csv")
        data = timelines.export(actor=here.actor, at=here.at, project=project, environment=environment, format=kind)
        content = "application/json" if kind == "json" else "text/csv; charset=utf-8"
        return _file(data, f"policy-{project}-{environment}.{kind}", content)
    about = projects.project(project)
    found = timelines.spans(project, environment)
    names = identity.names(one.by for one in found)
    context = {
        "project": about,
        "environment": project_pages.environment(row),
        "name": row.name,
        "spans": [{"span": one, "by": pages.person(one.by, names)} for one in found],
        "steps": project_pages.crumbs(
            about,
            ("Policies", reverse("changes:policies", kwargs={"project": project})),
            (f"Timeline of {row.name}", ""),
        ),
    }
    return render(request, "changes/policy_timeline.html", context)


def _file(data: bytes, name: str, content_type: str) -> HttpResponse:
    return HttpResponse(
        data, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
