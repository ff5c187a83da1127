"""The page of a draft: the edits that somebody collects for one environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from ensign.control.changes import asking, forms, pages, queries
from ensign.control.changes import operations as door
from ensign.control.changes.domain import tickets
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.drafting import my_draft
from ensign.control.changes.review_views import draft_report, report_of
from ensign.control.changes.waiting import drafted
from ensign.control.flags import editor
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import FlagConfig
from ensign.control.flags.views import editor_page
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.forms import attach
from ensign.control.projects.visits import Visit, visit
from ensign.control.segments import editor as segment_editor
from ensign.control.segments.views import editor_page as segment_page


def _stay(request: HttpRequest, fallback: str) -> HttpResponse:
    """Back to where the form stood, if that is a page of ours."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = fallback
    return redirect(target)


def _with_draft(here: Visit, project: str, environment: str, flag: str) -> FlagConfig:
    """A flag as its reader sees it with their draft: what a further edit is about."""
    if not flag:
        return FlagConfig()
    return drafted(here.actor, project, environment, flag) or flags.config(flag, environment).config


@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """My edits of one environment: collected by POST, shown by GET."""
    here = visit(request, project=project)
    projects.environment(project, environment)
    if request.method != "POST":
        return _draft(request, here, project, environment)
    flag = request.POST.get("flag", "")
    here_url = reverse("changes:draft", kwargs={"project": project, "environment": environment})
    try:
        config = _with_draft(here, project, environment, flag)
        steps = forms.operations(request.POST, config=config, at=here.at)
        done = door.collect(actor=here.actor, at=here.at, project=project, environment=environment, operations=steps)
    except (Invalid, Conflict) as error:
        return _refused(request, project, environment, flag, error)
    if done.request.status == "withdrawn":
        messages.success(request, "That undoes the rest of your draft; it is gone.")
        return _stay(request, reverse("flags:list", kwargs={"project": project}))
    count = len(done.request.operations)
    messages.success(request, f"Kept in your draft for {environment} ({count} edit{'s' if count != 1 else ''}).")
    return _stay(request, here_url)


def _refused(request: HttpRequest, project: str, environment: str, flag: str, error: EnsignError) -> HttpResponse:
    """The strategy editor with what was typed, or the draft with the refusal."""
    if request.POST.get("operation") in {"strategy.add", "strategy.update"}:
        fields = error.fields or {"": f"{error.message} {error.remedy}".strip()}
        form = editor.typed(request.POST, segments=request.POST.getlist("segment"), errors=fields)
        return editor_page(request, project=project, flag=flag, environment=environment, form=form, status=422)
    if request.POST.get("operation") == "segment.set" and error.fields:
        rows, errors = segment_editor.typed(request.POST, errors=error.fields)
        key = request.POST.get("segment", "")
        place = {"project": project, "segment": key, "environment": environment}
        return segment_page(request, rows=rows, errors=errors, status=422, **place)
    here = visit(request, project=project)
    return _draft(request, here, project, environment, error=error)


def _draft(
    request: HttpRequest,
    here: Visit,
    project: str,
    environment: str,
    *,
    form: forms.SubmitForm | None = None,
    error: EnsignError | None = None,
) -> HttpResponse:
    row = my_draft(here.actor, project=project, environment=environment)
    place = next(p for p in project_pages.places(project) if p.row.key == environment)
    found = projects.project(project)
    value = None if row is None else queries.to_row(row).request
    standing = None if value is None else queries.standing(value, reader=here.actor, at=here.at)
    context: dict[str, Any] = {
        "project": found,
        "place": place,
        "environment": place.look,
        "change": value,
        "steps": project_pages.crumbs(found, (f"My draft for {place.row.name}", "")),
        "error": error,
        "at_once": standing is not None and standing.policy.required == 0,
        "needed": 0 if standing is None else standing.policy.required,
        "reaches": () if standing is None else standing.policy.environments,
    }
    if value is not None and standing is not None:
        effect = queries.effect(value)
        context |= {
            "difference": pages.difference(effect),
            "edits": list(enumerate(effect.sentences)),
            "form": form
            or forms.SubmitForm(
                initial={"title": value.title, "reason": value.reason, "tickets": " ".join(value.tickets)},
                needs_reason=standing.policy.requires_reason,
                needs_ticket=standing.policy.demand.requires_ticket,
            ),
            "conflict": None if standing.conflict is None else pages.conflict(standing.conflict),
            "candidates": [] if standing.policy.required == 0 else _suggested(value, here, standing.policy),
            **_report(value, here, form),
        }
    return render(request, "changes/draft.html", context, status=422 if error or (form and form.errors) else 200)


