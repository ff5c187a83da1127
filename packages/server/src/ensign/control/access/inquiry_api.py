"""The API of who can do what: now, at any moment, between two, and as a file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from ensign.control.access import inquiries
from ensign.control.access.as_of import instant
from ensign.control.access.domain import Scope
from ensign.control.access.inquiry_schemas import (
    AccessExportIn,
    DifferencesOut,
    HoldingsOut,
    LogOut,
    WhoCanOut,
    able,
    differences_out,
    held_out,
    log_out,
)
from ensign.control.access.schemas import scope_of
from ensign.control.identity import queries as identity
from ensign.control.identity.web import caller
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid

router = Router(tags=["people and access"])

_Moment = Annotated[
    str,
    Query(max_length=40, description="A date (its beginning, 00:00 UTC) or a time with its zone. Empty: now."),
]


@router.get("/access/who-can", response=WhoCanOut)
def who_can(
    request: HttpRequest,
    permission: Annotated[str, Query(description="A permission's code, e.g. `change:approve`.")],
    project: str | None = None,
    environment: str | None = None,
    as_of: _Moment = "",
) -> WhoCanOut:
    """Everybody active who may do something there, through which grants, since when, given by whom and why."""
    actor, at = caller(request)
    answer = inquiries.who_can(
        actor=actor,
        at=at,
        permission=inquiries.permission_of(permission),
        scope=scope_of(project, environment),
        moment=instant(as_of, at=at),
    )
    return WhoCanOut(
        items=able(answer),
        as_of=answer.standing.at,
        log=log_out(answer),
        unreadable=list(answer.standing.unreadable),
    )


@router.get("/access/what-can", response=HoldingsOut)
def what_can(
    request: HttpRequest,
    subject: Annotated[str, Query(max_length=64, description="Id of a person or service account.")],
    project: str | None = None,
    environment: str | None = None,
    as_of: _Moment = "",
) -> HoldingsOut:
    """Every role in force of somebody, with what it confers; everybody may ask about themselves."""
    actor, at = caller(request)
    scope = scope_of(project, environment) if project or environment else None
    answer = inquiries.what_can(actor=actor, at=at, subject=subject, scope=scope, moment=instant(as_of, at=at))
    return HoldingsOut(
        items=held_out(answer),
        subject=subject,
        name=identity.name(subject),
        as_of=answer.standing.at,
        log=log_out(answer),
        unreadable=list(answer.standing.unreadable),
    )


@router.get("/access/changes", response=DifferencesOut)
def access_changes(request: HttpRequest, since: _Moment, until: _Moment = "") -> DifferencesOut:
    """What access differs by between two moments: roles gained, lost and altered, and why."""
    actor, at = caller(request)
    begin = instant(since, at=at, field="since")
    if begin is None:
        raise Invalid("The beginning is missing.", fields={"since": "Name a moment."})
    found = inquiries.changes(actor=actor, at=at, since=begin, until=instant(until, at=at, field="until"))
    return DifferencesOut(
        items=differences_out(found),
        since=found.before.at,
        until=found.after.at,
        log=LogOut(size=found.after.size, root=found.root, derived_from=found.after.source),
    )


@router.post("/exports/access", summary="Export who can do what")
def export_access(request: HttpRequest, body: AccessExportIn) -> HttpResponse:
    """CSV (RFC 4180), CSV for spreadsheets (formulas made inert) or JSON; the export is an entry."""
    actor, at = caller(request)
    file = exported(actor, at, body)
    return answer_file(file)


def exported(actor: Actor, at: datetime, wanted: AccessExportIn) -> inquiries.File:
    """The listing that was asked for, as a file."""
    moment, scope = instant(wanted.as_of, at=at), scope_of(wanted.project, wanted.environment)
    answer = _asked(actor, at, wanted, moment, scope)
    asked = {
        "permission": wanted.permission or None,
        "subject": wanted.subject or None,
        "project": scope.project,
        "environment": scope.environment,
    }
    return inquiries.export(actor=actor, at=at, answer=answer, asked=asked, format=wanted.format)


def _asked(
    actor: Actor, at: datetime, wanted: AccessExportIn, moment: datetime | None, scope: Scope
) -> inquiries.Answer:
    if wanted.permission and wanted.subject:
        raise Invalid("Ask about a permission or about somebody.", fields={"subject": "Leave one of the two out."})
    if wanted.permission:
        permission = inquiries.permission_of(wanted.permission)
        return inquiries.who_can(actor=actor, at=at, permission=permission, scope=scope, moment=moment)
    if wanted.subject:
        within = scope if scope.project else None
        return inquiries.what_can(actor=actor, at=at, subject=wanted.subject, scope=within, moment=moment)
    if scope.project:
        raise Invalid("A place alone says nothing.", fields={"permission": "Name the permission, too."})
    return inquiries.listing(actor=actor, at=at, moment=moment)


def answer_file(file: inquiries.File) -> HttpResponse:
    """The file as a download, its manifest in the header ``Ensign-Manifest`` (base64 of JSON)."""
    compact: Mapping[str, Any] = {name: value for name, value in file.manifest.items() if name != "columns"}
    manifest = base64.b64encode(json.dumps(compact, separators=(",", ":")).encode()).decode()
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Ensign-Manifest": manifest}
    return HttpResponse(file.data, content_type=file.media_type, headers=headers)
