"""The log and its exports over HTTP."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from ensign.control.api import pages
from ensign.control.api.schemas import Input
from ensign.control.audit.history import EntryView, Filters
from ensign.control.evidence import operations, queries
from ensign.control.evidence.changes import Format
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid

router = Router(tags=["log"])


class ChangeOut(Schema):
    """An object that the entry touched. States are null when not kept or redacted (then with the entry's number)."""

    object: str
    version: int
    before_digest: str | None
    after_digest: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    before_redacted_by: int | None
    after_redacted_by: int | None


class EntryOut(Schema):
    """One entry. ``entry`` is the exact text that is hashed; ``actor_name`` is as of now and not part of the log."""

    seq: int
    at: str
    action: str
    title: str
    actor: dict[str, str]
    actor_name: str
    project: str
    environment: str
    reason: str | None
    approval: dict[str, Any] | None
    detail: dict[str, Any]
    changes: list[ChangeOut]
    leaf_hash: str
    entry: str


class ProofOut(Schema):
    """An inclusion proof (RFC 6962 section 2.1.1) against a signed checkpoint."""

    seq: int
    leaf_hash: str
    size: int
    hashes: list[str]
    checkpoint: str


#: PostgreSQL refuses U+0000 in a text, so that no key, id or action holds one.
_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]


class LogQuery(Schema):
    """Filters of the log. Times are RFC 3339; a filter left out means any.

    ``action`` is a code (``flag.created``) or, ending in a full stop, the beginning of several (``flag.``).
    """

    actor: _Text | None = None
    action: _Text | None = None
    project: _Text | None = None
    environment: _Text | None = None
    object: _Text | None = None
    since: datetime | None = None
    until: datetime | None = None
    changes_only: bool = False


class ChangesExport(Input):
    """Which changes to export, and as what. ``since`` is inclusive, ``until`` exclusive."""

    since: datetime
    until: datetime
    project: _Text | None = None
    environment: _Text | None = None
    format: Format = "csv"


class LedgerExport(Input):
    """Which entries to export: ``start`` (inclusive) to ``end`` (exclusive; null: to the newest)."""

    start: int = 0
    end: int | None = None


def _out(entry: EntryView, names: dict[str, str]) -> EntryOut:
    return EntryOut(
        seq=entry.seq,
        at=clock.text(entry.at),
        action=entry.action,
        title=entry.title,
        actor=dict(entry.actor),
        actor_name=names.get(entry.actor["id"], ""),
        project=entry.project,
        environment=entry.environment,
        reason=entry.reason,
        approval=None if entry.approval is None else dict(entry.approval),
        detail=dict(entry.detail),
        changes=[
            ChangeOut(
                object=change.object,
                version=change.version,
                before_digest=change.before_digest,
                after_digest=change.after_digest,
                before=change.before,
                after=change.after,
                before_redacted_by=change.before_redacted_by,
                after_redacted_by=change.after_redacted_by,
            )
            for change in entry.changes
        ],
        leaf_hash=entry.leaf_hash,
        entry=entry.body,
    )


def _utc(instant: datetime, field: str) -> datetime:
    """The same instant in UTC; a time without a zone is taken as UTC.

    :raises Invalid: when it lies outside the calendar.
    """
    try:
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise Invalid(
            "The time lies outside the calendar.", remedy="Name a year from 1 to 9999.", fields={field: "out of range"}
        ) from None


def _position(cursor: str | None) -> int | None:
    """The number of an entry out of a cursor.

    :raises Invalid: when it is none that this list gave.
    """
    position = pages.decode(cursor)
    if position is None:
        return None
    if not isinstance(position[0], int) or isinstance(position[0], bool):
        raise Invalid("The cursor is of another list.", fields={"cursor": "not a cursor of this list"})
    return position[0]


@router.get("/log", response=pages.Page[EntryOut], summary="Entries of the log, newest first")
def list_log(
    request: HttpRequest, query: Query[LogQuery], limit: pages.Limit = pages.DEFAULT_LIMIT, cursor: pages.Cursor = None
) -> pages.Page[EntryOut]:
    """Only entries of projects that the caller may read, unless it may read the whole log."""
    times = {"since": query.since, "until": query.until}
    given = query.dict() | {name: None if at is None else _utc(at, name) for name, at in times.items()}
    page = queries.log(
        request.actor,  # type: ignore[attr-defined]  # set by the API's authentication
        Filters(**given),
        at=clock.now(),
        before=_position(cursor),
        limit=limit,
    )
    following = None if page.next_before is None else pages.encode(page.next_before)
    return pages.Page(items=[_out(entry, page.names) for entry in page.entries], next_cursor=following)


@router.get("/log/{int:seq}", response=EntryOut, summary="One entry")
def get_entry(request: HttpRequest, seq: int) -> EntryOut:
    """The entry with what its digests stand for."""
    page = queries.entry(request.actor, seq, at=clock.now())  # type: ignore[attr-defined]  # as above
    return _out(page.entries[0], page.names)


@router.get("/log/{int:seq}/proof", response=ProofOut, summary="Proof that an entry is in the log")
def get_proof(request: HttpRequest, seq: int) -> ProofOut:
    """Verifiable with the log's public key alone."""
    found = queries.proof(request.actor, seq, at=clock.now())  # type: ignore[attr-defined]  # as above
    return ProofOut(
        seq=found.seq,
        leaf_hash=found.leaf_hash,
        size=found.size,
        hashes=list(found.hashes),
        checkpoint=found.checkpoint,
    )


def answer(file: operations.ExportedFile) -> HttpResponse:
    """The file as a download, its manifest in the header ``Ensign-Manifest`` (base64 of JSON)."""
    # Without the columns, which the file itself names: some proxies refuse headers above 8 KiB.
    compact = {name: value for name, value in file.manifest.items() if name != "columns"}
    manifest = base64.b64encode(json.dumps(compact, separators=(",", ":")).encode()).decode()
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"', "Ensign-Manifest": manifest}
    return HttpResponse(file.data, content_type=file.media_type, headers=headers)


@router.post("/exports/changes", summary="Export the changes of a period")
def export_changes(request: HttpRequest, body: ChangesExport) -> HttpResponse:
    """CSV (RFC 4180), CSV for spreadsheets (formulas made inert) or JSON; the export is an entry."""
    file = operations.export_changes(
        actor=request.actor,  # type: ignore[attr-defined]  # as above
        at=clock.now(),
        since=_utc(body.since, "since"),
        until=_utc(body.until, "until"),
        project=body.project,
        environment=body.environment,
        format=body.format,
    )
    return answer(file)


@router.post("/exports/ledger", summary="Export the log as an evidence bundle")
def export_ledger(request: HttpRequest, body: LedgerExport) -> HttpResponse:
    """A zip that `ensign-verify`, or the verify.py inside it, checks offline."""
    file = operations.export_ledger(
        actor=request.actor,  # type: ignore[attr-defined]  # as above
        at=clock.now(),
        start=body.start,
        end=body.end,
    )
    return answer(file)
