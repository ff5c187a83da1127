"""What a backup holds of people: taken out of the copy of the database, sealed under their keys.

``audit.unsealing`` puts it back.

One line of JSON a row. A sealed one is ``{t: table, p: person, i: primary key, v: version, s: sealed row}``, one that
is nobody's is ``{t: table, r: row}``. Of a governed row ``v`` says which version it is, so that a row which no key
opens any more can still be put in its place in the log (a restore then writes a tombstone over it).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from django.apps import apps
from django.db import connection, models

from ensign.control.audit import personal
from ensign.control.audit.models import Governed
from ensign.control.kernel.vault import Vault

DOCUMENTS: Final = "ledger_document"
CHUNK: Final = 2_000

Query = Callable[[str, Sequence[str | int]], list[tuple[Any, ...]]]


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
        model = model_of(table)
        governed = issubclass(model, Governed)
        for pk, subject, version, row in _rows(query, model, how.subject):
            if governed and subject:
                owners[f"{model.object_type}:{pk}"] = subject  # type: ignore[attr-defined]  # governed has one
            vault = vaults.of(subject)
            if vault is None:
                line: dict[str, Any] = {"t": table, "r": json.loads(row)}
            else:
                line = {"t": table, "p": subject, "i": str(pk), "v": version if governed else 0}
                line["s"] = vault.seal(row, place=place(origin, table, str(pk)))
            _write(out, line)
    digests = _digests(query, owners)
    for digest, content in _documents(query, None if documents else digests):
        vault = vaults.of(digests.get(digest))
        if content is None and not documents:
            continue
        if vault is None or content is None:
            _write(out, {"t": DOCUMENTS, "r": {"digest": digest, "content": content}})
            continue
        sealed = vault.seal(content, place=place(origin, DOCUMENTS, digest))
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


def place(origin: str, table: str, key: str) -> str:
    """What a sealed row is bound to: this log, its table, its primary key."""
    return f"{origin} {table} {key}"


def _write(out: IO[str], line: dict[str, Any]) -> None:
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def model_of(table: str) -> type[models.Model]:
    """The model whose rows lie in ``table``."""
    return next(model for model in apps.get_models() if model._meta.db_table == table)


def _rows(query: Query, model: type[models.Model], subject: str) -> Iterator[tuple[Any, str | None, Any, str]]:
    """(primary key, subject, version, the row as JSON) of every row; columns that the database derives are left out."""
    build = "json_build_object" if connection.vendor == "postgresql" else "json_object"
    columns = [f.column for f in model._meta.concrete_fields if not isinstance(f, models.GeneratedField)]
    members = ", ".join(f"'{column}', t.\"{column}\"" for column in columns)
    version = "t.version" if issubclass(model, Governed) else "0"
    pk = model._meta.pk.column
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
        sql = f"SELECT digest, content FROM {DOCUMENTS} WHERE digest > %s ORDER BY digest LIMIT {CHUNK}"  # noqa: S608  # our own table
        rows = query(sql, (last,))
        yield from _pairs(rows)
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]


def _pairs(rows: list[tuple[Any, ...]]) -> Iterator[tuple[str, str | None]]:
    return ((digest, content) for digest, content in rows)


def cut_sqlite(path: Path, out: IO[str], *, origin: str) -> None:
    """Take people out of a copy of an SQLite database; what is freed in it is overwritten."""
    copy = sqlite3.connect(path)
    try:

        def query(sql: str, parameters: Sequence[str | int]) -> list[tuple[Any, ...]]:
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
