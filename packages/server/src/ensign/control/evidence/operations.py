"""Exports. Each is authorised, and an entry."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import ensign
from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import checkpoints, export, history
from ensign.control.audit.door import operation
from ensign.control.audit.history import EntryView, Filters
from ensign.control.audit.ledger import Where, record
from ensign.control.evidence import changes
from ensign.control.evidence.actions import CHANGES_EXPORTED
from ensign.control.identity.queries import names
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid

_BATCH = 500


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file to hand out. ``manifest`` says what it holds and how to tie it out against the log."""

    name: str
    media_type: str
    data: bytes
    manifest: dict[str, Any]


def _all(filters: Filters) -> list[EntryView]:
    """Every matching entry, oldest first, read in batches so that a year fits in memory as rows, not as entries."""
    found: list[EntryView] = []
    after = -1
    while True:
        batch = history.entries(filters, after=after, limit=_BATCH)
        found += batch
        if len(batch) < _BATCH:
            return found
        after = batch[-1].seq


@operation
def export_changes(
    *,
    actor: Actor,
    at: datetime,
    since: datetime,
    until: datetime,
    project: str | None = None,
    environment: str | None = None,
    format: changes.Format = "csv",
) -> ExportedFile:
    """The changes of a period ``[since, until)``: who, when, before, after, requested by, approved by and when.

    :raises Denied: without ``org:ledger:export``, or within one project without ``project:read`` there.
    :raises Invalid: when the period is empty.
    """
    if project is None:
        require(actor, Permission.ORG_LEDGER_EXPORT, at=at)
    else:
        require(actor, Permission.PROJECT_READ, Scope(project), at=at)
    if since >= until:
        raise Invalid(
            "The period is empty.", remedy="Let it end after it starts.", fields={"until": "not after `since`"}
        )
    filters = Filters(project=project, since=since, until=until, changes_only=True)
    entries = _all(filters)
    found = list(changes.rows(entries, names(changes.people(entries))))
    if environment is not None:
        # By object: a project-wide change has rows in every environment that it reached.
        found = [row for row in found if row["environment"] == environment]
    head = checkpoints.head()
    manifest: dict[str, Any] = {
        "report": "changes", "report_version": 1, "columns": list(changes.COLUMNS),
        "parameters": {
            "since": clock.text(since), "until": clock.text(until), "time_zone": "UTC",
            "project": project, "environment": environment, "format": format,
        },
        "run_by": actor.id, "run_at": clock.text(at), "system": head.origin, "code_version": ensign.__version__,
        "log_size": head.size, "log_root": checkpoints.frontier_at(head.size).root().hex(),
        "first_seq": entries[0].seq if entries else None, "last_seq": entries[-1].seq if entries else None,
        "entries": len(entries), "row_count": len(found), "totals": changes.totals(found),
    }  # fmt: skip
    data = changes.write(found, format=format, manifest=manifest)
    manifest = {**manifest, "file_sha256": changes.sha256(data)}
    record(
        action=CHANGES_EXPORTED,
        actor=actor,
        at=at,
        where=Where(project=project, environment=environment),
        detail={
            "since": clock.text(since),
            "until": clock.text(until),
            "format": format,
            "rows": len(found),
            "sha256": manifest["file_sha256"],
        },
    )
    scope = "-".join(part for part in (project, environment) if part) or "all"
    extension = "json" if format == "json" else "csv"
    name = f"changes-{scope}-{since:%Y%m%d}-{until:%Y%m%d}.{extension}"
    return ExportedFile(name, "application/json" if format == "json" else "text/csv; charset=utf-8", data, manifest)


def export_ledger(*, actor: Actor, at: datetime, start: int = 0, end: int | None = None) -> ExportedFile:
    """A range of the log as an evidence bundle (zip) that verifies offline.

    :raises Denied: without ``org:ledger:export``; the denial is an entry.
    """
    _authorise_export(actor=actor, at=at)
    with tempfile.TemporaryDirectory(prefix="ensign-export-") as folder:
        made = export.export(out=Path(folder) / "ledger.zip", actor=actor, at=at, start=start, end=end)
        data = made.path.read_bytes()
    name = f"ledger-{made.start}-{made.end}.zip"
    facts = {"start": made.start, "end": made.end, "root": made.root, "fingerprint": made.fingerprint}
    return ExportedFile(name, "application/zip", data, facts)


@operation
def _authorise_export(*, actor: Actor, at: datetime) -> None:
    require(actor, Permission.ORG_LEDGER_EXPORT, at=at)
