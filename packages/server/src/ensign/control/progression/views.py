"""The page of one flag's progression, and promoting it."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.changes.domain import tickets as references
from ensign.control.flags import detail
from ensign.control.flags import queries as flags
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound
from ensign.control.progression import pages, promoting, queries, reading
from ensign.control.progression.domain.runs import Subject
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import visit

_MAX_RUNS = 50


@require_safe
def flag(request: HttpRequest, project: str, flag: str) -> HttpResponse:
    """What of a flag runs where, its test runs, and the form that promotes it."""
    return _page(request, project, flag, typed={"source": request.GET.get("from", ""), "target": ""})


def _page(
    request: HttpRequest, project: str, flag: str, *, typed: Mapping[str, str], error: EnsignError | None = None
) -> HttpResponse:
    here = visit(request, project=project)
    info = flags.flag(flag).info
    if info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    looks = {p.row.key: p.look for p in project_pages.places(project)}
    found = queries.across(flag, project=project, at=here.at)
    rows = [
        {
            "here": one,
            "look": looks[one.environment],
            "same": [o.name for o in found if o.digest == one.digest and o is not one and one.digest],
        }
        for one in found
    ]
    may = [here.may(Permission.CHANGE_DRAFT, project, one.environment, flag=info.facts) for one in found]
    choices = [row for row, one in zip(rows, may, strict=True) if one]
    context = {
        "project": projects.project(project),
        "flag": info,
        "steps": detail.steps(projects.project(project), flag, "Progression"),
        "here": rows,
        # The highest environment is the usual goal.
        "choices": choices[::-1] if not info.archived and len(rows) > 1 and any(o.digest for o in found) else [],
        "runs": pages.lines(reading.newest_runs(Subject(kind="flag", key=flag), project=project, limit=_MAX_RUNS)),
        "typed": typed if typed["source"] else {**typed, "source": _usual([o.environment for o in found])},
        "error": error,
    }
    return render(
        request,
        "progression/flag.html",
        context,
        status=200 if error is None else 409 if isinstance(error, Conflict) else 422,
    )


def _usual(environments: list[str]) -> str:
    """From where one usually promotes: the one before the last."""
    return environments[-2] if len(environments) > 1 else ""


@require_POST
def promote(request: HttpRequest, project: str, flag: str) -> HttpResponse:
    """A request that brings what one environment runs to another."""
    here = visit(request, project=project)
    typed = {name: request.POST.get(name, "") for name in ("source", "target", "reason", "tickets", "switch_on")}
    try:
        done = promoting.promote(
            actor=here.actor, at=here.at, project=project, flags=[flag], source=typed["source"],
            target=typed["target"], switch_on=bool(typed["switch_on"]), reason=typed["reason"],
            tickets=references.split(typed["tickets"]),
        )  # fmt: skip
    except (Conflict, Invalid) as error:
        return _page(request, project, flag, typed=typed, error=error)
    messages.success(request, f"A request for {typed['target']} was made out of what {typed['source']} holds.")
    return redirect("changes:detail", id=done.request.id)
