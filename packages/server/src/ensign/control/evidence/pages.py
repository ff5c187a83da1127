"""Entries in the words and shapes that the pages show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.audit import differences
from ensign.control.audit.history import Change, EntryView
from ensign.control.ui import looks

#: Object type -> what people call it.
NOUNS: Mapping[str, str] = {
    "change_request": "change request",
    "client_token": "client token",
    "enforcement": "record of enforcement",
    "flag_config": "flag",
    "segment_config": "segment",
    "service_account": "service account",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """An object that an entry touched, with its difference."""

    noun: str
    name: str
    object: str
    version: int
    environment: str
    difference: looks.Difference
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of the log."""

    seq: int
    at: datetime
    person: looks.Person
    title: str
    subject: str
    project: str
    environment: str
    approved_by: tuple[str, ...]
    mode: str
    refused: bool
    reason: str | None


def person(id: str, names: Mapping[str, str], actor: Mapping[str, str] | None = None) -> looks.Person:
    """Somebody as the pages show them."""
    kind = {"usr": "person", "svc": "service"}.get(id[:3], "system")
    name = "Somebody who was not signed in" if id == "anonymous" else names.get(id, id)
    detail = "by token" if actor is not None and actor.get("token") else ""
    return looks.Person(
        name=name,
        kind="service" if kind == "service" else "person" if kind == "person" else "system",
        detail=detail,
        href=f"/people/{id}" if kind == "person" else "",
    )


def subject(change: Change) -> str:
    """What the object is called: its key or name, if its state is kept."""
    state = change.after or change.before or {}
    for name in ("flag", "segment", "key", "title", "name"):
        if state.get(name):
            return str(state[name])
    return ""


def _main(entry: EntryView) -> str:
    """The one object that the line names."""
    named = [change for change in entry.changes if change.kind != "ruleset"]
    inner = [change for change in named if change.kind != "change_request"] or named
    found = [subject(change) for change in inner]
    listed = [name for name in dict.fromkeys(found) if name]
    if not listed:
        return str(entry.detail.get("permission", ""))
    return listed[0] if len(listed) == 1 else f"{listed[0]} and {len(listed) - 1} more"


def line(entry: EntryView, names: Mapping[str, str]) -> LogRow:
    """An entry as a line."""
    approval: Mapping[str, Any] = entry.approval or {}
    return LogRow(
        seq=entry.seq,
        at=entry.at,
        person=person(entry.actor["id"], names, entry.actor),
        title=entry.title,
        subject=_main(entry),
        project=entry.project,
        environment=entry.environment,
        approved_by=tuple(names.get(one["id"], one["id"]) for one in approval.get("approvers", ())),
        mode=str(approval.get("mode", "")),
        refused=entry.action == "access.denied",
        reason=entry.reason,
    )


def touched(change: Change) -> Touched:
    """An object with its difference: sentence, rows, JSON."""
    noun = NOUNS.get(change.kind, change.kind.replace("_", " "))
    name = subject(change)
    state = change.after or change.before or {}
    rows = [
        looks.DiffRow(
            what=found.path.replace("_", " "),
            before=None if found.sign == "+" else found.before or "empty",
            after=None if found.sign == "-" else found.after or "empty",
        )
        for found in differences.rows(change.before or {}, change.after or {})
    ]
    made = change.before_digest is None
    act = "was made" if made else f"changed in {len(rows)} place{'' if len(rows) == 1 else 's'}"
    return Touched(
        noun=noun,
        name=name,
        object=change.object,
        version=change.version,
        environment=str(state.get("environment", "")),
        difference=looks.Difference(
            sentences=(f"The {noun} {name or change.object} {act}.",),
            rows=() if made and len(rows) > 12 else rows,
            before=change.before,
            after=change.after,
        ),
        kept=change.after is not None,
    )
