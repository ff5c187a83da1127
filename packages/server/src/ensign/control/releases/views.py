"""Pages of releases: the room, a ramp's bar and acts, planning a ramp, templates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.changes import operations as door
from ensign.control.changes import timing
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.ramp_operations import OnBreach, RampPlan
from ensign.control.flags import beside
from ensign.control.flags import queries as flags
from ensign.control.flags import words as flag_words
from ensign.control.flags.domain import FlagConfig
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit
from ensign.control.releases import calendar, operations, pages, queries, steps_text, templating
from ensign.control.releases.domain import UNDERWAY, Template
from ensign.control.ui import looks
from ensign.control.ui.middleware import PROJECT_COOKIE

_OVER = ("finished", "rolled_back", "stopped")


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """What runs, what is ahead, what failed and what is over, of the projects that the reader may see."""
    here = visit(request)
    visible = here.held.projects(Permission.PROJECT_READ)
    running = queries.ramps(projects=visible, statuses=sorted(UNDERWAY))
    over = queries.ramps(projects=visible, statuses=_OVER, limit=20)
    environments = {(e.project, e.key): e for rows in projects.all_environments().values() for e in rows}
    underway = [
        {"bar": bar, "environment": _look(environments.get((bar.ramp.project, bar.ramp.environment)), bar)}
        for bar in pages.bars(running, here.held, at=here.at)
    ]
    waiting = timing.waiting(projects=visible)
    seen = [row.key for row in projects.projects() if here.sees(row.key)]
    last = request.COOKIES.get(PROJECT_COOKIE, "")
    key = last if last in seen else next(iter(seen), "")
    context = {
        "underway": underway,
        "events": calendar.events(projects=visible, until=here.at + timedelta(days=14)),
        "failed": [one for one in waiting if one.schedule is not None and one.schedule.state == "failed"],
        "over": pages.bars(over, here.held, at=here.at),
        "templates_url": reverse("releases:templates", kwargs={"project": key}) if key else "",
    }
    return render(request, "releases/index.html", context)


def _look(row: projects.EnvironmentRow | None, bar: pages.Bar) -> looks.Environment:
    if row is None:
        return looks.Environment(key=bar.ramp.environment, name=bar.ramp.environment, colour="slate")
    return project_pages.environment(row)


@require_safe
def ramp(request: HttpRequest, id: str) -> HttpResponse:
    """The bar alone, for pages that ask again; to somebody who opens it, the page of the plan."""
    here = visit(request)
    found = queries.ramp(id)
    here.require(Permission.PROJECT_READ, found.project)
    if "HX-Request" not in request.headers:
        return redirect(pages.address(found))
    context = {"value": {"bar": pages.bar(found, here.held, at=here.at)}}
    return render(request, "releases/_ramp.html", context)


@require_POST
def act(request: HttpRequest, id: str) -> HttpResponse:
    """Pause, resume, stop or roll back, by the button that was pressed."""
    here = visit(request)
    found = queries.ramp(id)
    here.require(Permission.PROJECT_READ, found.project)
    who: dict[str, Any] = {
        "actor": here.actor, "at": here.at, "ramp_id": id, "reason": request.POST.get("reason", ""),
    }  # fmt: skip
    try:
        match request.POST.get("act"):
            case "pause":
                operations.pause(**who)
                messages.success(request, "Paused. It takes no further step until somebody resumes it.")
            case "resume":
                operations.resume(**who)
                messages.success(request, "It goes on, as yours. The step in force is held anew.")
            case "stop":
                operations.stop(**who)
                messages.success(request, "Stopped. The share stays where it is.")
            case "roll_back":
                back = operations.roll_back(**who)
                messages.success(request, f"Rolled back to {back.initial} %.")
            case _:
                raise Invalid("There is no such act.", remedy="Press one of the buttons.")
    except (Conflict, Invalid) as error:
        messages.error(request, f"Nothing was done. {error.message} {error.remedy}".strip())
    target = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = pages.address(found)
    return redirect(target)


def _breach(text: str) -> OnBreach:
    return "roll_back" if text == "roll_back" else "pause"


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _typed(template: Template | None) -> dict[str, str]:
    """What a form holds before anything was typed."""
    if template is None:
        return {"steps": steps_text.USUAL, "guards": "", "on_breach": "pause", "enable": "yes"}
    return {
        "name": template.name,
        "description": template.description,
        "steps": steps_text.write(template.steps),
        "guards": ", ".join(template.guards),
        "on_breach": template.on_breach,
        "enable": "yes",
    }


@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, project: str, environment: str, flag: str) -> HttpResponse:
    """Plan a ramp of a flag: the form, and by POST the operation, kept in the reader's draft."""
    here = visit(request, project=project)
    projects.environment(project, environment)
    if flags.flag(flag).info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    drafted = beside.drafted(here.actor, project=project, environment=environment, flag=flag)
    config = drafted or flags.config(flag, environment).config
    if request.method == "POST":
        try:
            steps = _planned(request.POST, flag=flag, config=config)
            door.collect(actor=here.actor, at=here.at, project=project, environment=environment, operations=steps)
        except (Invalid, Conflict) as error:
            return _plan(request, project, environment, flag, config, error=error)
        messages.success(request, "Kept in your draft. Submit it, and the plan is approved as a whole.")
        return redirect("changes:draft", project=project, environment=environment)
    return _plan(request, project, environment, flag, config)


