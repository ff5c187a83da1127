"""The change population: every object that a change altered in a period, one row each. Pure but for its input.

Columns follow what auditors ask of such a listing; see docs/reference/exports.md.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from ensign.control.audit import differences
from ensign.control.audit.history import Change, EntryView
from ensign.control.kernel import clock

Format = Literal["csv", "csv-spreadsheet", "json"]

#: Objects that only carry the change, and are named in other columns.
CARRIERS = frozenset({"change_request", "ruleset", "kill"})

COLUMNS = (
    "seq", "applied_at", "project", "environment", "object_type", "object_key", "object", "version", "action", "mode",
    "request", "requested_by", "requested_by_name", "edited_by", "approvals_required", "approved_by",
    "approved_by_name", "approved_at", "applied_by", "applied_by_name", "applied_by_kind", "applied_via", "reason",
    "difference", "before", "after", "before_sha256", "after_sha256", "approved_digest", "policy",
)  # fmt: skip

Row = dict[str, str | int]


def people(entries: Iterable[EntryView]) -> set[str]:
    """Every id whose name the rows show."""
    found: set[str] = set()
    for entry in entries:
        found.add(entry.actor["id"])
        if entry.approval is not None:
            found |= {entry.approval["author"], *entry.approval["contributors"]}
            found |= {approver["id"] for approver in entry.approval["approvers"]}
    return found


def rows(entries: Iterable[EntryView], names: Mapping[str, str]) -> Iterator[Row]:
    """One row for each object that each entry altered."""
    for entry in entries:
        for change in entry.changes:
            if change.kind not in CARRIERS:
                yield _row(entry, change, names)


def _row(entry: EntryView, change: Change, names: Mapping[str, str]) -> Row:
    approval: Mapping[str, Any] = entry.approval or {}
    approvers = approval.get("approvers", [])
    state = change.after or change.before or {}
    found = differences.rows(change.before or {}, change.after or {})
    return {
        "seq": entry.seq,
        "applied_at": clock.text(entry.at),
        "project": entry.project,
        "environment": str(state.get("environment") or entry.environment),
        "object_type": change.kind,
        "object_key": str(state.get("flag") or state.get("segment") or state.get("key") or ""),
        "object": change.object,
        "version": change.version,
        "action": entry.action,
        "mode": approval.get("mode", ""),
        "request": approval.get("request", ""),
        "requested_by": approval.get("author", entry.actor["id"]),
        "requested_by_name": names.get(approval.get("author", entry.actor["id"]), ""),
        "edited_by": " ".join(approval.get("contributors", [])),
        "approvals_required": approval.get("required", 0),
        "approved_by": " ".join(one["id"] for one in approvers),
        "approved_by_name": "; ".join(names.get(one["id"], "") for one in approvers),
        "approved_at": " ".join(one.get("at", "") for one in approvers),
        "applied_by": entry.actor["id"],
        "applied_by_name": names.get(entry.actor["id"], ""),
        "applied_by_kind": entry.actor["kind"],
        "applied_via": entry.actor["via"],
        "reason": entry.reason or "",
        "difference": "\n".join(f"{row.sign} {row.path}: {row.before} → {row.after}" for row in found),
        "before": "" if change.before is None else _json(change.before),
        "after": "" if change.after is None else _json(change.after),
        "before_sha256": change.before_digest or "",
        "after_sha256": change.after_digest,
        "approved_digest": approval.get("digest", ""),
        "policy": approval.get("policy", ""),
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def write(found: list[Row], *, format: Format, manifest: Mapping[str, Any]) -> bytes:
    """The rows as a file. JSON carries the manifest beside the rows; a CSV's manifest is delivered apart from it."""
    if format == "json":
        return (json.dumps({"manifest": dict(manifest), "rows": found}, ensure_ascii=False, indent=1) + "\n").encode()
    buffer = io.StringIO()
    # RFC 4180: CRLF, quotes doubled.
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in found:
        writer.writerow(_neutral(row) if format == "csv-spreadsheet" else row)
    return buffer.getvalue().encode()


def _neutral(row: Row) -> Row:
    """Texts that a spreadsheet would run as a formula, made inert. Only in the variant for spreadsheets."""
    return {
        name: f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
        for name, value in row.items()
    }


def totals(found: list[Row]) -> dict[str, dict[str, int]]:
    """Row counts by month, environment, kind of object and mode: to tie the file out against the log."""
    return {
        "month": dict(sorted(Counter(str(row["applied_at"])[:7] for row in found).items())),
        "environment": dict(sorted(Counter(str(row["environment"]) for row in found).items())),
        "object_type": dict(sorted(Counter(str(row["object_type"]) for row in found).items())),
        "mode": dict(sorted(Counter(str(row["mode"]) for row in found).items())),
    }


def sha256(data: bytes) -> str:
    """Of a file, in hex."""
    return hashlib.sha256(data).hexdigest()
