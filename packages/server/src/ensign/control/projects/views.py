"""Pages of projects, their environments and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects import enforcement, operations, pages, queries
from ensign.control.projects import tokens as client_tokens
from ensign.control.projects.forms import (
    DescriptionForm,
    EnvironmentForm,
    PresetForm,
    ProjectForm,
    TokenForm,
    attach,
)
from ensign.control.projects.visits import visit


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All projects that the visitor may read."""
    here = visit(request)
    environments = queries.all_environments()
    rows = [
        {"project": row, "environments": [pages.environment(e) for e in environments.get(row.key, [])]}
        for row in queries.projects()
        if here.sees(row.key)
    ]
    context = {
        "rows": rows,
        "may_create": here.may(Permission.ORG_PROJECT_CREATE),
        "may_choose": here.may(Permission.ORG_SETTINGS_MANAGE),
        "enforcement": enforcement.current(),
    }
    return render(request, "projects/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """The form of a new project, and making it."""
    here = visit(request)
    default = enforcement.current()
    initial = {"preset": default.preset.key, "compensating_control": default.compensating_control}
    form = ProjectForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            row = operations.create_project(actor=here.actor, at=here.at, **form.cleaned_data)
        except (Invalid, Conflict) as error:
            attach(form, error)
        else:
            return redirect("projects:detail", project=row.key)
    return render(request, "projects/new.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def defaults(request: HttpRequest) -> HttpResponse:
    """What new projects ask for, and choosing it."""
    here = visit(request)
    current = enforcement.current()
    initial = {"preset": current.preset.key, "compensating_control": current.compensating_control}
    form = PresetForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            enforcement.choose_preset(actor=here.actor, at=here.at, **form.cleaned_data)
        except Invalid as error:
            attach(form, error)
        else:
            messages.success(request, "New projects will ask for this. Existing policies stay as they are.")
            return redirect("projects:defaults")
    context = {"form": form, "current": current, "may_choose": here.may(Permission.ORG_SETTINGS_MANAGE)}
    return render(request, "projects/defaults.html", context, status=422 if form.errors else 200)


@require_safe
def detail(request: HttpRequest, project: str) -> HttpResponse:
    """A project: its environments with their policies, its tokens."""
    return _detail(request, project, description_form=None, environment_form=None)


def _detail(
    request: HttpRequest,
    project: str,
    *,
    description_form: DescriptionForm | None,
    environment_form: EnvironmentForm | None,
) -> HttpResponse:
    here = visit(request, project=project)
    row = queries.project(project)
    may_see = here.may(Permission.PROJECT_TOKENS_READ, project)
    rows = queries.tokens(project) if may_see else []
    places = pages.places(project)
    looks = pages.tokens(
        rows, at=here.at, names=identity.names(token.created_by for token in rows), environments=places
    )
    initial = {"name": row.name, "description": row.description, "default_stickiness": row.default_stickiness}
    wrong = bool(description_form or environment_form)
    context = {
        "project": row,
        "steps": pages.crumbs(row),
        "places": places,
        "tokens": looks,
        "description_form": description_form or DescriptionForm(initial=initial),
        "environment_form": environment_form or EnvironmentForm(),
        "may_update": here.may(Permission.PROJECT_UPDATE, project),
        "may_integrate": here.may(Permission.PROJECT_INTEGRATIONS_MANAGE, project),
        "may_environments": here.may(Permission.PROJECT_ENVIRONMENTS_MANAGE, project),
        "may_order": here.may(Permission.PROJECT_ENVIRONMENTS_UPDATE, project),
        "may_see_tokens": may_see,
        "may_tokens": here.may(Permission.PROJECT_TOKENS_MANAGE, project),
        "may_revoke": here.may(Permission.PROJECT_TOKENS_REVOKE, project),
        "may_policy": here.may(Permission.PROJECT_POLICY_PROPOSE, project),
    }
    return render(request, "projects/detail.html", context, status=422 if wrong else 200)


@require_POST
def update(request: HttpRequest, project: str) -> HttpResponse:
    """Change the name and description."""
    here = visit(request, project=project)
    form = DescriptionForm(request.POST)
    if form.is_valid():
        try:
            operations.update_project(actor=here.actor, at=here.at, project=project, **form.cleaned_data)
        except Invalid as error:
            attach(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("projects:detail", project=project)
    return _detail(request, project, description_form=form, environment_form=None)


@require_POST
def create_environment(request: HttpRequest, project: str) -> HttpResponse:
    """Add an environment."""
    here = visit(request, project=project)
    form = EnvironmentForm(request.POST)
    if form.is_valid():
        try:
            row = operations.create_environment(actor=here.actor, at=here.at, project=project, **form.cleaned_data)
        except (Invalid, Conflict) as error:
            attach(form, error)
        else:
            messages.success(request, f"The environment {row.name} was added.")
            return redirect("projects:detail", project=project)
    return _detail(request, project, description_form=None, environment_form=form)


@require_POST
def move_environment(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Move an environment one place towards the beginning of the order."""
    here = visit(request, project=project)
    order = [row.key for row in queries.environments(project)]
    if environment in order[1:]:
        place = order.index(environment)
        order[place - 1 : place + 1] = [order[place], order[place - 1]]
    operations.order_environments(actor=here.actor, at=here.at, project=project, order=order)
    return redirect("projects:detail", project=project)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def create_token(request: HttpRequest, project: str) -> HttpResponse:
    """The form of a new client token, and making it: the answer shows its text once."""
    here = visit(request, project=project)
    here.require(Permission.PROJECT_TOKENS_MANAGE, project)
    row = queries.project(project)
    environments = [(e.key, e.name) for e in queries.environments(project)]
    form = TokenForm(
        request.POST or None, environments=environments, initial={"environment": request.GET.get("environment")}
    )
    steps = pages.crumbs(row, ("New token", ""))
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        day = values.pop("expires_on")
        ends = None if day is None else datetime.combine(day + timedelta(days=1), time.min, tzinfo=UTC)
        try:
            made = client_tokens.create_token(
                actor=here.actor, at=here.at, projects=[project], expires_at=ends, **values
            )
        except Invalid as error:
            renamed = {"expires_on" if name == "expires_at" else name: text for name, text in error.fields.items()}
            attach(form, Invalid(error.message, remedy=error.remedy, fields=renamed))
        else:
            return render(request, "projects/token_made.html", {"project": row, "made": made, "steps": steps})
    context = {"project": row, "form": form, "steps": steps}
    return render(request, "projects/token_new.html", context, status=422 if form.errors else 200)


@require_POST
def revoke_token(request: HttpRequest, project: str, token: str) -> HttpResponse:
    """End a client token."""
    here = visit(request, project=project)
    row = client_tokens.revoke_token(actor=here.actor, at=here.at, id=token, reason=request.POST.get("reason", ""))
    messages.success(request, f"The token “{row.name}” was revoked. It is refused from now on.")
    return redirect("projects:detail", project=project)
