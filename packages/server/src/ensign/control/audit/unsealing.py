"""Putting back what a backup holds of people (``audit.sealing``), as far as their keys are still there."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db import connection, models

from ensign.control.audit import personal
from ensign.control.audit.personal import Lost
from ensign.control.audit.registry import governed_models
from ensign.control.audit.sealing import CHUNK, DOCUMENTS, model_of, place, tables
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.vault import Vault

_Line = dict[str, Any]


def missing_keys(lines: Iterable[_Line]) -> list[str]:
    """People whose part of a backup no key here opens, though they were not erased."""
    people = {line["p"] for line in lines if "p" in line}
    return sorted(people - personal.erased() - {person for person in people if personal.has_key(person)})


def put_back(lines: Iterable[_Line], *, origin: str) -> dict[str, list[Lost]]:
    """Write the rows into the restored database, before its triggers are there; returns what no key opens any more.

    :raises Unavailable: when a row was altered or moved, or a key is not the one that it was sealed with.
    """
    opener = _Opener(origin)
    batches: dict[tuple[str, tuple[str, ...]], list[_Line]] = defaultdict(list)
    for line in lines:
        table = line["t"]
        if table != DOCUMENTS and table not in personal.declared():
            raise Unavailable(f"The backup holds rows of {table} where people are.", remedy="Use an intact backup.")
        row = line["r"] if "r" in line else opener.row(line)
        if row is None:
            continue
        batch = batches[table, tuple(row)]
        batch.append(row)
        if len(batch) >= CHUNK:
            _insert(table, tuple(row), batch)
            batch.clear()
    for (table, columns), batch in batches.items():
        _insert(table, columns, batch)
    _go_on_counting()
    return dict(opener.lost)


class _Opener:
    """Opens sealed rows, and remembers what it could not."""

    def __init__(self, origin: str) -> None:
        self.lost: dict[str, list[Lost]] = defaultdict(list)
        self._origin = origin
        self._vaults: dict[str, Vault | None] = {}
        self._erased = personal.erased()
        self._governed = {model._meta.db_table for model in governed_models().values()}

    def row(self, line: _Line) -> _Line | None:
        """The row; a stand-in for one that no key opens but the log knows; None for any other."""
        table, person, key = line["t"], line["p"], line["i"]
        vault = self._vault(person)
        if vault is None:
            return self._stand_in(table, person, key, line["v"])
        text = vault.open(line["s"], place=place(self._origin, table, key))
        if table == DOCUMENTS:
            return {"digest": key, "content": text}
        row: _Line = json.loads(text)
        return row

    def _vault(self, person: str) -> Vault | None:
        if person not in self._vaults:
            key = None if person in self._erased else personal.existing_key(person)
            self._vaults[person] = None if key is None else Vault(key)
        return self._vaults[person]

    def _stand_in(self, table: str, person: str, key: str, version: int) -> _Line | None:
        lost = self.lost[person]
        if table == DOCUMENTS:
            lost.append(Lost(table=table, id=key))
            return {"digest": key, "content": None}
        if table in self._governed:
            lost.append(Lost(table=table, id=key, version=version))
            return {"id": key, "version": version, "ledger_seq": 0, "content": "{}"}
        return None


def _insert(table: str, columns: tuple[str, ...], rows: list[_Line]) -> None:
    if not rows:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            values = f'SELECT {names} FROM json_populate_record(NULL::"{table}", %s::json)'  # noqa: S608  # our own table, columns of the backup's own schema
            cursor.executemany(f'INSERT INTO "{table}" ({names}) {values}', [(json.dumps(row),) for row in rows])
            return
        marks = ", ".join(["%s"] * len(columns))
        sql = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608  # as above
        cursor.executemany(sql, [tuple(row[column] for column in columns) for row in rows])


def _go_on_counting() -> None:
    """Numbers that PostgreSQL gives out go on after those that were put back."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for table in tables():
            pk = model_of(table)._meta.pk
            if isinstance(pk, models.AutoField | models.BigAutoField):
                highest = f'GREATEST((SELECT MAX("{pk.column}") FROM "{table}"), 1)'  # noqa: S608  # our own table
                cursor.execute(f"SELECT setval(pg_get_serial_sequence(%s, %s), {highest})", [table, pk.column])