def _planned(post: Mapping[str, str], *, flag: str, config: FlagConfig) -> list[Operation]:
    plan = RampPlan(
        flag=flag,
        strategy=post.get("strategy", ""),
        steps=steps_text.read(post.get("steps", "")),
        guards=_names(post.get("guards", "")),
        on_breach=_breach(post.get("on_breach", "")),
    )
    on: list[Operation] = [FlagEnable(flag=flag)] if post.get("enable") and not config.enabled else []
    return [*on, plan]


def _plan(
    request: HttpRequest,
    project: str,
    environment: str,
    flag: str,
    config: FlagConfig,
    *,
    error: EnsignError | None = None,
) -> HttpResponse:
    place = next(p for p in project_pages.places(project) if p.row.key == environment)
    found = projects.project(project)
    chosen = request.GET.get("template", "")
    rows = queries.templates(project)
    template = next((row.template for row in rows if row.template.id == chosen), None)
    typed = _typed(template) if error is None else {name: str(value) for name, value in request.POST.items()}
    growing = [s for s in config.strategies if flag_words.share(s) is not None and not s.disabled]
    if error is None and template is None and growing:
        typed["steps"] = steps_text.usual(flag_words.share(growing[0]) or 0)
    here_flag = (flag, reverse("flags:detail", kwargs={"project": project, "flag": flag}))
    context = {
        "project": found,
        "environment": place.look,
        "flag": flag,
        "steps": project_pages.crumbs(found, here_flag, ("Plan a ramp", "")),
        "strategies": [{"id": s.id, "words": s.title or flag_words.strategy(s)} for s in growing],
        "templates": rows,
        "typed": typed,
        "off": not config.enabled,
        "error": error,
        "errors": {} if error is None else error.fields,
    }
    return render(request, "releases/plan.html", context, status=200 if error is None else 422)


@require_http_methods(["GET", "HEAD", "POST"])
def templates(request: HttpRequest, project: str) -> HttpResponse:
    """The release templates of a project; by POST another one."""
    here = visit(request, project=project)
    if request.method == "POST":
        try:
            made = templating.make(actor=here.actor, at=here.at, project=project, **_template_of(request.POST))
        except (Invalid, Conflict) as error:
            return _templates(request, here, project, error=error, typed=request.POST)
        messages.success(request, f"Made the template “{made.name}”.")
        return redirect("releases:templates", project=project)
    return _templates(request, here, project)


def _template_of(post: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": post.get("name", ""),
        "description": post.get("description", ""),
        "steps": steps_text.read(post.get("steps", "")),
        "guards": _names(post.get("guards", "")),
        "on_breach": _breach(post.get("on_breach", "")),
    }


def _templates(
    request: HttpRequest,
    here: Visit,
    project: str,
    *,
    error: EnsignError | None = None,
    typed: Mapping[str, str] | None = None,
    id: str = "new",
) -> HttpResponse:
    found = projects.project(project)
    kept = {} if typed is None else {name: str(value) for name, value in typed.items()}
    context = {
        "project": found,
        "steps": project_pages.crumbs(found, ("Release templates", "")),
        "rows": [
            {"template": row.template, "typed": kept if row.template.id == id else _typed(row.template)}
            for row in queries.templates(project)
        ],
        "new": kept if kept and id == "new" else _typed(None),
        "typed": {"id": id},
        "may": here.may(Permission.TEMPLATE_MANAGE, project),
        "error": error,
    }
    return render(request, "releases/templates.html", context, status=200 if error is None else 422)


@require_POST
def template(request: HttpRequest, id: str) -> HttpResponse:
    """Change or archive a template, by the button that was pressed."""
    here = visit(request)
    row = queries.template(id)
    project = row.template.project
    here.require(Permission.PROJECT_READ, project)
    try:
        if request.POST.get("act") == "archive":
            templating.archive(actor=here.actor, at=here.at, template_id=id)
            messages.success(request, f"Archived “{row.template.name}”.")
        else:
            templating.change(actor=here.actor, at=here.at, template_id=id, **_template_of(request.POST))
            messages.success(request, "Kept. Ramps and requests stay as they are.")
    except (Invalid, Conflict) as error:
        return _templates(request, here, project, error=error, typed=request.POST, id=id)
    return redirect("releases:templates", project=project)
