"""The log explorer and the exports."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access.decisions import held
from ensign.control.access.permissions import Permission
from ensign.control.audit import anchors, checkpoints, registry
from ensign.control.evidence import operations, pages, queries
from ensign.control.evidence.api import answer
from ensign.control.evidence.forms import ChangesExportForm, LogFilter, end_of, start_of
from ensign.control.identity.actors import from_request
from ensign.control.identity.queries import people
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, Unauthenticated
from ensign.control.projects.queries import projects
from ensign.control.ui import looks

PAGE = 50


def _signed_in(request: HttpRequest) -> Actor:
    """Who reads.

    :raises Unauthenticated: when nobody is signed in.
    """
    actor = from_request(request)
    if actor.kind == "anonymous":
        raise Unauthenticated("Nobody is signed in.", remedy="Sign in to read the log.")
    return actor


@require_GET
def log(request: HttpRequest) -> HttpResponse:
    """GET /log: entries, newest first; the filters are the address."""
    actor, at = _signed_in(request), clock.now()
    form = LogFilter(
        request.GET,
        people=[(person.id, person.name or person.email) for person in people()],
        projects=[project.key for project in projects()],
        codes=sorted((code, title.title) for code, title in registry.actions().items()),
    )
    form.is_valid()
    before = request.GET.get("before", "")
    position = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    page = queries.log(actor, form.filters(), at=at, before=position, limit=PAGE)
    given = {name: value for name, value in request.GET.items() if value and name != "before"}
    older = "" if page.next_before is None else "?" + urlencode({**given, "before": page.next_before})
    newest = "?" + urlencode(given) if position is not None else ""
    return render(
        request,
        "evidence/log.html",
        {
            "form": form,
            "rows": [pages.line(entry, page.names) for entry in page.entries],
            "pager": looks.Pager(shown=len(page.entries), noun="entries", newer=newest, older=older),
            "filtered": bool(given),
            "head": checkpoints.head(),
            "anchored_at": anchors.last_anchored_at(),
            "may_export": held(actor, at=at).allows(Permission.ORG_LEDGER_EXPORT),
        },
    )


@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """GET /log/<seq>: one entry with differences, approval and proof."""
    actor, at = _signed_in(request), clock.now()
    page = queries.entry(actor, seq, at=at)
    found = page.entries[0]
    approval = found.approval
    return render(
        request,
        "evidence/entry.html",
        {
            "entry": found,
            "row": pages.line(found, page.names),
            "touched": [pages.touched(change) for change in found.changes if change.kind != "ruleset"],
            "published": [change for change in found.changes if change.kind == "ruleset"],
            "author": None if approval is None else pages.person(approval["author"], page.names),
            "approvers": [
                (pages.person(one["id"], page.names), clock.parse(one["at"]))
                for one in (approval or {}).get("approvers", ())
            ],
            "size": checkpoints.head().size,
        },
    )


@require_GET
def proof(request: HttpRequest, seq: int) -> HttpResponse:
    """GET /log/<seq>/proof: the inclusion proof, made when asked for."""
    found = queries.proof(_signed_in(request), seq, at=clock.now())
    return render(request, "evidence/proof.html", {"proof": found})


@require_http_methods(["GET", "POST"])
def export(request: HttpRequest) -> HttpResponse:
    """GET and POST /log/export: the changes of a period as a file."""
    actor, at = _signed_in(request), clock.now()
    keys = [project.key for project in projects()]
    initial = {"since": (at - timedelta(days=365)).date(), "until": at.date(), "format": "csv"}
    form = ChangesExportForm(request.POST or None, projects=keys, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        since, until = start_of(given["since"]), end_of(given["until"])
        assert since is not None
        assert until is not None
        try:
            return answer(
                operations.export_changes(
                    actor=actor,
                    at=at,
                    since=since,
                    until=until,
                    project=given["project"] or None,
                    environment=given["environment"] or None,
                    format=given["format"],
                )
            )
        except Invalid as error:
            for name, message in error.fields.items():
                form.add_error(name, f"{message}. {error.remedy}")
    status = 422 if form.errors else 200
    return render(request, "evidence/export.html", {"form": form, "key": _fingerprint()}, status=status)


@require_POST
def export_ledger(request: HttpRequest) -> HttpResponse:
    """POST /log/export/ledger: the whole log as an evidence bundle."""
    return answer(operations.export_ledger(actor=_signed_in(request), at=clock.now()))


def _fingerprint() -> str:
    return checkpoints.signer(checkpoints.head().origin).key.fingerprint
