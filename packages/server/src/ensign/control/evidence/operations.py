"""Exports. Each is authorised, and an entry."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import ensign
from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit import checkpoints, export, history
from ensign.control.audit.door import operation
from ensign.control.audit.history import EntryView, Filters
from ensign.control.audit.ledger import Where, record
from ensign.control.evidence import changes
from ensign.control.evidence.actions import CHANGES_EXPORTED
from ensign.control.evidence.identities import identities
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.queries import was_ever

_BATCH = 500


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file to hand out. ``manifest`` says what it holds and how to tie it out against the log."""

    name: str
    media_type: str
    data: bytes
    manifest: dict[str, Any]


def _all(filters: Filters) -> list[EntryView]:
    """Every matching entry, oldest first, read in batches so that no query holds more than a few hundred."""
    found: list[EntryView] = []
    after = -1
    while True:
        batch = history.entries(filters, after=after, limit=_BATCH)
        found += batch
        if len(batch) < _BATCH:
            return found
        after = batch[-1].seq


def _require_place(*, project: str | None, environment: str | None) -> None:
    """That a name is not mistyped: an empty file would be taken for evidence that nothing changed."""
    if not was_ever(project=project, environment=None):
        raise Invalid(f"There is no project “{project}”.", remedy="Check its key.", fields={"project": "unknown"})
    if not was_ever(project=project, environment=environment):
        raise Invalid(
            f"There is no environment “{environment}”{f' in {project}' if project else ''}.",
            remedy="Check its key, or leave it out for all environments.",
            fields={"environment": "unknown"},
        )


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

    With ``environment`` also what reached every environment of its project. Only the permission and the entry are
    taken inside the write door: a year is read without holding anybody up, up to the log's size at the start.

    :raises Denied: without ``org:evidence:export``, or within one project without ``project:evidence:export`` there.
    :raises Invalid: when the period is empty, or there never was such a project or environment.
    """
    emails = _authorise_changes(actor=actor, at=at, project=project)
    _require_place(project=project, environment=environment)
    if since >= until:
        raise Invalid(
            "The period is empty.", remedy="Let it end after it starts.", fields={"until": "not after `since`"}
        )
    head = checkpoints.head()
    filters = Filters(project=project, since=since, until=until, below=head.size)
    entries = _all(replace(filters, changes_only=True))
    listed = changes.rows(entries, identities(changes.people(entries)), emails=emails)
    if environment is None:
        found, elsewhere = list(listed), 0
    else:
        every = list(listed)
        found = [row for row in every if row["environment"] in {environment, changes.EVERYWHERE}]
        elsewhere = len(every) - len(found)
    counted = history.actions_counted(filters)
    applied = Counter(entry.action for entry in entries)
    manifest: dict[str, Any] = {
        "report": "changes", "report_version": 1, "columns": list(changes.COLUMNS),
        "parameters": {
            "since": clock.text(since), "until": clock.text(until), "time_zone": "UTC",
            "project": project, "environment": environment, "format": format,
        },
        "run_by": actor.id, "run_at": clock.text(at), "system": head.origin, "code_version": ensign.__version__,
        "log_size": head.size, "log_root": checkpoints.frontier_at(head.size).root().hex(),
        "first_seq": entries[0].seq if entries else None, "last_seq": entries[-1].seq if entries else None,
        "row_count": len(found), "totals": changes.totals(found),
        "tie_out": {
            "entries_in_period": sum(counted.values()),
            "entries_that_are_changes": len(entries),
            "other_entries": {code: count for code, n in counted.items() if (count := n - applied[code])},
            "objects_that_only_carry_a_change": changes.carried(entries),
            "rows_of_other_environments": elsewhere,
        },
    }  # fmt: skip
    data = changes.write(found, format=format, manifest=manifest)
    manifest = {**manifest, "file_sha256": changes.sha256(data)}
    manifest["entry"] = _record_changes(actor=actor, at=at, project=project, environment=environment, manifest=manifest)
    scope = "-".join(part for part in (project, environment) if part) or "all"
    extension = "json" if format == "json" else "csv"
    name = f"changes-{scope}-{since:%Y%m%d}-{until:%Y%m%d}.{extension}"
    return ExportedFile(name, "application/json" if format == "json" else "text/csv; charset=utf-8", data, manifest)


@operation
def _authorise_changes(*, actor: Actor, at: datetime, project: str | None) -> bool:
    """Whether the actor may also see e-mail addresses."""
    if project is None:
        require(actor, Permission.ORG_EVIDENCE_EXPORT, at=at)
    else:
        require(actor, Permission.PROJECT_EVIDENCE_EXPORT, Scope(project), at=at)
    return held(actor, at=at).allows(Permission.ORG_READ)


@operation
def _record_changes(
    *, actor: Actor, at: datetime, project: str | None, environment: str | None, manifest: Mapping[str, Any]
) -> int:
    """Append the export with what it takes to tie its file out; returns the entry's number."""
    detail = {name: manifest["parameters"][name] for name in ("since", "until", "format")}
    detail |= {"rows": manifest["row_count"], "sha256": manifest["file_sha256"], "size": manifest["log_size"]}
    detail |= {"root": manifest["log_root"], "entries": manifest["tie_out"]["entries_in_period"]}
    where = Where(project=project, environment=environment)
    return record(action=CHANGES_EXPORTED, actor=actor, at=at, where=where, detail=detail).seq


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
