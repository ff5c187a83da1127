"""The page on which a request that was submitted is edited."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ensign.control.changes import queries, revising, rights
from ensign.control.changes.domain import tickets as references
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.drafting import my_draft
from ensign.control.changes.loading import policy_for
from ensign.control.changes.review_views import frame, status_of
from ensign.control.changes.views import read
from ensign.control.identity import queries as identity
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid
from ensign.control.projects.visits import Visit


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, id: str) -> HttpResponse:
    """Other words, other shares, fewer edits, or those of one's draft added; and, if wished, submitted again."""
    here, row = read(request, id)
    value = row.request
    if value.status == "draft" or not value.open:
        return redirect("changes:detail", id=id)
    error: EnsignError | None = None
    if request.method == "POST":
        try:
            _save(request, here, value)
        except (Conflict, Invalid) as refused:
            error = refused
        else:
            return redirect("changes:detail", id=id)
    posted = request.POST
    draft = my_draft(here.actor, project=value.project, environment=value.environment)
    context = {
        **frame(value, "Edit"),
        "version": posted.get("version", "") or str(row.version),
        "title": posted.get("title", value.title),
        "reason": posted.get("reason", value.reason),
        "named": posted.get("tickets", " ".join(value.tickets)),
        "needs_ticket": policy_for(value, at=here.at).demand.requires_ticket,
        "edits": [
            {
                "edit": one,
                "kept": not posted or f"keep-{one.place}" in posted,
                "share": posted.get(f"share-{one.place}", "" if one.share is None else str(one.share)),
            }
            for one in revising.edits(value)
        ],
        "draft_edits": 0 if draft is None else len(queries.to_row(draft).request.operations),
        "with_draft": "with_draft" in posted,
        "asked": _asked(value),
        "may": rights.may_edit(here.held, value),
        "involved": here.actor.id in value.authors,
        "error": error,
    }
    return render(request, "changes/edit.html", context, status=status_of(error))


def _asked(value: ChangeRequest) -> list[tuple[str, str, str]]:
    """(who, about which line or "", what they said) of what reviewers ask to be changed: why it was sent back last, and
    every comment on a line that nobody has resolved.
    """
    said = queries.comments(value.id)
    back = [one for one in said if one.kind == "request_changes"][-1:] if value.status == "changes_requested" else []
    open_ = [one for one in said if one.anchor is not None and one.parent is None and one.resolved_by is None]
    names = identity.names({one.author for one in (*back, *open_)})
    return [
        (names.get(one.author, one.author), "" if one.anchor is None else one.anchor.path, one.text)
        for one in (*back, *open_)
    ]


def _save(request: HttpRequest, here: Visit, value: ChangeRequest) -> None:
    posted = request.POST
    version = posted.get("version", "")
    done = revising.revise(
        actor=here.actor,
        at=here.at,
        request_id=value.id,
        operations=_steps(request, value),
        title=posted.get("title", ""),
        reason=posted.get("reason", ""),
        # A form that lacks the field leaves the tickets as they are.
        tickets=references.split(posted["tickets"]) if "tickets" in posted else None,
        with_draft="with_draft" in posted,
        submit=posted.get("act") == "submit",
        expected_version=int(version) if version.isascii() and version.isdigit() else None,
    )
    if done.request.status == "in_review" and value.status == "changes_requested":
        messages.success(request, "Saved, and submitted again.")
        return
    messages.success(request, "Saved. What was approved before counts no more.")


def _steps(request: HttpRequest, value: ChangeRequest) -> list[Operation]:
    """The edits that are kept, with the shares that were typed."""
    posted = request.POST
    steps = []
    for place, step in enumerate(value.operations):
        if f"keep-{place}" in posted:
            share = posted.get(f"share-{place}")
            steps.append(step if share is None else revising.with_share(step, share.strip(), field=f"share-{place}"))
    return steps
