"""Entries in the words and shapes that the pages show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.audit.history import Change, EntryView
from ensign.control.evidence import told, words
from ensign.control.ui import looks

_MANY = 16
_TITLED = frozenset({"change_request", "comment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """An object that an entry touched, with its difference."""

    noun: str
    name: str
    object: str
    version: int
    environment: str
    difference: looks.Difference
    state: Mapping[str, Any] | None
    """What it became, where what it was is not known and no difference can be shown."""
    redacted: tuple[tuple[str, int], ...]
    """Which sides (before, after) were redacted, and by which entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of the log."""

    seq: int
    at: datetime
    person: looks.Person
    author: looks.Person
    """Who wrote the change that the entry applied, whoever pressed the button; else the same as ``person``."""
    title: str
    subject: str
    quoted: bool
    """The subject is a title that somebody gave, not a key."""
    told: str
    """What changed, why it was refused, how somebody signed in: in words that follow the title, the subject in them."""
    project: str
    environment: str
    approved_by: tuple[str, ...]
    mode: str
    refused: bool
    reason: str | None


def person(
    id: str, names: Mapping[str, str], actor: Mapping[str, str] | None = None, *, linked: bool = False
) -> looks.Person:
    """Somebody as the pages show them. ``linked``: the reader may open people's pages."""
    kind = {"usr": "person", "svc": "service"}.get(id[:3], "system")
    name = "Somebody who was not signed in" if id == "anonymous" else names.get(id, id)
    detail = "by token" if actor is not None and actor.get("token") else ""
    return looks.Person(
        name=name,
        kind="service" if kind == "service" else "person" if kind == "person" else "system",
        detail=detail,
        href=f"/people/{id}" if linked and kind == "person" else "",
    )


def _main(entry: EntryView) -> str:
    """The one object that the line names."""
    named = [change for change in entry.changes if change.kind != "ruleset"]
    inner = [change for change in named if change.kind != "change_request"] or named
    listed = [name for name in dict.fromkeys(map(told.name, inner)) if name] or [
        name for name in dict.fromkeys(map(told.name, named)) if name
    ]
    if not listed:
        return ""
    return listed[0] if len(listed) == 1 else f"{listed[0]} and {len(listed) - 1} more"


def line(entry: EntryView, names: Mapping[str, str], *, linked: bool = False) -> LogRow:
    """An entry as a line; ``linked`` as for ``person``."""
    approval: Mapping[str, Any] = entry.approval or {}
    subject, told_ = _main(entry), words.line(entry, names)
    by = person(entry.actor["id"], names, entry.actor, linked=linked)
    return LogRow(
        seq=entry.seq,
        at=entry.at,
        person=by,
        author=person(author, names, linked=linked) if (author := approval.get("author")) else by,
        title=entry.title,
        subject=subject,
        quoted=all(change.kind in _TITLED for change in entry.changes),
        told=f" {subject}{told_}" if told_ and subject not in told_ else told_,
        project=entry.project,
        environment=entry.environment,
        approved_by=tuple(names.get(one["id"], one["id"]) for one in approval.get("approvers", ())),
        mode=str(approval.get("mode", "")),
        refused=entry.action == "access.denied",
        reason=entry.reason,
    )


def touched(change: Change, names: Mapping[str, str]) -> Touched:
    """An object with its difference: sentence, rows, JSON."""
    found = told.tell(change, names)
    state = change.after or change.before or {}
    rows = tuple(looks.DiffRow(what=row.what, before=row.before, after=row.after) for row in found.rows)
    # What is new and long reads better as the whole state than as so many added rows.
    long = change.before_digest is None and len(rows) > _MANY
    known = change.comparable
    return Touched(
        noun=told.noun(change.kind),
        name=told.name(change),
        object=change.object,
        version=change.version,
        environment=str(state.get("environment", "")),
        difference=looks.Difference(
            sentences=(found.sentence,),
            rows=() if long else rows,
            before=change.before if known else None,
            after=change.after if known else None,
        ),
        state=None if known else change.after,
        redacted=tuple(
            (side, seq)
            for side, seq in (("before", change.before_redacted_by), ("after", change.after_redacted_by))
            if seq is not None
        ),
    )
