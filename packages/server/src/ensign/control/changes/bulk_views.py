"""Many flags at once, from the list of flags: a preview, then one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from ensign.control.changes import bulk, pages
from ensign.control.changes.domain import tickets as references
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import visit
from ensign.control.ui import looks

#: What stands in the list's menu: act, words.
ACTS: Mapping[str, str] = {
    "on": "Switch on",
    "off": "Switch off",
    "rollout": "Set the rollout",
    "archive": "Archive in every environment",
}


@require_POST
def many(request: HttpRequest, project: str) -> HttpResponse:
    """Show what an act would do to the chosen flags; with ``step=submit``, make the request."""
    here = visit(request, project=project)
    posted = request.POST
    percent = posted.get("rollout", "").strip()
    wish: dict[str, Any] = {
        "actor": here.actor,
        "at": here.at,
        "project": project,
        "environment": posted.get("environment", ""),
        "flags": posted.getlist("flag"),
        "act": posted.get("act", ""),
        "percent": int(percent) if percent.isascii() and percent.isdigit() and len(percent) < 4 else None,
    }
    if posted.get("step") != "submit":
        return _page(request, wish)
    try:
        done = bulk.change_many(
            **wish, title=posted.get("title", ""), reason=posted.get("reason", ""),
            tickets=references.split(posted.get("tickets", "")), wish="submit" if posted.get("keep") else "apply",
        )  # fmt: skip
    except (Invalid, Conflict) as error:
        return _page(request, wish, error=error)
    messages.success(request, "Applied." if done.applied else "Submitted for review.")
    return redirect("changes:detail", id=done.request.id)


def _page(request: HttpRequest, wish: Mapping[str, Any], *, error: EnsignError | None = None) -> HttpResponse:
    project = projects.project(wish["project"])
    place = next((p for p in project_pages.places(project.key) if p.row.key == wish["environment"]), None)
    seen: bulk.BulkPreview | None = None
    try:
        seen = bulk.preview_bulk(**wish)
    except (Invalid, Conflict) as wrong:
        error = error or wrong
    shown = None if seen is None else seen.seen
    context = {
        "project": project,
        "environment": None if place is None else place.look,
        "steps": project_pages.crumbs(
            project, ("Flags", reverse("flags:list", kwargs={"project": project.key})), ("Many at once", "")
        ),
        "flags": wish["flags"],
        "act": wish["act"],
        "act_words": ACTS.get(wish["act"], ""),
        "percent": wish["percent"],
        "acts": ACTS,
        "places": project_pages.places(project.key),
        "seen": shown,
        "difference": None
        if shown is None
        else looks.Difference(sentences=shown.sentences, rows=[pages.row(r) for r in shown.rows]),
        "skipped": () if seen is None else seen.plan.skipped,
        "typed": {
            "title": request.POST.get("title", "")
            or (bulk.heading(wish["act"], wish["percent"], _flags(shown), wish["environment"]) if shown else ""),
            "reason": request.POST.get("reason", ""),
            "tickets": request.POST.get("tickets", ""),
        },
        "needs_reason": shown is not None and shown.policy.requires_reason,
        "needs_ticket": shown is not None and shown.policy.demand.requires_ticket,
        "error": error,
    }
    return render(request, "changes/bulk.html", context, status=422 if error else 200)


def _flags(shown: Any) -> int:
    return len({getattr(operation, "flag", "") for operation in shown.operations})
