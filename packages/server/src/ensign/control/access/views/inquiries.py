"""Pages that ask: who can do this there, what can they do, what does access differ by; now or at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ensign.control.access import inquiries
from ensign.control.access.as_of import Origin
from ensign.control.access.inquiry_api import answer_file, exported
from ensign.control.access.inquiry_forms import AccessChangesForm, WhatCanForm, WhoCanForm
from ensign.control.access.inquiry_schemas import AccessExportIn
from ensign.control.access.permissions import BY_CODE, Permission
from ensign.control.access.standing import Difference, Line
from ensign.control.access.views.common import open_page, shown, tabs, where
from ensign.control.identity import queries as identity
from ensign.control.identity.web import add_errors, form_page, signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError
from ensign.control.ui.looks import Choice, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A line as a row of a table. ``entry`` is the number of the entry that gave it; None: not known."""

    line: Line
    who: Person
    role: str
    via: Person | None
    where: str
    flags: str
    by: Person
    approved_by: tuple[Person, ...]
    reason: str
    entry: int | None
    sole: bool
    permissions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """A difference as a row of a table."""

    difference: Difference
    row: LineRow
    added: str
    removed: str


def rooms(current: str) -> tuple[Choice, ...]:
    """The three questions."""
    listed = (("Who can …", "access:who-can"), ("What can …", "access:what-can"), ("What changed", "access:changes"))
    return tuple(Choice(label=label, href=reverse(name), current=label == current) for label, name in listed)


@require_GET
def who_can(request: HttpRequest) -> HttpResponse:
    """Who may do this there, and through which grants."""
    holds, at = open_page(request, Permission.ORG_READ)
    form = WhoCanForm(request.GET if "permission" in request.GET else None)
    status, more = 200, {}
    if form.is_bound and form.is_valid():
        permission = BY_CODE[form.cleaned_data["permission"]]
        try:
            scope = form.scope()
            answer = inquiries.who_can(
                actor=holds.actor, at=at, permission=permission, scope=scope, moment=form.moment(at=at)
            )
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            able = len({line.subject for line in answer.lines})
            place = f"in {scope}" if scope.project else "in the organisation"
            more = _answered(answer, f"{permission} {place}: {able}")
            more["export"] = {"permission": str(permission), **_scope(scope.project, scope.environment)}
    return form_page(request, "access/who_can.html", form, status=status, **_frame("Who can …"), **more)


@require_GET
def what_can(request: HttpRequest) -> HttpResponse:
    """What somebody may do, by which grants."""
    holds, at = open_page(request, Permission.ORG_READ)
    form = WhatCanForm(request.GET if "subject" in request.GET else None, subjects=_everybody())
    status, more = 200, {}
    if form.is_bound and form.is_valid():
        subject = form.cleaned_data["subject"]
        try:
            answer = inquiries.what_can(actor=holds.actor, at=at, subject=subject, moment=form.moment(at=at))
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            more = _answered(answer, f"{identity.name(subject)}: {len(answer.lines)}")
            more["export"] = {"subject": subject}
    return form_page(request, "access/what_can.html", form, status=status, **_frame("What can …"), **more)


@require_GET
def changes(request: HttpRequest) -> HttpResponse:
    """What access differs by between two moments."""
    holds, at = open_page(request, Permission.ORG_READ)
    form = AccessChangesForm(request.GET if "since" in request.GET else None)
    status, more = 200, {}
    if form.is_bound and form.is_valid():
        try:
            since, until = form.period(at=at)
            found = inquiries.changes(actor=holds.actor, at=at, since=since, until=until)
        except EnsignError as error:
            status = add_errors(form, error)
        else:
            rows = _rows((one.line for one in found.found), found.origins)
            more = {
                "found": found,
                "rows": [
                    DifferenceRow(difference=one, row=row, added=", ".join(one.added), removed=", ".join(one.removed))
                    for one, row in zip(found.found, rows, strict=True)
                ],
            }
    return form_page(request, "access/changes.html", form, status=status, **_frame("What changed"), **more)


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """The answer as a file; an entry."""
    given = {name: request.POST.get(name, "") for name in ("as_of", "permission", "subject", "format")}
    wanted = AccessExportIn(
        as_of=given["as_of"],
        permission=given["permission"],
        subject=given["subject"],
        project=request.POST.get("project") or None,
        environment=request.POST.get("environment") or None,
        format="json" if given["format"] == "json" else "csv",
    )
    return answer_file(exported(signed_in(request), clock.now(), wanted))


def _frame(current: str) -> dict[str, Any]:
    return {"tabs": tabs("Who can"), "rooms": rooms(current)}


def _answered(answer: inquiries.Answer, title: str) -> dict[str, Any]:
    moment = clock.text(answer.standing.at) if answer.standing.source == "log" else ""
    return {"answer": answer, "asked": title, "rows": _rows(answer.lines, answer.origins), "moment": moment}


def _scope(project: str | None, environment: str | None) -> dict[str, str]:
    return {"project": project or "", "environment": environment or ""}


def _everybody() -> list[tuple[str, str]]:
    people = [(person.id, f"{person.display} ({person.email})") for person in identity.people()]
    return [*people, *((one.id, f"Service account: {one.name}") for one in identity.service_accounts())]


def _rows(lines: Iterable[Line], origins: Mapping[str, Origin]) -> list[LineRow]:
    listed = list(lines)
    approvers = {id for origin in origins.values() for id in origin.approved_by}
    people = shown(
        approvers | {id for line in listed for id in (line.subject, line.via or "", line.grant.granted_by) if id}
    )
    return [_row(line, origins.get(line.grant.id), people) for line in listed]


def _row(line: Line, origin: Origin | None, people: Mapping[str, Person]) -> LineRow:
    return LineRow(
        line=line,
        who=people[line.subject],
        role=line.grant.definition.name,
        via=people[line.via] if line.via else None,
        where=where(line.grant.scope),
        flags=str(line.grant.narrowing),
        by=people[line.grant.granted_by],
        approved_by=tuple(people[id] for id in origin.approved_by) if origin else (),
        reason=origin.reason if origin else "",
        entry=origin.entry if origin else None,
        sole=origin.sole if origin else False,
        permissions=", ".join(line.permissions),
    )


def address(subject: str) -> str:
    """Where it is asked what ``subject`` can do."""
    return f"{reverse('access:what-can')}?{urlencode({'subject': subject})}"
