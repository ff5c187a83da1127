"""What is done on the page of a request besides deciding: talk, ask, carry over, undo, check, try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ensign.control.changes import checking, contexts, estimating, pages, queries, rebasing, trying
from ensign.control.changes import operations as door
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain import tickets as references
from ensign.control.changes.domain.merging import Side
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import OperationError
from ensign.control.changes.drafting import my_draft
from ensign.control.changes.views import read, show
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import visit


@require_POST
def discuss(request: HttpRequest, id: str) -> HttpResponse:
    """Comment on a line, reply in a thread, resolve it or open it again: by the button that was pressed."""
    here, row = read(request, id)
    pressed, text = request.POST.get("act", ""), request.POST.get("comment", "")
    line, thread = request.POST.get("line", ""), request.POST.get("thread", "")
    who: dict[str, Any] = {"actor": here.actor, "at": here.at, "request_id": id}
    try:
        match pressed:
            case "line":
                digest = request.POST.get("digest", "")
                thread = door.comment(text=text, line=door.LineOf(digest=digest, path=line), **who)
            case "reply":
                door.comment(text=text, reply_to=thread, **who)
            case "resolve" | "reopen":
                door.resolve(comment_id=thread, resolved=pressed == "resolve", **who)
            case _:
                raise Invalid("There is no such act.")
    except (Conflict, Invalid) as error:
        return show(request, id, error=error, typed=text, about=line or thread)
    return redirect(f"{reverse('changes:detail', kwargs={'id': row.request.id})}#{thread}")


@require_POST
def reviewers(request: HttpRequest, id: str) -> HttpResponse:
    """Ask these people and groups, and nobody else, to look."""
    here, row = read(request, id)
    wanted = [value for value in request.POST.getlist("reviewers") if value]
    try:
        done = door.ask_reviewers(actor=here.actor, at=here.at, request_id=id, reviewers=wanted)
    except (Conflict, Invalid) as error:
        return show(request, id, error=error)
    count = len(done.request.reviewers)
    words = f"Asked {count} to look." if count else "Nobody is asked to look any more."
    messages.success(request, words)
    return redirect("changes:detail", id=row.request.id)


def _choices(request: HttpRequest) -> dict[str, Side]:
    """The sides that were chosen: fields named ``take:`` and the line's key."""
    found: dict[str, Side] = {}
    for name, value in request.POST.items():
        if name.startswith("take:") and value in {"mine", "theirs"}:
            found[name.removeprefix("take:")] = "mine" if value == "mine" else "theirs"
    return found


@require_POST
def rebase(request: HttpRequest, id: str) -> HttpResponse:
    """Carry it over to what others changed, with the sides that were chosen."""
    here, row = read(request, id)
    try:
        door.rebase(actor=here.actor, at=here.at, request_id=id, choices=_choices(request))
    except (Conflict, Invalid) as error:
        if row.request.status == "draft":
            messages.error(request, " ".join([error.message, error.remedy, *error.fields.values()]))
            return redirect("changes:detail", id=id)
        return show(request, id, error=error)
    draft = row.request.status == "draft"
    messages.success(request, "Carried over." if draft else "Carried over. It is reviewed anew.")
    return redirect("changes:detail", id=id)


@require_http_methods(["GET", "HEAD", "POST"])
def revert(request: HttpRequest, id: str) -> HttpResponse:
    """What undoing an applied request would do, line by line; by POST, propose it."""
    here, row = read(request, id)
    value = row.request
    error: EnsignError | None = None
    reason, named = request.POST.get("reason", ""), request.POST.get("tickets", "")
    if request.method == "POST":
        try:
            done = door.revert(
                actor=here.actor,
                at=here.at,
                request_id=id,
                reason=reason,
                wish="apply",
                choices=_choices(request),
                tickets=references.split(named),
            )
        except (Conflict, Invalid) as refused:
            error = refused
        else:
            messages.success(request, "Undone." if done.applied else "Proposed to undo it.")
            return redirect("changes:detail", id=done.request.id)
    try:
        merged = rebasing.inverse(value, choices=_choices(request))
    except (Conflict, NotFound, OperationError) as refused:
        error, merged = error or refused, None
    context = {
        **frame(value, "Undo"),
        "lines": [] if merged is None else sorted(merged.lines, key=lambda line: line.state != "clash"),
        "clashes": 0 if merged is None else len(merged.clashes),
        "chosen": _choices(request),
        "reason": reason,
        "named": named,
        "error": error,
    }
    return render(request, "changes/revert.html", context, status=status_of(error) if request.method == "POST" else 200)


