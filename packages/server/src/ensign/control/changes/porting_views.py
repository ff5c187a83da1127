"""Pages of import and export: an environment as a document, a document into an environment, and cloning a flag."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.access.permissions import Permission
from ensign.control.api.parser import strict_json
from ensign.control.changes import pages, porting
from ensign.control.changes.domain import tickets as references
from ensign.control.changes.porting import Imported, Origin
from ensign.control.flags import detail
from ensign.control.flags import queries as flags
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks

#: What a file may hold: what a form may carry in all, less what stands around it.
MAX_FILE = 900_000


@require_safe
def transfer(request: HttpRequest, project: str) -> HttpResponse:
    """The page of import and export of a project."""
    return _transfer(request, visit(request, project=project), project, typed={})


def _transfer(
    request: HttpRequest,
    here: Visit,
    project: str,
    *,
    typed: Mapping[str, str],
    made: Imported | None = None,
    error: EnsignError | None = None,
) -> HttpResponse:
    row = projects.project(project)
    steps = project_pages.crumbs(
        row, ("Flags", reverse("flags:list", kwargs={"project": project})), ("Import and export", "")
    )
    context = {
        "project": row,
        "steps": steps,
        "places": project_pages.places(project),
        "drafts": [
            p for p in project_pages.places(project)
            if here.may_for_some(Permission.CHANGE_DRAFT, project, p.row.key)
        ],
        "typed": typed,
        "error": error,
        **_report(made),
    }  # fmt: skip
    return render(request, "changes/transfer.html", context, status=422 if error else 200)


def _report(made: Imported | None) -> dict[str, Any]:
    seen = None if made is None else made.seen
    return {
        "made": made,
        "seen": seen,
        "needs_ticket": seen is not None and seen.policy.demand.requires_ticket,
        "difference": None
        if seen is None
        else looks.Difference(sentences=seen.sentences, rows=[pages.row(r) for r in seen.rows]),
    }


@require_POST
def export(request: HttpRequest, project: str) -> HttpResponse:
    """An environment as a file."""
    here = visit(request, project=project)
    environment = request.POST.get("environment", "")
    made = porting.export_environment(actor=here.actor, at=here.at, project=project, environment=environment)
    answer = HttpResponse(json.dumps(made, ensure_ascii=False, indent=1), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{project}-{environment}-flags.json"'
    return answer


@require_POST
def bring(request: HttpRequest, project: str) -> HttpResponse:
    """Show what a document would do; with ``step=import``, do it."""
    here = visit(request, project=project)
    typed = {
        name: request.POST.get(name, "")
        for name in ("environment", "source_environment", "flags", "keep_off", "reason", "tickets", "document")
    }
    wish: dict[str, Any] = {}
    try:
        typed["document"] = _document(request) or typed["document"]
        value = _parsed(typed["document"])
        found, source = porting.read(
            value,
            environment=typed["source_environment"].strip(),
            keys=typed["flags"].replace(",", " ").split(),
            keep_off=bool(typed["keep_off"]),
        )
        wish = {
            "actor": here.actor, "at": here.at, "project": project, "environment": typed["environment"],
            "document": found, "source": source, "digest": porting.sha256(value), "reason": typed["reason"],
            "tickets": references.split(typed["tickets"]),
        }  # fmt: skip
        made = porting.bring(**wish, dry_run=request.POST.get("step") != "import")
    except (Invalid, Conflict) as error:
        return _transfer(request, here, project, typed=typed, error=error, made=_tried(wish))
    if request.POST.get("step") != "import":
        return _transfer(request, here, project, typed=typed, made=made)
    return _done(request, made, project)


def _tried(wish: Mapping[str, Any]) -> Imported | None:
    """What it would do all the same, where that can be said: whoever lacks a ticket types it where they were."""
    with suppress(Invalid, Conflict):
        return porting.bring(**wish, dry_run=True) if wish else None
    return None


def _done(request: HttpRequest, made: Imported, project: str) -> HttpResponse:
    count = made.count("created")
    said = f"{count} made, {made.count('changed')} changed, {made.count('skipped')} left alone."
    messages.success(request, said)
    if made.proposed is not None:
        return redirect("changes:detail", id=made.proposed.request.id)
    return redirect("flags:list", project=project)


def _document(request: HttpRequest) -> str:
    """The text of the file that was chosen, or nothing.

    :raises Invalid: when it is too large or no text.
    """
    file = request.FILES.get("file")
    if file is None:
        return ""
    if (file.size or 0) > MAX_FILE:
        raise Invalid("The file is too large.", remedy="Take it by the command line: ensign flags import, or in parts.")
    try:
        text: str = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is no text.", fields={"file": "Choose a JSON file in UTF-8."}) from None
    return text


def _parsed(text: str) -> Any:
    if not text.strip():
        raise Invalid("There is no document.", fields={"document": "Choose a file, or paste its text."})
    try:
        return strict_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise Invalid("This is not JSON.", fields={"document": str(error)[:200]}) from None


@require_http_methods(["GET", "HEAD", "POST"])
def clone(request: HttpRequest, project: str, flag: str) -> HttpResponse:
    """The form that clones a flag, and cloning it."""
    here = visit(request, project=project)
    info = flags.flag(flag).info
    if info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    typed, error = _wish(request.POST, project=project), None
    if request.method == "POST":
        target, _, environment = typed["target"].partition("/")
        try:
            if not typed["key"].strip():
                raise Invalid("The copy has no key.", fields={"key": "Give it one of its own, such as new-checkout."})
            made = porting.clone(
                actor=here.actor, at=here.at, project=target, environment=environment, key=typed["key"],
                origin=Origin(project=project, environment=typed["source"], flags=(flag,)),
                keep_off=bool(typed["keep_off"]), reason=typed["reason"],
                tickets=references.split(typed["tickets"]),
            )  # fmt: skip
        except (Invalid, Conflict) as wrong:
            error = wrong
        else:
            return _done(request, made, target)
    context = {
        "project": projects.project(project),
        "flag": info,
        "steps": detail.steps(projects.project(project), flag, "Clone"),
        "sources": project_pages.places(project),
        "targets": _targets(here, project),
        "typed": typed,
        "error": error,
    }
    return render(request, "changes/clone.html", context, status=422 if error else 200)


def _wish(posted: QueryDict, *, project: str) -> dict[str, str]:
    names = ("source", "target", "key", "keep_off", "reason", "tickets")
    return {name: posted.get(name, "") for name in names} if posted else {
        **dict.fromkeys(names, ""), "target": f"{project}/", "keep_off": "1",
    }  # fmt: skip


def _targets(here: Visit, project: str) -> list[tuple[str, str]]:
    """Where the visitor may bring a clone: (``project/environment``, words), this project first."""
    found = []
    for key, rows in sorted(projects.all_environments().items(), key=lambda one: (one[0] != project, one[0])):
        if here.sees(key) and here.may_for_some(Permission.FLAG_CREATE, key):
            found += [
                (f"{key}/{row.key}", f"{key}, {row.name}")
                for row in rows
                if here.may_for_some(Permission.CHANGE_DRAFT, key, row.key)
            ]
    return found