def _suggested(value: ChangeRequest, here: Visit, policy: PolicyInForce) -> list[asking.Candidate]:
    """Whom to offer to ask at once; anybody else is asked on the request's page."""
    found = asking.candidates(value, at=here.at, policy=policy)
    return [c for c in found if c.why or c.entitled][: asking.SUGGESTED]


def _report(value: ChangeRequest, here: Visit, form: forms.SubmitForm | None) -> Mapping[str, object]:
    """What stands in the draft's way, with title, reason and tickets as they are typed."""
    own = {"title": value.title, "reason": value.reason, "tickets": " ".join(value.tickets)}
    typed = form.data if form is not None and form.is_bound else own
    words = {name: str(typed.get(name) or "") for name in own}
    return report_of(draft_report(value, here, **words), at=here.at)


@require_POST
def finish(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """Submit or apply the draft, take one edit out, or throw it away."""
    here = visit(request, project=project)
    row = my_draft(here.actor, project=project, environment=environment)
    if row is None:
        raise NotFound("There is no draft.", remedy="Edit a flag first.")
    value, pressed = queries.to_row(row).request, request.POST.get("act", "submit")
    who: dict[str, Any] = {"actor": here.actor, "at": here.at, "request_id": value.id}
    policy = queries.standing(value, reader=here.actor, at=here.at).policy
    form = forms.SubmitForm(
        request.POST if pressed in {"submit", "apply"} else None,
        needs_reason=policy.requires_reason,
        needs_ticket=policy.demand.requires_ticket,
    )
    try:
        if pressed == "discard":
            door.withdraw(**who)
            messages.success(request, "The draft is gone.")
            return redirect("flags:list", project=project)
        if pressed.startswith("remove-"):
            return _without(request, value, pressed.removeprefix("remove-"), who)
        if form.is_valid():
            said = form.cleaned_data
            door.edit(title=said["title"], reason=said["reason"], tickets=tickets.split(said["tickets"]), **who)
            reviewers = [value for value in request.POST.getlist("reviewers") if value]
            done = door.submit_and_ask(apply=pressed == "apply", reviewers=reviewers, **who)
            messages.success(request, "Applied." if done.applied else "Submitted for review.")
            return redirect("changes:detail", id=value.id)
    except (Invalid, Conflict) as error:
        if form.is_bound:
            attach(form, error)
        return _draft(request, here, project, environment, form=form if form.is_bound else None, error=error)
    return (
        _draft(request, here, project, environment, form=form)
        if form.is_bound
        else redirect("changes:draft", project=project, environment=environment)
    )


def _without(request: HttpRequest, value: ChangeRequest, place: str, who: dict[str, Any]) -> HttpResponse:
    """The draft without one of its edits; without any, it is withdrawn."""
    index = int(place) if place.isdigit() else -1
    if not 0 <= index < len(value.operations):
        raise NotFound("There is no such edit.", remedy="Look at the draft as it is now.")
    left = (*value.operations[:index], *value.operations[index + 1 :])
    if left:
        door.edit(operations=left, **who)
        return redirect("changes:draft", project=value.project, environment=value.environment)
    door.withdraw(**who)
    messages.success(request, "That was the last edit; the draft is gone.")
    return redirect("flags:list", project=value.project)
