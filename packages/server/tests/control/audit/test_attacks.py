"""Claims: every way to change governed state or the log past the other is refused by the database.

On PostgreSQL the attacker holds the application's role; on SQLite an open connection with Ensign's own functions.
What SQLite cannot refuse (dropping triggers) is in ``test_tampering.py``: detected, not prevented.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.db import DatabaseError, connection, transaction
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Document, Entry, Head, Touch
from ensign.control.audit.registry import action
from ensign.control.audit.staging import stage
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign_ledger import canonical, merkle

ATTACKED = action("test.attacked", "attacked")
STATE = {"email": "a@example.com", "name": "A", "status": "active"}


@dataclass(frozen=True)
class Victim:
    """A person at version 2, and what an attacker can know about the log."""

    id: str
    first: str
    content: str
    seq: int
    size: int

    @property
    def object(self) -> str:
        return f"person:{self.id}"


@pytest.fixture
def victim(db: str) -> Victim:
    with write_door():
        first = stage(Person, id="usr_victim", state=STATE)
        record(action=ATTACKED, actor=system("test"), at=clock.now(), staged=[first])
    with write_door():
        row = stage(Person, id="usr_victim", state={**STATE, "name": "B"}, current=Person.objects.get())
        record(action=ATTACKED, actor=system("test"), at=clock.now(), staged=[row])
    person = Person.objects.get()
    return Victim(person.pk, first.content, person.content, person.ledger_seq, Head.objects.get().size)


def sql(*statements: str | tuple[str, list[str | int | None]]) -> None:
    """Run the attacker's statements in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            text, parameters = (statement, []) if isinstance(statement, str) else statement
            cursor.execute(text, parameters)


def entry(v: Victim, *, seq: int | None = None, touch: list[dict[str, object]] | None = None, **other: object) -> Entry:
    """A forged entry: well-formed in all that the attacker does not set."""
    number = v.size if seq is None else seq
    body = {
        "v": 1, "log": "ensign/test", "seq": number, "ts": clock.text(clock.now()), "action": "test.attacked",
        "actor": {"kind": "system", "id": "sys_evil", "via": "system"}, "touch": touch or [], **other,
    }  # fmt: skip
    encoded = canonical.encode(body)
    return Entry(seq=number, body=encoded.decode(), leaf_hash=merkle.leaf_hash(encoded).hex())


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def append(forged: Entry) -> None:
    with transaction.atomic():
        Entry.objects.bulk_create([forged])


def change(v: Victim, *, version: int, content: str, seq: int | None = None) -> tuple[str, list[str | int | None]]:
    text = "UPDATE identity_person SET version = %s, ledger_seq = %s, content = %s WHERE id = %s"
    return text, [version, v.seq if seq is None else seq, content, v.id]


def touch(v: Victim, *, version: int, before: str | None, after: str) -> dict[str, object]:
    return {"object": v.object, "version": version, "before": before, "after": after}


EVIL = '{"email":"evil@example.com","name":"E","nonce":"00","status":"active"}'


def forge_and_change(
    v: Victim, *, version: int = 3, before: str | None = "", after: str = "", content: str = EVIL
) -> None:
    """Append a forged entry and change the row to match or mismatch it, in one transaction."""
    with transaction.atomic():
        mark = touch(
            v,
            version=version,
            before=digest(v.content) if before == "" else before,
            after=after or digest(EVIL),
        )
        Entry.objects.bulk_create([entry(v, touch=[mark])])
        with connection.cursor() as cursor:
            cursor.execute(*change(v, version=version, content=content, seq=v.size))


