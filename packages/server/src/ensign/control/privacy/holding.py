"""Everything that is held on somebody, for themselves or for who answers them: by the data map's lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit import history
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.kernel.actor import Actor
from ensign.control.privacy import effects
from ensign.control.privacy.actions import EXPORTED
from ensign.control.privacy.datamap import Line
from ensign.control.privacy.lines import BY_TABLE, LINES

HIDDEN = "(held, not shown: a secret)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one table holds: rows as they stand, as text, numbers and lists."""

    table: str
    what: str
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All of it. ``about`` are rows about the person, ``by`` what they wrote, ``versions`` their identity as it was,
    ``acts`` how often they did what, ``entries`` the log's entries that they made or that concern them."""

    person: str
    made_at: datetime
    about: tuple[Held, ...]
    by: tuple[Held, ...]
    versions: tuple[dict[str, Any], ...]
    acts: dict[str, int]
    entries: tuple[dict[str, Any], ...]


@operation
def export(*, actor: Actor, at: datetime, person_id: str) -> Dossier:
    """Everything on somebody else, to answer them with; an entry, as every disclosure is.

    What people see of themselves (:func:`dossier`) discloses nothing.

    :raises Denied: without ``org:privacy:erase``.
    :raises NotFound: when there is no such person.
    """
    require(actor, Permission.ORG_PRIVACY_ERASE, at=at)
    identity.person(person_id)
    made = dossier(person_id, at=at)
    record(action=EXPORTED, actor=actor, at=at, detail={"person": person_id, "entries": len(made.entries)})
    return made


def dossier(person_id: str, *, at: datetime) -> Dossier:
    """Everything on one person, read now."""
    mine = history.of_object(f"person:{person_id}", limit=10_000)
    return Dossier(
        person=person_id,
        made_at=at,
        about=tuple(held for line in LINES if line.subject and (held := _about(line, person_id)).rows),
        by=tuple(held for line in LINES if line.mentions and (held := _by(line, person_id)).rows),
        versions=tuple(
            {"entry": entry.seq, "at": entry.at.isoformat(), **(change.after or {"redacted": True})}
            for entry in reversed(mine)
            for change in entry.changes
            if change.object == f"person:{person_id}"
        ),
        acts=history.actions_counted(history.Filters(actor=person_id)),
        entries=tuple(_entries(person_id)),
    )


def _about(line: Line, person_id: str) -> Held:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT t.* FROM "{line.table}" AS t WHERE {line.subject} = %s ORDER BY 1', [person_id])  # noqa: S608  # our own tables
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return Held(table=line.table, what=line.what, rows=tuple(_shown(line, row) for row in rows))


def _by(line: Line, person_id: str) -> Held:
    model = effects.models_by_table()[line.table]
    found = model._base_manager.filter(content__contains=f'"{person_id}"').order_by("pk")
    rows = tuple(
        _shown(line, {"id": row.pk, "content": row.content})
        for row in found
        if person_id in {row.state.get(key) for key in line.mentions}
    )
    return Held(table=line.table, what=line.what, rows=rows)


def _shown(line: Line, row: dict[str, Any]) -> dict[str, Any]:
    """The row without the columns that only repeat its content; what is secret only as being there."""
    if line.table in effects.models_by_table():
        state = json.loads(row["content"])
        state.pop("nonce", None)
        row = {"id": row["id"], **state}
    shown = {name: _plain(value) for name, value in row.items()}
    return {name: HIDDEN if name in line.secret and value else value for name, value in shown.items()}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | list | dict) or value is None else str(value)


def _entries(person_id: str) -> Iterator[dict[str, Any]]:
    """Entries that they made or that name them, newest first, with the reasons that they gave themselves."""
    rows = Entry.objects.filter(body__contains=f'"{person_id}"') | Entry.objects.filter(
        body__contains=f'"person:{person_id}"'
    )
    for seq, body in rows.order_by("-seq").values_list("seq", "body").iterator(chunk_size=2_000):
        entry = json.loads(body)
        itself = entry["actor"]["id"] == person_id
        fact = {
            "entry": seq,
            "at": entry["ts"],
            "action": entry["action"],
            "by": "the person" if itself else "somebody else",
        }
        if itself and "reason" in entry:
            opened = history.documents([entry["reason"]["commit"]]).get(entry["reason"]["commit"])
            fact["reason"] = None if opened is None else opened["text"]
        yield fact


def as_json(made: Dossier) -> dict[str, Any]:
    """The dossier as JSON members."""
    return {
        "person": made.person,
        "made_at": made.made_at.isoformat(),
        "identity": [dict(version) for version in made.versions],
        "about": {held.table: list(held.rows) for held in made.about},
        "written_by": {held.table: list(held.rows) for held in made.by},
        "acts": dict(made.acts),
        "entries": list(made.entries),
        "purposes": {
            held.table: {"purpose": BY_TABLE[held.table].purpose, "kept": BY_TABLE[held.table].kept}
            for held in (*made.about, *made.by)
        },
    }
