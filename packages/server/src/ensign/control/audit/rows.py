"""Reading governed rows by what they are equal to, in plain SQL.

For the write door, which reads some thirty rows for a change: having the ORM compile such a query costs three to ten
times what SQLite needs to answer it. Everything else reads through the ORM.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Literal, TypeVar

from django.db import connection, models

from ensign.control.audit.models import Governed

Lock = Literal["update", "share"]
Value = str | int | bool | Collection[str]

_Row = TypeVar("_Row", bound=Governed)


@cache
def _shape(model: type[Governed]) -> tuple[str, tuple[str, ...], tuple[int, ...]]:
    """SELECT … FROM, the names of the columns, and which of them are booleans (1 and 0 in SQLite)."""
    fields = model._meta.concrete_fields
    kinds = [f.output_field if isinstance(f, models.GeneratedField) else f for f in fields]
    columns = ", ".join(f'"{f.column}"' for f in fields)
    return (
        f'SELECT {columns} FROM "{model._meta.db_table}"',  # noqa: S608  # our own tables and columns
        tuple(f.attname for f in fields),
        tuple(i for i, kind in enumerate(kinds) if isinstance(kind, models.BooleanField)),
    )


def rows(model: type[_Row], *, lock: Lock | None = None, **equal: Value) -> list[_Row]:
    """The rows whose columns equal the given values, or are among them when several are given; by id.

    ``lock`` holds them until the commit, always in the order of ids (on SQLite the write door's gate does that).
    """
    select, names, booleans = _shape(model)
    tests: list[str] = []
    parameters: list[str | int] = []
    for name, value in equal.items():
        if name not in names:
            raise ValueError(f"{model._meta.db_table} has no column {name}")
        if isinstance(value, str | int):
            tests.append(f'"{name}" = %s')
            parameters.append(value)
        elif value:
            tests.append(f'"{name}" IN ({", ".join(["%s"] * len(value))})')
            parameters += sorted(value)
        else:
            return []
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    held = f" FOR {lock.upper()}" if lock is not None and connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f'{select}{where} ORDER BY "id"{held}', parameters)
        found = cursor.fetchall()
    if booleans and connection.vendor == "sqlite":
        found = [[bool(v) if i in booleans and v is not None else v for i, v in enumerate(row)] for row in found]
    return [model.from_db(connection.alias, names, values) for values in found]


def row(model: type[_Row], *, lock: Lock | None = None, **equal: Value) -> _Row | None:
    """The first of :func:`rows`, or None."""
    found = rows(model, lock=lock, **equal)
    return found[0] if found else None
