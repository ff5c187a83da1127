"""The triggers on SQLite.

Whoever can write the file can drop them: there they make tampering evident, not impossible. ``INSERT OR REPLACE``
bypasses UPDATE and DELETE triggers, hence every table is also guarded BEFORE INSERT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ensign.control.audit.models import Governed


def _trigger(name: str, event: str, table: str, *body: str) -> tuple[str, str]:
    statements = "\n".join(f"  {line.rstrip(';')};" for line in body)
    return name, f'CREATE TRIGGER "{name}" {event} ON "{table}" BEGIN\n{statements}\nEND'


def _abort(message: str, condition: str) -> str:
    return f"SELECT RAISE(ABORT, 'ensign: {message}') WHERE {condition}"


def _refuse(table: str, *, insert: str | None = None) -> list[tuple[str, str]]:
    """Triggers that refuse UPDATE and DELETE of ``table``, and INSERT under the condition ``insert``."""
    made = [
        _trigger(f"ensign_{table}_update", "BEFORE UPDATE", table, _abort(f"{table} is never updated", "1")),
        _trigger(f"ensign_{table}_delete", "BEFORE DELETE", table, _abort(f"{table} is never deleted from", "1")),
    ]
    if insert is not None:
        made.append(_trigger(f"ensign_{table}_insert", "BEFORE INSERT", table, _abort(f"{table}: row refused", insert)))
    return made


def _entry() -> list[tuple[str, str]]:
    head = "(SELECT {} FROM ledger_head WHERE id = 1)"
    return [
        _trigger(
            "ensign_ledger_entry_insert",
            "BEFORE INSERT",
            "ledger_entry",
            _abort("entries are numbered without gaps", f"NEW.seq IS NOT {head.format('size')}"),
            _abort(
                "entries are numbered without gaps",
                "NEW.seq <> COALESCE((SELECT MAX(seq) + 1 FROM ledger_entry), 0)",
            ),
            _abort("the entry holds another number", "json_extract(NEW.body, '$.seq') IS NOT NEW.seq"),
            _abort(
                "the entry is of another log",
                f"json_extract(NEW.body, '$.log') IS NOT {head.format('origin')}",
            ),
            _abort(
                "time runs backwards",
                f"COALESCE(json_extract(NEW.body, '$.ts'), '') < {head.format('last_ts')}",
            ),
            _abort("the leaf hash is not that of the entry", "NEW.leaf_hash IS NOT ensign_leaf(NEW.body)"),
        ),
        _trigger(
            "ensign_ledger_entry_inserted",
            "AFTER INSERT",
            "ledger_entry",
            "UPDATE ledger_head SET size = NEW.seq + 1, last_ts = json_extract(NEW.body, '$.ts') WHERE id = 1",
            "INSERT INTO ledger_touch (seq, object, version, before, after)"
            " SELECT NEW.seq, json_extract(t.value, '$.object'), json_extract(t.value, '$.version'),"
            " json_extract(t.value, '$.before'), json_extract(t.value, '$.after') FROM json_each(NEW.body, '$.touch') AS t",
            "INSERT INTO ledger_redaction (digest, seq) SELECT r.value, NEW.seq FROM json_each(NEW.body, '$.redacts') AS r",
        ),
    ]


def _touch() -> list[tuple[str, str]]:
    return [
        _trigger(
            "ensign_ledger_touch_insert",
            "BEFORE INSERT",
            "ledger_touch",
            _abort(
                "no entry has this touch",
                "NOT EXISTS (SELECT 1 FROM ledger_entry AS e, json_each(e.body, '$.touch') AS t WHERE e.seq = NEW.seq"
                " AND e.seq = (SELECT MAX(seq) FROM ledger_entry)"
                " AND json_extract(t.value, '$.object') = NEW.object AND json_extract(t.value, '$.version') = NEW.version"
                " AND json_extract(t.value, '$.before') IS NEW.before AND json_extract(t.value, '$.after') = NEW.after)",
            ),
            _abort(
                "versions count up by one",
                "NEW.version <> COALESCE((SELECT MAX(version) FROM ledger_touch WHERE object = NEW.object), 0) + 1",
            ),
            _abort(
                "the state before is another one",
                "NEW.before IS NOT (SELECT after FROM ledger_touch WHERE object = NEW.object AND version = NEW.version - 1)",
            ),
        ),
        _trigger(
            "ensign_ledger_touch_inserted",
            "AFTER INSERT",
            "ledger_touch",
            "INSERT INTO ledger_pending (object, version, seq, after, leftover_id)"
            " VALUES (NEW.object, NEW.version, NEW.seq, NEW.after, 1)",
        ),
    ]


def _pending(governed: Mapping[str, type[Governed]]) -> list[tuple[str, str]]:
    written = " OR ".join(
        # The first comparison finds the row by its key, the second holds it to its kind; by the second alone, SQLite
        # would read every row of every table for each row that is written.
        f'EXISTS (SELECT 1 FROM "{model._meta.db_table}" WHERE id = substr(OLD.object, {len(kind) + 2})'
        f" AND OLD.object = '{kind}:' || id AND version = OLD.version AND ledger_seq = OLD.seq)"
        for kind, model in governed.items()
    )
    return [
        _trigger(
            "ensign_ledger_pending_insert",
            "BEFORE INSERT",
            "ledger_pending",
            _abort(
                "no touch is pending",
                "NOT EXISTS (SELECT 1 FROM ledger_touch WHERE object = NEW.object AND version = NEW.version"
                " AND seq = NEW.seq AND after = NEW.after)",
            ),
            _abort("a pending row stays pending", "NEW.leftover_id IS NOT 1"),
        ),
        _trigger("ensign_ledger_pending_update", "BEFORE UPDATE", "ledger_pending", _abort("never updated", "1")),
        _trigger(
            "ensign_ledger_pending_delete",
            "BEFORE DELETE",
            "ledger_pending",
            _abort("an entry without its state", f"NOT ({written or '0'})"),
        ),
    ]


def _plain() -> list[tuple[str, str]]:
    return [
        _trigger(
            "ensign_ledger_head_insert",
            "BEFORE INSERT",
            "ledger_head",
            _abort("there is one head", "NEW.id <> 1 OR NEW.size <> 0 OR EXISTS (SELECT 1 FROM ledger_head)"),
        ),
        _trigger(
            "ensign_ledger_head_update",
            "BEFORE UPDATE",
            "ledger_head",
            _abort(
                "the head follows the entries",
                "NEW.id <> OLD.id OR NEW.origin <> OLD.origin OR NEW.size <> OLD.size + 1"
                " OR NEW.size IS NOT (SELECT MAX(seq) + 1 FROM ledger_entry)",
            ),
        ),
        _trigger("ensign_ledger_head_delete", "BEFORE DELETE", "ledger_head", _abort("there is one head", "1")),
        _trigger("ensign_ledger_never_insert", "BEFORE INSERT", "ledger_never", _abort("always empty", "1")),
        _trigger(
            "ensign_ledger_document_insert",
            "BEFORE INSERT",
            "ledger_document",
            _abort(
                "a document is kept under its digest, once",
                "NEW.content IS NULL OR NEW.digest IS NOT ensign_sha256(NEW.content)"
                " OR EXISTS (SELECT 1 FROM ledger_document WHERE digest = NEW.digest)",
            ),
        ),
        _trigger(
            "ensign_ledger_document_update",
            "BEFORE UPDATE",
            "ledger_document",
            _abort(
                "a document is only ever redacted, by an entry",
                "NEW.digest <> OLD.digest OR NEW.content IS NOT NULL"
                " OR NOT EXISTS (SELECT 1 FROM ledger_redaction WHERE digest = OLD.digest)",
            ),
        ),
        _trigger(
            "ensign_ledger_document_delete",
            "BEFORE DELETE",
            "ledger_document",
            _abort("never deleted from", "1"),
        ),
    ]


def _governed(kind: str, model: type[Governed]) -> list[tuple[str, str]]:
    table = model._meta.db_table
    object_name = f"'{kind}:' || NEW.id"
    vouched = _abort(
        f"{table}: no ledger entry vouches for this state",
        f"NOT EXISTS (SELECT 1 FROM ledger_pending WHERE object = {object_name} AND version = NEW.version"
        " AND seq = NEW.ledger_seq AND after = ensign_sha256(NEW.content))",
    )
    done = [f"DELETE FROM ledger_pending WHERE object = {object_name} AND version = NEW.version"]
    if model.keeps_history:
        done.append("INSERT INTO ledger_document (digest, content) VALUES (ensign_sha256(NEW.content), NEW.content)")
    first = _abort(f"{table}: a new row has version 1", "NEW.version <> 1")
    next_ = _abort(
        f"{table}: versions count up by one and ids stay",
        "NEW.id IS NOT OLD.id OR NEW.version <> OLD.version + 1",
    )
    return [
        _trigger(f"ensign_{table}_insert", "BEFORE INSERT", table, first, vouched),
        _trigger(f"ensign_{table}_inserted", "AFTER INSERT", table, *done),
        _trigger(f"ensign_{table}_update", "BEFORE UPDATE", table, next_, vouched),
        _trigger(f"ensign_{table}_updated", "AFTER UPDATE", table, *done),
        _trigger(f"ensign_{table}_delete", "BEFORE DELETE", table, _abort(f"{table} is never deleted from", "1")),
    ]


def triggers(governed: Mapping[str, type[Governed]], insert_only: Iterable[str]) -> dict[str, str]:
    """Name -> CREATE TRIGGER statement of every trigger that must exist."""
    made = [*_entry(), *_touch(), *_pending(governed), *_plain()]
    redaction = (
        "NOT EXISTS (SELECT 1 FROM ledger_entry AS e, json_each(e.body, '$.redacts') AS r"
        " WHERE e.seq = NEW.seq AND r.value = NEW.digest)"
    )
    guards = {
        "ledger_redaction": redaction,
        "ledger_checkpoint": "NEW.size > (SELECT size FROM ledger_head WHERE id = 1)",
    }
    for table in insert_only:
        made += _refuse(table, insert=guards.get(table))
    for kind, model in governed.items():
        made += _governed(kind, model)
    return dict(made)
