"""What a backup holds of people: taken out of the copy of the database, sealed under their keys, and put back.

One line of JSON a row. A sealed one is ``{t: table, p: person, i: primary key, v: version, s: sealed row}``, one that is
nobody's is ``{t: table, r: row}``. Of a governed row ``v`` says which version it is, so that a row which no key opens
any more can still be put in its place in the log (``restore`` then writes a tombstone over it).
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from django.apps import apps
from django.db import connection, models

from ensign.control.audit import personal
from ensign.control.audit.models import Governed
from ensign.control.audit.personal import Lost
from ensign.control.audit.registry import governed_models
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.vault import Vault

DOCUMENTS: Final = "ledger_document"
_CHUNK: Final = 2_000

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]


def tables() -> tuple[str, ...]:
    """Tables whose rows a copy of the database must not hold: they are sealed, or left out."""
    present = set(connection.introspection.table_names())
    return tuple(table for table in personal.declared() if table in present)


def take_out(query: Query, out: IO[str], *, origin: str, documents: bool) -> frozenset[str]:
    """Write all rows of sealed tables, and the documents of people's states, to ``out``; returns their digests.

    ``documents``: write those that are nobody's, too (where the copy leaves the whole table out).
    """
    vaults = _Vaults()
    owners: dict[str, str] = {}
    for table in tables():
        how = personal.declared()[table]
        if how.how == "left out":
            continue
        model = _model(table)
        governed = issubclass(model, Governed)
        for pk, subject, version, row in _rows(query, model, how.subject):
            if governed and subject:
                owners[f"{model.object_type}:{pk}"] = subject  # type: ignore[attr-defined]  # governed has one
            vault = vaults.of(subject)
            if vault is None:
                line: dict[str, Any] = {"t": table, "r": json.loads(row)}
            else:
                line = {"t": table, "p": subject, "i": str(pk), "v": version if governed else 0}
                line["s"] = vault.seal(row, place=_place(origin, table, str(pk)))
            _write(out, line)
    digests = _digests(query, owners)
    for digest, content in _documents(query, None if documents else digests):
        vault = vaults.of(digests.get(digest))
        if content is None and not documents:
            continue
        if vault is None or content is None:
            _write(out, {"t": DOCUMENTS, "r": {"digest": digest, "content": content}})
            continue
        sealed = vault.seal(content, place=_place(origin, DOCUMENTS, digest))
        _write(out, {"t": DOCUMENTS, "p": digests[digest], "i": digest, "v": 0, "s": sealed})
    return frozenset(digests)


class _Vaults:
    """Each person's vault; None for nobody, and for who was erased: of them nothing personal is left to seal."""

    def __init__(self) -> None:
        self._erased = personal.erased()
        self._known: dict[str, Vault] = {}

    def of(self, subject: str | None) -> Vault | None:
        if not subject or not subject.startswith("usr_") or subject in self._erased:
            return None
        if subject not in self._known:
            self._known[subject] = Vault(personal.key_of(subject))
        return self._known[subject]


def _place(origin: str, table: str, key: str) -> str:
    return f"{origin} {table} {key}"


