"""Claims: a backup says nothing readable about people who have left the database since; whoever was erased is erased
again by restoring an older backup, also one from before people were sealed; keys that are merely missing are noticed
before anything is written.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import override_settings
from ensign.control.audit import backup, inspect, personal, sealing
from ensign.control.audit.models import Entry
from ensign.control.changes.models import Comment
from ensign.control.identity import sign_in
from ensign.control.identity.models import Account, Person, Token
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Unavailable
from ensign.control.privacy.lines import LINES
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.leaving import EMAIL, NOW, World, readable
from ensign_testkit.people import add_person

ACTOR = system("test")
PASSWORD = "correct horse battery staple"


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Path]:
    """A copy of the keys directory for the test alone."""
    copy = tmp_path / "keys"
    shutil.copytree(settings.KEYS_DIR, copy)
    with override_settings(KEYS_DIR=copy):
        yield copy


@pytest.fixture
def world(keys: Path, db: str) -> World:
    made = World()
    add_person("Eve Elsewhere", "viewer", email="eve@example.com", password=PASSWORD)
    return made


@contextmanager
def empty(databases: object) -> Iterator[None]:
    assert isinstance(databases, SqliteFactory | PostgresFactory)
    with databases.empty():
        yield


def back_up(folder: Path, name: str = "b") -> Path:
    return backup.backup(out=folder / f"{name}.ensign", actor=ACTOR, at=NOW).path


def restore(path: Path, **options: Any) -> None:
    role = "ensign_app" if connection.vendor == "postgresql" else None
    backup.restore(source=path, actor=ACTOR, at=NOW, application_role=role, **options)


def member(path: Path, name: str) -> bytes:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


def plain(path: Path, folder: Path) -> str:
    """All that somebody without any key reads in a backup."""
    dump = member(path, "database")
    if connection.vendor == "postgresql":
        (folder / "dump").write_bytes(dump)
        tool = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_restore"))[-1]
        done = subprocess.run([str(tool), "-f", "-", str(folder / "dump")], capture_output=True, check=True)
        dump = done.stdout
    return (dump + member(path, "people")).decode("utf-8", "replace").lower()


def test_a_backup_names_nobody(world: World, tmp_path: Path) -> None:
    Account.objects.filter(person_id=world.ada.id).update(password="argon2$hash-of-ada")
    text = plain(back_up(tmp_path), tmp_path)
    assert world.ada.id in text  # the log names ids
    for secret in ("ada.admin@example.com", "ada admin", "eve@example.com", "hash-of-ada"):
        assert secret not in text
    # What somebody typed into a text is not sealed; the data map says so.
    assert "zerlina quux switches it on" in text


def test_what_was_backed_up_comes_back_whole(world: World, databases: object, tmp_path: Path) -> None:
    before = readable()
    path = back_up(tmp_path)
    with empty(databases):
        restore(path)
        assert inspect.verify().ok
        assert Person.objects.get(pk=world.zed.id).email == EMAIL
        assert sign_in.authenticate(email="eve@example.com", password=PASSWORD, address="::1", at=NOW)
        assert before.count("zerlina") == readable().count("zerlina")
        add_person("Fay Fresh", "viewer")  # numbers given out by the database go on
        assert not Entry.objects.filter(action="person.erased").exists()


def test_an_older_backup_does_not_bring_anybody_back(world: World, databases: object, tmp_path: Path) -> None:
    path = back_up(tmp_path)
    world.erase()
    with empty(databases):
        restore(path)
        report = inspect.verify()
        assert report.ok, report.findings
        assert "zerlina" not in readable()
        row = Person.objects.get(pk=world.zed.id)
        assert (row.status, row.email) == ("erased", None)
        assert not Account.objects.filter(person_id=world.zed.id).exists()
        assert {token.state["name"] for token in Token.objects.filter(subject=world.zed.id)} == {"(erased)"}
        assert Comment.objects.get().state["text"] == "[erased]"
        entry = Entry.objects.filter(action="person.erased").get()
        assert entry.actor == "sys_restore"
        assert json.loads(entry.body)["detail"]["restored"] is True
        assert sign_in.authenticate(email="eve@example.com", password=PASSWORD, address="::1", at=NOW)


def test_nobody_reads_an_erased_person_in_an_older_backup_with_all_keys_that_are_left(
    world: World, tmp_path: Path
) -> None:
    path = back_up(tmp_path)
    sealed = [line for line in map(json.loads, member(path, "people").splitlines()) if line.get("p") == world.zed.id]
    assert {line["t"] for line in sealed} >= {"identity_person", "identity_account", "ledger_document"}
    world.erase()
    assert personal.existing_key(world.zed.id) is None
    with pytest.raises(Unavailable):
        personal.key_of(world.zed.id)


def test_a_backup_after_the_erasure_needs_no_key_of_theirs(world: World, databases: object, tmp_path: Path) -> None:
    world.erase()
    path = back_up(tmp_path)
    with empty(databases):
        restore(path)
        assert inspect.verify().ok
        assert Entry.objects.filter(action="person.erased").count() == 1


def test_a_key_that_outlived_a_crash_brings_nobody_back(
    world: World, databases: object, tmp_path: Path, keys: Path
) -> None:
    """The list of erased people is written before the key is destroyed; the power went in between."""
    path = back_up(tmp_path)
    key = (keys / "people" / f"{world.zed.id}.key").read_text()
    world.erase()
    (keys / "people" / f"{world.zed.id}.key").write_text(key)
    with empty(databases):
        restore(path)
        assert inspect.verify().ok
        assert "zerlina" not in readable()


def test_keys_that_are_missing_are_noticed_before_anything_is_written(
    world: World, databases: object, tmp_path: Path, keys: Path
) -> None:
    path = back_up(tmp_path)
    (keys / "people" / f"{world.dan.id}.key").unlink()
    with empty(databases):
        with pytest.raises(Unavailable, match=f"keys of 1 people are missing.*{world.dan.id}"):
            restore(path)
        assert connection.introspection.table_names() == []
        restore(path, without_keys=True)
        assert inspect.verify().ok
        assert Person.objects.get(pk=world.dan.id).status == "erased"
        assert Person.objects.get(pk=world.zed.id).email == EMAIL


def test_a_backup_from_before_people_were_sealed_is_erased_in_clear(
    world: World, databases: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        old.setattr(backup, "FORMAT", 1)
        old.setattr(sealing, "tables", tuple)
        old.setattr(sealing, "DOCUMENTS", "nothing")
        old.setattr(sealing, "take_out", lambda *_, **__: frozenset())
        old.setattr(sealing, "cut_sqlite", lambda *_, **__: None)
        path = back_up(tmp_path)
    assert EMAIL in plain(path, tmp_path)
    world.erase()
    with empty(databases):
        restore(path)
        report = inspect.verify()
        assert report.ok, report.findings
        assert "zerlina" not in readable()


def test_rows_swapped_between_people_are_refused(world: World, databases: object, tmp_path: Path) -> None:
    """Whoever can write a backup file gives nobody somebody else's account."""
    path = back_up(tmp_path)
    lines = [json.loads(line) for line in member(path, "people").splitlines()]
    one, other = [line for line in lines if line["t"] == "identity_account" and "s" in line][:2]
    one["s"], other["s"] = other["s"], one["s"]
    people = "".join(json.dumps(line) + "\n" for line in lines).encode()
    manifest = json.loads(member(path, "manifest.json"))
    manifest["people_sha256"] = hashlib.sha256(people).hexdigest()
    bodies = {"manifest.json": json.dumps(manifest).encode(), "database": member(path, "database"), "people": people}
    forged = tmp_path / "forged.ensign"
    with tarfile.open(forged, "w:") as archive:
        for name, body in bodies.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    with empty(databases), pytest.raises(Unavailable):
        restore(forged)


def test_what_refers_to_people_s_tables_is_sealed_or_left_out_too() -> None:
    """Else a restore would find rows whose people are not there yet."""
    by_table = {line.table: line for line in LINES}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.is_relation and field.related_model is not None:
                target = by_table[field.related_model._meta.db_table]
                if target.backup != "clear":
                    assert by_table[model._meta.db_table].backup != "clear", (model, field)


def test_what_is_sealed_can_be_put_back_without_reading_it() -> None:
    """A governed row whose key is gone gets a tombstone, for which nothing of the old state is needed."""
    from ensign.control.privacy.effects import models_by_table

    governed = models_by_table()
    for line in LINES:
        if line.backup == "sealed":
            assert line.subject, line.table
            assert line.table not in governed or line.on_erasure == "tombstone", line.table
