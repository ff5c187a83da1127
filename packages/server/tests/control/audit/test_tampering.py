"""Claims: whoever owns the database can silence its triggers, but `ensign ledger verify` then names what is false;
whoever also holds the key can rewrite the whole log, but not so that it agrees with an anchor outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from ensign.control.audit import anchors, checkpoints, inspect, schedule, schema
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Checkpoint, Document, Entry, Head
from ensign.control.audit.registry import action
from ensign.control.audit.staging import stage
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign_ledger import canonical, merkle
from ensign_testkit.databases import PostgresFactory, SqliteFactory

NAMED = action("test.named", "named")


@pytest.fixture
def log(db: str) -> None:
    """Two people, one of them changed, and a signed checkpoint over everything."""
    for id, name in (("usr_a", "A"), ("usr_b", "B")):
        with write_door():
            row = stage(Person, id=id, state={"email": f"{id}@example.com", "name": name, "status": "active"})
            record(action=NAMED, actor=system("test"), at=clock.now(), staged=[row], reason="because")
    with write_door():
        person = Person.objects.get(pk="usr_a")
        row = stage(Person, id="usr_a", state={**person.state, "status": "disabled"}, current=person)
        record(action=NAMED, actor=system("test"), at=clock.now(), staged=[row])
    checkpoints.sign()


@contextmanager
def unguarded(databases: object) -> Iterator[Callable[[str], None]]:
    """Run statements with all triggers gone, as the owner of the database can, and put the triggers back."""
    assert isinstance(databases, SqliteFactory | PostgresFactory)
    if isinstance(databases, PostgresFactory):
        with databases.as_owner():
            schema.drop()
            with connection.cursor() as cursor:
                yield lambda text: cursor.execute(text) and None
            schema.install(application_role="ensign_app")
        return
    schema.drop()
    with connection.cursor() as cursor:
        yield lambda text: cursor.execute(text) and None
    schema.install()


TAMPERINGS: dict[str, tuple[str, str]] = {
    # name: (statement, check that must report it)
    "a row changed": ("UPDATE identity_person SET content = replace(content, 'disabled', 'active')", "row"),
    "a row taken back to its first version": (
        "UPDATE identity_person SET version = 1, ledger_seq = (SELECT seq FROM ledger_touch WHERE object ="
        " 'person:usr_a' AND version = 1), content = (SELECT d.content FROM ledger_document d JOIN ledger_touch t ON"
        " t.after = d.digest WHERE t.object = 'person:usr_a' AND t.version = 1) WHERE id = 'usr_a'",
        "row",
    ),
    "a row deleted": ("DELETE FROM identity_person WHERE id = 'usr_b'", "row"),
    "a row added": (
        "INSERT INTO identity_person (id, version, ledger_seq, content) VALUES ('usr_c', 1, 2,"
        ' \'{"email":"c@example.com","name":"C","nonce":"00","status":"active"}\')',
        "row",
    ),
    "an entry changed": ("UPDATE ledger_entry SET body = replace(body, 'sys_test', 'sys_evil') WHERE seq = 2", "root"),
    "an entry deleted in the middle": ("DELETE FROM ledger_entry WHERE seq = 3", "sequence"),
    "the last entries deleted": ("DELETE FROM ledger_entry WHERE seq >= 4", "truncated"),
    "a leaf hash changed": ("UPDATE ledger_entry SET leaf_hash = repeat_zero WHERE seq = 2", "leaf"),
    "a touch changed": ("UPDATE ledger_touch SET seq = 1 WHERE object = 'person:usr_b'", "touches"),
    "a touch deleted": ("DELETE FROM ledger_touch WHERE object = 'person:usr_b'", "touches"),
    "a document rewritten": ("UPDATE ledger_document SET content = '{}'", "document"),
    "a document emptied": ("UPDATE ledger_document SET content = NULL", "document"),
    "documents deleted": ("DELETE FROM ledger_document", "document"),
    "a redaction slipped in": ("INSERT INTO ledger_redaction (digest, seq) VALUES ('00', 3)", "redactions"),
    "the head lowered": ("UPDATE ledger_head SET size = 2", "head"),
    "a checkpoint of another log": (
        "UPDATE ledger_checkpoint SET note = replace(note, 'ensign/test', 'x')",
        "checkpoint",
    ),
}  # fmt: skip


def test_an_honest_log_has_no_finding(log: None) -> None:
    report = inspect.verify()
    assert report.ok, report.findings
    assert (report.size, report.objects) == (5, 2)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_is_named(log: None, databases: object, name: str) -> None:
    statement, check = TAMPERINGS[name]
    with unguarded(databases) as run:
        run(statement.replace("repeat_zero", "'" + "0" * 64 + "'"))
    assert check in {found.check for found in inspect.verify().findings}


def test_a_dropped_trigger_is_named(log: None, databases: object) -> None:
    if isinstance(databases, PostgresFactory):
        with databases.as_owner(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE identity_person DISABLE TRIGGER ensign_write")
    else:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER ensign_identity_person_update")
    assert {found.check for found in inspect.verify().findings} == {"triggers"}


def rewrite_whole_log(run: Callable[[str], None]) -> None:
    """What the holder of database *and* key can do: replace an entry, every hash after it, and sign anew."""
    bodies = [json.loads(e.body) for e in Entry.objects.order_by("seq")]
    bodies[-1]["actor"]["id"] = "sys_nobody"
    run("DELETE FROM ledger_entry")
    run("DELETE FROM ledger_checkpoint")
    for body in bodies:
        encoded = canonical.encode(body)
        Entry.objects.bulk_create(
            [Entry(seq=body["seq"], body=encoded.decode(), leaf_hash=merkle.leaf_hash(encoded).hex())]
        )


def test_only_an_outside_anchor_reveals_a_log_rewritten_with_its_key(
    log: None, databases: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "anchors.txt"
    monkeypatch.setenv("ENSIGN_ANCHOR_FILE", str(outside))
    outcomes = anchors.anchor(actor=system("anchor"), at=clock.now())
    assert [(o.kind, o.error) for o in outcomes] == [("file", None)]
    assert inspect.verify(anchor_files=[outside]).ok
    with unguarded(databases) as run:
        last = Head.objects.get().size - 1
        rewrite_whole_log(run)
        assert Entry.objects.count() == last + 1
    # The forger signs the forged tree with the true key: everything inside the database agrees again …
    checkpoints.sign()
    inside = {found.check for found in inspect.verify().findings}
    assert inside == set()
    # … but the entry that the anchor covers cannot be changed unnoticed. Forge an earlier one:
    with unguarded(databases) as run:
        run("DELETE FROM ledger_checkpoint")
        bodies = [json.loads(e.body) for e in Entry.objects.order_by("seq")]
        bodies[1]["detail"] = {"migrations": []}
        run("DELETE FROM ledger_entry")
        for body in bodies:
            encoded = canonical.encode(body)
            Entry.objects.bulk_create(
                [Entry(seq=body["seq"], body=encoded.decode(), leaf_hash=merkle.leaf_hash(encoded).hex())]
            )
    checkpoints.sign()
    assert inspect.verify().ok
    assert {found.check for found in inspect.verify(anchor_files=[outside]).findings} == {"root"}


def test_the_unanchored_window_is_hourly_even_when_idle(
    log: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSIGN_ANCHOR_FILE", str(tmp_path / "anchors.txt"))
    start = clock.now()
    assert schedule.tick(at=start) == ["anchor", "drift", "checkpoint"]
    assert schedule.tick(at=start) == []
    assert schedule.tick(at=start + anchors.INTERVAL) == ["anchor", "checkpoint"]
    assert len(anchors.read_file(tmp_path / "anchors.txt")) == 2


def test_an_anchor_that_fails_is_an_entry_too(log: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_ANCHOR_FILE", "/nonexistent/anchors.txt")
    monkeypatch.setenv("ENSIGN_ANCHOR_WEBHOOK", "http://127.0.0.1:9/hook")
    outcomes = anchors.anchor(actor=system("anchor"), at=clock.now())
    assert all(outcome.error for outcome in outcomes)
    assert Entry.objects.filter(action="ledger.anchor_failed").count() == 2


def test_checkpoints_continue_from_the_last_one_and_are_signed_once_per_size(log: None) -> None:
    first, note = checkpoints.sign()
    assert checkpoints.sign() == (first, note)
    assert Checkpoint.objects.count() == 1
    with write_door():
        record(action=NAMED, actor=system("test"), at=clock.now())
    second, _ = checkpoints.sign()
    leaves = list(checkpoints.leaf_hashes(0, second.size))
    assert second.root == merkle.root(leaves)
    proof = merkle.consistency_proof(leaves, first.size, second.size)
    assert merkle.verify_consistency(
        first=first.size, second=second.size, first_root=first.root, second_root=second.root, proof=proof
    )


def test_documents_hold_what_entries_only_commit_to(log: None) -> None:
    assert not any("example.com" in e.body or "because" in e.body for e in Entry.objects.all())
    assert Document.objects.filter(content__contains="because").count() == 2
