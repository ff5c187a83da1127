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
from typing import Any, Literal, Protocol

from ensign.control.audit.history import Change, EntryView
from ensign.control.evidence import told
from ensign.control.kernel import clock

Format = Literal["csv", "csv-spreadsheet", "json"]

#: Objects that only carry the change, and are named in other columns.
CARRIERS = frozenset({"change_request", "ruleset", "kill"})

#: Stands in the column ``environment`` where a change reached every environment of its project.
EVERYWHERE = "*"

COLUMNS = (
    "seq", "applied_at", "project", "environment", "protected", "object_type", "object_key", "object", "version",
    "action", "mode", "request", "title", "requested_by", "requested_by_name", "requested_by_email", "requested_at",
    "edited_by", "approvals_required", "compensated", "approved_by", "approved_by_name", "approved_by_email",
    "approved_at", "applied_by", "applied_by_name", "applied_by_email", "applied_by_kind", "applied_via", "reason",
    "difference", "before", "after", "before_sha256", "after_sha256", "approved_digest", "policy",
)  # fmt: skip

Row = dict[str, str | int]


class Person(Protocol):
    """Somebody's name and address at some time."""

    @property
    def name(self) -> str:
        """As shown."""

    @property
    def email(self) -> str:
        """Empty when not known."""


class Who(Protocol):
    """Answers who an id was when an entry was made."""

    def at(self, id: str, seq: int, /) -> Person:
        """The person, service account or part of Ensign."""


def people(entries: Iterable[EntryView]) -> set[str]:
    """Every id whose name the rows show."""
    found: set[str] = set()
    for entry in entries:
        found.add(entry.actor["id"])
        if entry.approval is not None:
            found |= {entry.approval["author"], *entry.approval["contributors"]}
            found |= {approver["id"] for approver in entry.approval["approvers"]}
    return found


def rows(entries: Iterable[EntryView], who: Who, *, emails: bool) -> Iterator[Row]:
    """One row for each object that each entry altered; without ``emails`` the columns of addresses stay empty."""
    for entry in entries:
        for change in entry.changes:
            if change.kind not in CARRIERS:
                yield _row(entry, change, who, emails=emails)


def place(entry: EntryView, change: Change) -> str:
    """The environment in which the object has effect; ``*`` when in every one of the project."""
    state = change.after or change.before
    if state is None:
        # Not known any more: the environment for which it was asked, rather than one too few.
        return entry.environment or EVERYWHERE
    if change.kind == "environment":
        return str(state["key"])
    return str(state.get("environment") or EVERYWHERE)


def _row(entry: EntryView, change: Change, who: Who, *, emails: bool) -> Row:
    approval: Mapping[str, Any] = entry.approval or {}
    approvers = approval.get("approvers", [])
    state = change.after or change.before or {}
    request = _request(entry)
    author = approval.get("author", entry.actor["id"])
    asked, applied = who.at(author, entry.seq), who.at(entry.actor["id"], entry.seq)
    approved = [who.at(one["id"], entry.seq) for one in approvers]
    return {
        "seq": entry.seq,
        "applied_at": clock.text(entry.at),
        "project": entry.project,
        "environment": place(entry, change),
        "protected": _yes(approval.get("protected")),
        "object_type": change.kind,
        "object_key": str(state.get("flag") or state.get("segment") or state.get("key") or ""),
        "object": change.object,
        "version": change.version,
        "action": entry.action,
        "mode": approval.get("mode", ""),
        "request": approval.get("request") or "",
        "title": str(request.get("title") or ""),
        "requested_by": author,
        "requested_by_name": asked.name,
        "requested_by_email": asked.email if emails else "",
        "requested_at": str(request.get("submitted_at") or request.get("created_at") or ""),
        "edited_by": " ".join(one for one in approval.get("contributors", []) if one not in approval.get("behind", [])),
        "approvals_required": approval.get("required", 0),
        "compensated": _yes(approval.get("compensated")),
        "approved_by": " ".join(one["id"] for one in approvers),
        "approved_by_name": "; ".join(one.name for one in approved),
        "approved_by_email": "; ".join(one.email for one in approved) if emails else "",
        "approved_at": " ".join(one.get("at", "") for one in approvers),
        "applied_by": entry.actor["id"],
        "applied_by_name": applied.name,
        "applied_by_email": applied.email if emails else "",
        "applied_by_kind": entry.actor["kind"],
        "applied_via": entry.actor["via"],
        "reason": entry.reason or "",
        "difference": told.tell(change).as_text(),
        "before": "" if change.before is None else _json(change.before),
        "after": "" if change.after is None else _json(change.after),
        "before_sha256": change.before_digest or "",
        "after_sha256": change.after_digest,
        "approved_digest": approval.get("digest", ""),
        "policy": approval.get("policy", ""),
    }


def _request(entry: EntryView) -> Mapping[str, Any]:
    """The change request as it was applied; empty when its text was redacted."""
    return next((c.after for c in entry.changes if c.kind == "change_request" and c.after is not None), {})


def _yes(value: object) -> str:
    return "yes" if value is True else "no" if value is False else ""


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


def totals(found: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Row counts by month, environment, kind of object and mode: to tie the file out against the log."""
    listed = list(found)
    return {
        "month": dict(sorted(Counter(str(row["applied_at"])[:7] for row in listed).items())),
        "environment": dict(sorted(Counter(str(row["environment"]) for row in listed).items())),
        "object_type": dict(sorted(Counter(str(row["object_type"]) for row in listed).items())),
        "mode": dict(sorted(Counter(str(row["mode"]) for row in listed).items())),
    }


def carried(entries: Iterable[EntryView]) -> dict[str, int]:
    """Object type -> how many touches of the entries have no row, as they only carry a change."""
    return dict(sorted(Counter(c.kind for entry in entries for c in entry.changes if c.kind in CARRIERS).items()))


def sha256(data: bytes) -> str:
    """Of a file, in hex."""
    return hashlib.sha256(data).hexdigest()
