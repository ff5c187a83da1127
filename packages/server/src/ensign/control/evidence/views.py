"""The log explorer and the exports."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ensign.control.access.decisions import Held, held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import anchors, checkpoints, registry
from ensign.control.audit.history import Filters
from ensign.control.evidence import operations, pages, queries, spelling, words
from ensign.control.evidence.api import answer
from ensign.control.evidence.forms import ChangesExportForm, LogFilter, end_of, start_of
from ensign.control.identity.queries import names, people, service_accounts
from ensign.control.identity.web import signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid
from ensign.control.kernel.ids import is_id
from ensign.control.projects import policies
from ensign.control.projects.queries import all_environments, projects
from ensign.control.ui import looks

PAGE = 50
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_WHOLE = (Permission.ORG_EVIDENCE_EXPORT, Permission.ORG_LEDGER_EXPORT)
_BUILT_IN = re.compile(r"anonymous|sys_[a-z_]{1,40}")


@require_GET
def log(request: HttpRequest) -> HttpResponse:
    """GET /log: entries, newest first; the filters are the address."""
    actor, at = signed_in(request), clock.now()
    holds = held(actor, at=at)
    form = _filter(request, holds)
    before = request.GET.get("before", "")
    position = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    valid = form.is_valid()
    # A filter that says nothing sensible finds nothing: showing everything instead would be read as its answer.
    page = queries.log(actor, form.filters() if valid else Filters(below=0), at=at, before=position, limit=PAGE)
    given = {name: value for name, value in request.GET.items() if value and name != "before"}
    older = "" if page.next_before is None else "?" + urlencode({**given, "before": page.next_before})
    linked = holds.allows(Permission.ORG_READ)
    newest = "?" + urlencode(given) if position is not None else ""
    return render(
        request,
        "evidence/log.html",
        {
            "form": form,
            "rows": spelling.lines([pages.line(entry, page.names, linked=linked) for entry in page.entries]),
            "pager": looks.Pager(shown=len(page.entries), noun="entries", newer=newest, older=older),
            "filtered": bool(given),
            "head": checkpoints.head(),
            "anchored_at": anchors.last_anchored_at(),
            "may_export": any(holds.allows(whole) for whole in _WHOLE)
            or bool(_readable(holds, Permission.PROJECT_EVIDENCE_EXPORT)),
        },
    )


def _filter(request: HttpRequest, holds: Held) -> LogFilter:
    """The form, offering the people and projects that its reader may know of, and whoever a link names."""
    asked = request.GET.get("actor", "")
    if holds.allows(Permission.ORG_READ):
        offered = {person.id: person.name or person.email for person in people()}
        offered |= {account.id: account.name for account in service_accounts()}
    else:
        offered = {holds.actor.id: "You"}
    if asked and asked not in offered and (is_id(asked) or _BUILT_IN.fullmatch(asked)):
        offered |= names([asked])
    return LogFilter(
        request.GET,
        people=sorted(offered.items(), key=lambda pair: pair[1].casefold()),
        projects=_readable(holds),
        environments=_environments(_readable(holds), request.GET.get("environment", "")),
        codes=sorted((code, title.title) for code, title in registry.actions().items()),
    )


def _readable(holds: Held, permission: Permission = Permission.PROJECT_LEDGER_READ) -> list[str]:
    keys = holds.projects(permission)
    return [project.key for project in projects() if keys is None or project.key in keys]


def _environments(keys: list[str], asked: str) -> list[str]:
    """Keys of the environments of these projects, in their order; and the one that a link names, archived perhaps."""
    every = all_environments()
    found = dict.fromkeys(row.key for key in keys for row in every.get(key, ()))
    if _KEY.fullmatch(asked):
        found.setdefault(asked)
    return list(found)


@require_GET
def entry(request: HttpRequest, seq: int) -> HttpResponse:
    """GET /log/<seq>: one entry with differences, approval and proof."""
    actor, at = signed_in(request), clock.now()
    page = queries.entry(actor, seq, at=at)
    found = page.entries[0]
    approval = found.approval
    rights = held(actor, at=at)
    linked = rights.allows(Permission.ORG_READ)
    return render(
        request,
        "evidence/entry.html",
        {
            "entry": found,
            "row": spelling.lines([pages.line(found, page.names, linked=linked)])[0],
            "facts": words.facts(found, page.names),
            "touched": spelling.touched([pages.touched(c, page.names) for c in found.changes if c.kind != "ruleset"]),
            "published": [change for change in found.changes if change.kind == "ruleset"],
            "author": None if approval is None else pages.person(approval["author"], page.names, linked=linked),
            "approvers": [
                (pages.person(one["id"], page.names, linked=linked), clock.parse(one["at"]))
                for one in (approval or {}).get("approvers", ())
            ],
            "policies": [] if approval is None else policies.referred(str(approval["policy"])),
            "policies_linked": rights.allows(Permission.PROJECT_POLICY_READ, Scope(found.project or None)),
            "size": checkpoints.head().size,
        },
    )


@require_GET
def proof(request: HttpRequest, seq: int) -> HttpResponse:
    """GET /log/<seq>/proof: the inclusion proof, made when asked for."""
    found = queries.proof(signed_in(request), seq, at=clock.now())
    return render(request, "evidence/proof.html", {"proof": found})


@require_http_methods(["GET", "POST"])
def export(request: HttpRequest) -> HttpResponse:
    """GET and POST /log/export: the changes of a period as a file."""
    actor, at = signed_in(request), clock.now()
    holds = held(actor, at=at)
    keys = _readable(holds, Permission.PROJECT_EVIDENCE_EXPORT)
    whole, bundle = (holds.allows(one) for one in _WHOLE)
    if not whole and not bundle and not keys:
        require(actor, Permission.ORG_EVIDENCE_EXPORT, at=at)
    initial = {"since": (at - timedelta(days=365)).date(), "until": at.date(), "format": "csv"}
    form = ChangesExportForm(request.POST or None, projects=keys, all_projects=whole, initial=initial)
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
            for name in error.fields:
                form.add_error(name, f"{error.message} {error.remedy}")
    status = 422 if form.errors else 200
    context = {"form": form, "key": _fingerprint(), "whole": bundle, "changes": whole or bool(keys)}
    return render(request, "evidence/export.html", context, status=status)


@require_POST
def export_ledger(request: HttpRequest) -> HttpResponse:
    """POST /log/export/ledger: the whole log as an evidence bundle."""
    return answer(operations.export_ledger(actor=signed_in(request), at=clock.now()))


def _fingerprint() -> str:
    return checkpoints.signer(checkpoints.head().origin).key.fingerprint