def status_of(error: EnsignError | None) -> int:
    """The status of a page that shows a form again."""
    return 200 if error is None else 409 if isinstance(error, Conflict) else 422


def frame(value: ChangeRequest, label: str) -> dict[str, object]:
    """What every page about a request shows around its own content."""
    project = projects.project(value.project)
    steps = project_pages.crumbs(
        project,
        ("Requests", reverse("changes:list", kwargs={"project": value.project})),
        (value.title or "My draft", reverse("changes:detail", kwargs={"id": value.id})),
        (label, ""),
    )
    return {"change": value, "project": project, "environment": pages.place_of(value), "steps": steps}


@require_safe
def check(request: HttpRequest, id: str) -> HttpResponse:
    """Everything that stands in an open request's way."""
    here, row = read(request, id)
    report = checking.check_request(row.request, actor=here.actor, at=here.at) if row.request.open else None
    return render(request, "changes/check.html", {**frame(row.request, "Checks"), **report_of(report, at=here.at)})


def report_of(report: checking.Report | None, *, at: Any) -> Mapping[str, object]:
    """A report, and whom it affects, for the template."""
    seen = None if report is None else report.compiled
    told = () if seen is None else estimating.estimates(
        before=seen.before, after=seen.after, operations=seen.operations, at=at
    )  # fmt: skip
    return {"report": report, "estimates": told}


@require_POST
def draft_check(request: HttpRequest, project: str, environment: str) -> HttpResponse:
    """What stands in the way of the reader's draft, with its words as they are being typed. Writes nothing."""
    here = visit(request, project=project)
    row = my_draft(here.actor, project=project, environment=environment)
    if row is None:
        raise NotFound("There is no draft.", remedy="Edit a flag first.")
    value = queries.to_row(row).request
    typed = {name: request.POST.get(name, "") for name in ("title", "reason", "tickets")}
    report = draft_report(value, here, **typed)
    return render(request, "changes/_report.html", report_of(report, at=here.at))


def draft_report(value: ChangeRequest, here: Any, *, title: str, reason: str, tickets: str) -> checking.Report:
    """A check of a draft with another title, another reason and other tickets than it has."""
    told = checking.retold(value, title=title, reason=reason, tickets=references.split(tickets))
    return checking.check_request(told, actor=here.actor, at=here.at)


@require_http_methods(["GET", "HEAD", "POST"])
def try_it(request: HttpRequest, id: str) -> HttpResponse:
    """The playground against a request. A POST evaluates: it writes nothing, and keeps contexts out of addresses."""
    _, row = read(request, id)
    value, typed = row.request, request.POST.get("contexts", "")
    error: EnsignError | None = None
    tried: tuple[trying.Tried, ...] = ()
    given: list[contexts.Given] = []
    if request.method == "POST":
        try:
            given = contexts.parse(typed)
            before = queries.world_of(value)
            after = algebra.apply_all(before, value.operations)
            tried = trying.compare(
                before=before, after=after, operations=value.operations, contexts=[one.context for one in given]
            )
        except (Invalid, Conflict) as refused:
            error = refused
    context = {
        **frame(value, "Try"),
        "typed": typed,
        "error": error,
        "lines": [(given[one.context].text, one) for one in tried],
        "differ": sum(one.differs for one in tried),
        "limit": trying.MAX_CONTEXTS,
    }
    return render(request, "changes/try.html", context, status=status_of(error))