ATTACKS: dict[str, Callable[[Victim], None]] = {
    "change a governed row without an entry": lambda v: sql(change(v, version=3, content=EVIL)),
    "change content, keep version and entry": lambda v: sql(change(v, version=2, content=EVIL)),
    "change a row under an old entry": lambda v: sql(change(v, version=3, content=EVIL, seq=v.seq)),
    "revert a row to its first version": lambda v: sql(change(v, version=1, content=v.first, seq=v.seq - 1)),
    "skip a version": lambda v: forge_and_change(v, version=4),
    "wrong digest before": lambda v: forge_and_change(v, before="0" * 64),
    "no digest before": lambda v: forge_and_change(v, before=None),
    "entry that differs from the row": lambda v: forge_and_change(v, content=EVIL.replace("evil", "worse")),
    "entry without its state": lambda v: append(
        entry(v, touch=[touch(v, version=3, before=digest(v.content), after=digest(EVIL))])
    ),
    "entry for an object that no table holds": lambda v: append(
        entry(v, touch=[{"object": "ghost:1", "version": 1, "before": None, "after": digest(EVIL)}])
    ),
    "new row without an entry": lambda v: sql(
        (
            "INSERT INTO identity_person (id, version, ledger_seq, content) VALUES ('usr_new', 1, %s, %s)",
            [v.seq, EVIL],
        )
    ),
    "delete a governed row": lambda v: sql(("DELETE FROM identity_person WHERE id = %s", [v.id])),
    "change the id of a row": lambda v: sql(("UPDATE identity_person SET id = 'usr_other' WHERE id = %s", [v.id])),
    "gap in the numbers": lambda v: append(entry(v, seq=v.size + 1)),
    "number used twice": lambda v: append(entry(v, seq=v.size - 1)),
    "entry of another log": lambda v: append(entry(v, log="ensign/other")),
    "entry dated before the last": lambda v: append(entry(v, ts="2001-01-01T00:00:00.000000Z")),
    "entry without a time": lambda v: append(entry(v, ts=None)),
    "wrong leaf hash": lambda v: append(
        Entry(seq=v.size, body=entry(v).body, leaf_hash=merkle.leaf_hash(b"another").hex())
    ),
    "body that numbers itself otherwise": lambda v: append(
        Entry(seq=v.size, body=entry(v, seq=v.size + 7).body, leaf_hash=entry(v, seq=v.size + 7).leaf_hash)
    ),
    "update an entry": lambda v: sql("UPDATE ledger_entry SET body = replace(body, 'sys_test', 'sys_evil')"),
    "delete the last entry": lambda v: sql(("DELETE FROM ledger_entry WHERE seq = %s", [v.size - 1])),
    "update a touch": lambda v: sql(("UPDATE ledger_touch SET after = %s", [digest(EVIL)])),
    "delete a touch": lambda v: sql("DELETE FROM ledger_touch"),
    "insert a touch without an entry": lambda v: sql(
        (
            "INSERT INTO ledger_touch (object, version, seq, before, after) VALUES (%s, 3, %s, %s, %s)",
            [v.object, v.size - 1, digest(v.content), digest(EVIL)],
        )
    ),
    "pend a state of one's own": lambda v: sql(
        (
            "INSERT INTO ledger_pending (object, version, seq, after, leftover_id) VALUES (%s, 3, %s, %s, 1)",
            [v.object, v.size - 1, digest(EVIL)],
        ),
        change(v, version=3, content=EVIL),
    ),
    "wipe what is pending": lambda v: _entry_then(v, "DELETE FROM ledger_pending"),
    "satisfy what is pending with a row in the empty table": lambda v: _entry_then(
        v, "INSERT INTO ledger_never (id) VALUES (1)"
    ),
    "point what is pending nowhere": lambda v: _entry_then(v, "UPDATE ledger_pending SET leftover_id = NULL"),
    "lower the head": lambda v: sql("UPDATE ledger_head SET size = size - 1"),
    "raise the head": lambda v: sql("UPDATE ledger_head SET size = size + 1"),
    "rename the log": lambda v: sql("UPDATE ledger_head SET origin = 'ensign/other'"),
    "delete the head": lambda v: sql("DELETE FROM ledger_head"),
    "a second head": lambda v: sql("INSERT INTO ledger_head (id, origin, size, last_ts) VALUES (2, 'x', 0, '')"),
    "rewrite a document": lambda v: sql("UPDATE ledger_document SET content = '{}'"),
    "forget a document without an entry": lambda v: sql("UPDATE ledger_document SET content = NULL"),
    "delete documents": lambda v: sql("DELETE FROM ledger_document"),
    "a document under a false digest": lambda v: sql(
        ("INSERT INTO ledger_document (digest, content) VALUES (%s, %s)", ["0" * 64, EVIL])
    ),
    "authorise a redaction without an entry": lambda v: sql(
        ("INSERT INTO ledger_redaction (digest, seq) VALUES (%s, %s)", [digest(v.first), v.size - 1])
    ),
    "checkpoint ahead of the log": lambda v: sql(
        ("INSERT INTO ledger_checkpoint (size, note, frontier) VALUES (%s, '', '')", [v.size + 1])
    ),
}