def _write(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _model(table: str) -> type[models.Model]:
    return next(model for model in apps.get_models() if model._meta.db_table == table)


def _rows(query: Query, model: type[models.Model], subject: str) -> Iterator[tuple[Any, str | None, Any, str]]:
    """(primary key, subject, version, the row as JSON) of every row; columns that the database derives are left out."""
    build = "json_build_object" if connection.vendor == "postgresql" else "json_object"
    columns = [f.column for f in model._meta.concrete_fields if not isinstance(f, models.GeneratedField)]
    members = ", ".join(f"'{column}', t.\"{column}\"" for column in columns)
    version = "t.version" if issubclass(model, Governed) else "0"
    pk = model._meta.pk.column if model._meta.pk is not None else "id"
    sql = f'SELECT t."{pk}", {subject}, {version}, {build}({members}) FROM "{model._meta.db_table}" AS t ORDER BY 1'  # noqa: S608  # our own tables
    for key, owner, number, row in query(sql, ()):
        yield key, owner, number, row if isinstance(row, str) else json.dumps(row)


def _digests(query: Query, owners: dict[str, str]) -> dict[str, str]:
    """Digest -> person, of every version of these objects and of the reasons that were given when they changed."""
    found: dict[str, str] = {}
    by_seq: dict[int, str] = {}
    for kind in sorted({name.partition(":")[0] for name in owners}):
        sql = "SELECT object, seq, after FROM ledger_touch WHERE object LIKE %s"
        for name, seq, after in query(sql, (f"{kind}:%",)):
            if name in owners:
                found[after] = owners[name]
                by_seq[seq] = owners[name]
    seqs = sorted(by_seq)
    for start in range(0, len(seqs), 500):
        some = seqs[start : start + 500]
        marks = ", ".join(["%s"] * len(some))
        for seq, body in query(f"SELECT seq, body FROM ledger_entry WHERE seq IN ({marks})", some):  # noqa: S608  # marks only
            reason = json.loads(body).get("reason")
            if reason is not None:
                found[reason["commit"]] = by_seq[seq]
    return found


def _documents(query: Query, digests: dict[str, str] | None) -> Iterator[tuple[str, str | None]]:
    if digests is not None:
        names = sorted(digests)
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            marks = ", ".join(["%s"] * len(some))
            yield from _pairs(query(f"SELECT digest, content FROM {DOCUMENTS} WHERE digest IN ({marks})", some))  # noqa: S608  # marks only
        return
    last = ""
    while True:
        sql = f"SELECT digest, content FROM {DOCUMENTS} WHERE digest > %s ORDER BY digest LIMIT {_CHUNK}"  # noqa: S608  # our own table
        rows = query(sql, (last,))
        yield from _pairs(rows)
        if len(rows) < _CHUNK:
            return
        last = rows[-1][0]


def _pairs(rows: list[tuple[Any, ...]]) -> Iterator[tuple[str, str | None]]:
    return ((digest, content) for digest, content in rows)


def cut_sqlite(path: Path, out: IO[str], *, origin: str) -> None:
    """Take people out of a copy of an SQLite database; what is freed in it is overwritten."""
    copy = sqlite3.connect(path)
    try:

        def query(sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
            return copy.execute(sql.replace("%s", "?"), list(parameters)).fetchall()

        digests = take_out(query, out, origin=origin, documents=False)
        copy.execute("PRAGMA secure_delete = ON")
        # Restoring installs the triggers anew; here they would refuse what is no write of Ensign's.
        for (name,) in query("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s", ("ensign%",)):
            copy.execute(f'DROP TRIGGER "{name}"')
        for table in tables():
            copy.execute(f'DELETE FROM "{table}"')  # noqa: S608  # our own tables
        copy.executemany(f"DELETE FROM {DOCUMENTS} WHERE digest = ?", [(digest,) for digest in sorted(digests)])  # noqa: S608  # as above
        copy.commit()
        copy.execute("VACUUM")
    finally:
        copy.close()


def missing_keys(lines: Iterable[dict[str, Any]]) -> list[str]:
    """People whose part of a backup no key here opens, though they were not erased."""
    people = {line["p"] for line in lines if "p" in line}
    return sorted(people - personal.erased() - {person for person in people if personal.has_key(person)})


def put_back(lines: Iterable[dict[str, Any]], *, origin: str) -> dict[str, list[Lost]]:
    """Write the rows into the restored database, before its triggers are there; returns what no key opens any more.

    :raises Unavailable: when a row was altered or moved, or a key is not the one that it was sealed with.
    """
    lost: dict[str, list[Lost]] = defaultdict(list)
    vaults: dict[str, Vault | None] = {}
    gone = personal.erased()
    kinds = {model._meta.db_table for model in governed_models().values()}
    batch: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        table = line["t"]
        if table != DOCUMENTS and table not in personal.declared():
            raise Unavailable(f"The backup holds rows of {table} where people are.", remedy="Use an intact backup.")
        row = line.get("r")
        if row is None:
            person = line["p"]
            if person not in vaults:
                key = None if person in gone else personal.existing_key(person)
                vaults[person] = None if key is None else Vault(key)
            vault = vaults[person]
            if vault is not None:
                row = json.loads(vault.open(line["s"], place=_place(origin, table, line["i"]))) if table != DOCUMENTS else {
                    "digest": line["i"], "content": vault.open(line["s"], place=_place(origin, table, line["i"]))
                }  # fmt: skip
            elif table == DOCUMENTS:
                lost[person].append(Lost(table=table, id=line["i"]))
                row = {"digest": line["i"], "content": None}
            elif table in kinds:
                lost[person].append(Lost(table=table, id=line["i"], version=line["v"]))
                row = {"id": line["i"], "version": line["v"], "ledger_seq": 0, "content": "{}"}
            else:
                lost.setdefault(person, [])  # their account or factor: it just is not there
                continue
        rows = batch[table, tuple(row)]
        rows.append(row)
        if len(rows) >= _CHUNK:
            _insert(table, tuple(row), rows)
            rows.clear()
    for (table, columns), rows in batch.items():
        _insert(table, columns, rows)
    _reset_sequences()
    return dict(lost)


def _insert(table: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sql = f'INSERT INTO "{table}" ({names}) SELECT {names} FROM json_populate_record(NULL::"{table}", %s::json)'  # noqa: S608  # our own table, and columns that the backup's own schema has
            cursor.executemany(sql, [(json.dumps(row),) for row in rows])
            return
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f'INSERT INTO "{table}" ({names}) VALUES ({marks})',  # noqa: S608  # as above
            [tuple(row[column] for column in columns) for row in rows],
        )


def _reset_sequences() -> None:
    """Numbers that PostgreSQL gives out go on after those that were put back."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for table in tables():
            column = _model(table)._meta.pk
            if isinstance(column, models.AutoField | models.BigAutoField):
                name = column.column
                cursor.execute(
                    f'SELECT setval(pg_get_serial_sequence(%s, %s), GREATEST((SELECT MAX("{name}") FROM "{table}"), 1))',  # noqa: S608  # as above
                    [table, name],
                )
