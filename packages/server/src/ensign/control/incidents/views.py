"""Pages of kill switches: pressing one, the list of presses, and saying why."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from ensign.control.access.permissions import Permission
from ensign.control.changes import reach
from ensign.control.flags import queries as flags
from ensign.control.identity import queries as identity
from ensign.control.incidents import drills, operations, pages, queries
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import visit
from ensign.control.publishing import reach_pages
from ensign.control.ui import looks

_LIMIT = 50


@require_POST
def kill(request: HttpRequest, project: str, environment: str, flag: str) -> HttpResponse:
    """Switch a flag off at once. The dialog that posts here was the one confirmation."""
    here = visit(request, project=project)
    target = reverse("flags:detail", kwargs={"project": project, "flag": flag})
    try:
        done = operations.kill(
            actor=here.actor, at=here.at, project=project, environment=environment, flag=flag,
            reason=request.POST.get("reason", ""), now=clock.now,
        )  # fmt: skip
    except (Conflict, Invalid) as error:
        messages.error(request, f"Nothing was switched off. {error.message} {error.remedy}".strip())
        return redirect(target)
    messages.success(request, f"{flag} is off in {environment}. It took {done.kill.took_ms} ms.")
    return redirect(target if done.kill.reason_status == "given" else f"{reverse('incidents:kills')}#{done.kill.id}")


@require_http_methods(["GET", "HEAD"])
def kills(request: HttpRequest) -> HttpResponse:
    """Kill switches that were pressed, those without a reason first to see."""
    return _kills(request)


def _kills(request: HttpRequest, *, wrong: str = "", typed: str = "", problem: str = "") -> HttpResponse:
    here = visit(request)
    visible = here.held.projects(Permission.INCIDENT_READ)
    before = request.GET.get("before") or None
    found = queries.kills(projects=visible, before=before, limit=_LIMIT + 1)
    names = identity.names([k.by for k in found] + [k.reason_by or "" for k in found])
    environments = {e.project + "/" + e.key: e for rows in projects.all_environments().values() for e in rows}
    reached = reach.of_requests([k.request for k in found], at=here.at)
    rehearsed = drills.of_kills({k.id for k in found})
    explainable = queries.to_explain(found, here.held)
    lines = [
        {
            "kill": row,
            "reach": reach_pages.of_views(reached.get(row.request, []), at=here.at),
            "by": looks.Person(name=names[row.by], kind="service" if row.by.startswith("svc_") else "person"),
            "environment": project_pages.environment(environments[f"{row.project}/{row.environment}"])
            if f"{row.project}/{row.environment}" in environments
            else looks.Environment(key=row.environment, name=row.environment, colour="slate"),
            "may": row.id in explainable,
            "wrong": row.id == wrong,
            "late": row.late(at=here.at),
            "drill": rehearsed.get(row.id, ""),
            "restore": here.may_for_some(Permission.CHANGE_SWITCH, row.project, row.environment) and not _on(row),
        }
        for row in found[:_LIMIT]
    ]
    context = {
        "lines": lines,
        "tabs": pages.tabs("Kill switches"),
        "typed": typed,
        "problem": problem,
        "pager": looks.Pager(
            shown=len(lines),
            noun="presses",
            newer="",
            older=f"?before={found[_LIMIT - 1].id}" if len(found) > _LIMIT else "",
        ),
    }
    return render(request, "incidents/kills.html", context, status=422 if problem else 200)


@require_POST
def reason(request: HttpRequest, id: str) -> HttpResponse:
    """Say why a kill switch was pressed."""
    here = visit(request)
    typed = request.POST.get("reason", "")
    try:
        operations.record_reason(actor=here.actor, at=here.at, kill_id=id, reason=typed)
    except (Conflict, Invalid) as error:
        said = " ".join(error.fields.values()) or error.message
        return _kills(request, wrong=id, typed=typed, problem=said)
    messages.success(request, "Thank you: the reason stands in the log.")
    return redirect("incidents:kills")


@require_POST
def restore(request: HttpRequest, id: str) -> HttpResponse:
    """Draft switching the flag on again; the draft's page submits it."""
    here = visit(request)
    try:
        made = operations.restore(actor=here.actor, at=here.at, kill_id=id)
    except (Conflict, Invalid) as error:
        messages.error(request, f"Nothing was drafted. {error.message} {error.remedy}".strip())
        return redirect("incidents:kills")
    messages.success(request, "Drafted. Look at it, then submit it: switching on is a change like any other.")
    return redirect("changes:detail", id=made.request.id)


def _on(kill: queries.KillView) -> bool:
    """Whether the flag is on again; one that is archived counts as such, as nothing is to be drafted for it."""
    try:
        return flags.config(kill.flag, kill.environment).config.enabled
    except NotFound:
        return True