SQLITE_ONLY: dict[str, Callable[[Victim], None]] = {
    "replace an entry": lambda v: sql(
        ("INSERT OR REPLACE INTO ledger_entry (seq, body, leaf_hash) VALUES (%s, %s, %s)", _replacement(v))
    ),
    "replace a governed row": lambda v: sql(
        (
            "INSERT OR REPLACE INTO identity_person (id, version, ledger_seq, content) VALUES (%s, 1, %s, %s)",
            [v.id, v.seq, EVIL],
        )
    ),
    "replace a document": lambda v: sql(
        ("INSERT OR REPLACE INTO ledger_document (digest, content) VALUES (%s, %s)", [digest(v.first), EVIL])
    ),
    "update or replace a row's id away": lambda v: sql("UPDATE OR REPLACE identity_person SET id = 'usr_x'"),
}

POSTGRESQL_ONLY: dict[str, Callable[[Victim], None]] = {
    **{
        f"truncate {table}": lambda v, table=table: sql(f"TRUNCATE {table} CASCADE")  # type: ignore[misc]
        for table in ("ledger_entry", "ledger_touch", "ledger_head", "ledger_document", "identity_person")
    },
    "disable triggers": lambda v: sql("ALTER TABLE identity_person DISABLE TRIGGER ALL"),
    "replica mode": lambda v: sql("SET session_replication_role = replica", change(v, version=3, content=EVIL)),
    "drop a trigger": lambda v: sql("DROP TRIGGER ensign_write ON identity_person"),
    "replace the trigger's function": lambda v: sql(
        "CREATE OR REPLACE FUNCTION ensign_governed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    ),
    "shadow a table in pg_temp": lambda v: sql(
        "CREATE TEMP TABLE ledger_pending (object text, version bigint, seq bigint, after text)",
        "GRANT ALL ON pg_temp.ledger_pending TO PUBLIC",
        (
            "INSERT INTO pg_temp.ledger_pending VALUES (%s, 3, %s, %s)",
            [v.object, v.seq, digest(EVIL)],
        ),
        change(v, version=3, content=EVIL),
    ),
    "grant oneself more": lambda v: sql("GRANT ALL ON ledger_entry TO CURRENT_USER", "DELETE FROM ledger_entry"),
    "make a function of one's own": lambda v: sql(
        "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'"
    ),
    "become the owner": lambda v: sql("SET ROLE ensign_owner"),
    "write a derived column": lambda v: sql("UPDATE identity_person SET status = 'active'"),
    "overwrite the record of migrations": lambda v: sql("DELETE FROM django_migrations"),
}


def _replacement(v: Victim) -> list[str | int | None]:
    forged = entry(v, seq=v.size - 1)
    return [v.size - 1, forged.body, forged.leaf_hash]


def _entry_then(v: Victim, statement: str) -> None:
    """An entry whose state is never written, then an attempt to make the commit pass."""
    with transaction.atomic():
        mark = touch(v, version=3, before=digest(v.content), after=digest(EVIL))
        Entry.objects.bulk_create([entry(v, touch=[mark])])
        with connection.cursor() as cursor:
            cursor.execute(statement)


def fingerprint() -> tuple[object, ...]:
    """Everything that an attack must not have changed."""
    return (
        list(Entry.objects.order_by("seq").values_list("seq", "body", "leaf_hash")),
        list(Touch.objects.order_by("object", "version").values_list("object", "version", "seq", "before", "after")),
        list(Document.objects.order_by("digest").values_list("digest", "content")),
        list(Head.objects.values_list("id", "origin", "size", "last_ts")),
        list(Person.objects.values_list("id", "version", "ledger_seq", "content", "name")),
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_refused_on_both(victim: Victim, name: str) -> None:
    before = fingerprint()
    with pytest.raises(DatabaseError):
        ATTACKS[name](victim)
    assert fingerprint() == before


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "vendor_attack" in metafunc.fixturenames:
        chosen = POSTGRESQL_ONLY if metafunc.config.getoption("--db") == "postgres" else SQLITE_ONLY
        metafunc.parametrize("vendor_attack", chosen.values(), ids=chosen.keys())


def test_refused_on_this_database(victim: Victim, vendor_attack: Callable[[Victim], None]) -> None:
    before = fingerprint()
    with pytest.raises(DatabaseError):
        vendor_attack(victim)
    assert fingerprint() == before


def test_a_redaction_needs_an_entry_and_keeps_the_digest(victim: Victim) -> None:
    gone = digest(victim.first)
    with write_door():
        record(action=ATTACKED, actor=system("test"), at=clock.now(), redacts=[gone])
        Document.objects.filter(pk=gone).update(content=None)
    assert Document.objects.get(pk=gone).content is None
    assert json.loads(Entry.objects.order_by("-seq")[0].body)["redacts"] == [gone]
