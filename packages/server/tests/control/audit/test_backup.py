"""Claims: a backup restores into an empty database only, is verified against its signed checkpoint, and a damaged or
forged one is refused with nothing changed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.test import override_settings
from ensign.control.audit import backup, inspect
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry, Head
from ensign.control.audit.registry import action
from ensign.control.audit.staging import stage
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Invalid, Unavailable
from ensign.control.kernel.keys import load_or_create
from ensign.control.kernel.transactions import write_door
from ensign_testkit.databases import PostgresFactory, SqliteFactory

PUT = action("test.put", "put")
ACTOR = system("test")


@pytest.fixture
def made(db: str, tmp_path: Path) -> backup.Backup:
    with write_door():
        row = stage(Person, id="usr_a", state={"email": "a@example.com", "name": "A", "status": "active"})
        record(action=PUT, actor=ACTOR, at=clock.now(), staged=[row])
    return backup.backup(out=tmp_path / "backup.ensign", actor=ACTOR, at=clock.now())


@contextmanager
def empty(databases: object) -> Iterator[None]:
    """An empty database; on PostgreSQL as its owner."""
    assert isinstance(databases, SqliteFactory | PostgresFactory)
    with databases.empty():
        yield


def role() -> str | None:
    return "ensign_app" if connection.vendor == "postgresql" else None


def test_what_was_backed_up_is_restored_verified_and_logged(made: backup.Backup, databases: object) -> None:
    with empty(databases):
        restored = backup.restore(source=made.path, actor=ACTOR, at=clock.now(), application_role=role())
        assert (restored.size, restored.root) == (made.size, made.root)
        assert Person.objects.get().email == "a@example.com"
        assert Entry.objects.order_by("-seq")[0].action == "backup.restored"
        assert inspect.verify().ok


def test_a_database_that_holds_anything_is_left_alone(made: backup.Backup) -> None:
    size = Head.objects.get().size
    with pytest.raises(Unavailable):
        backup.restore(source=made.path, actor=ACTOR, at=clock.now())
    assert Head.objects.get().size == size


def test_a_backup_is_not_restored_without_the_key_of_its_log(
    made: backup.Backup, databases: object, tmp_path: Path
) -> None:
    with empty(databases), override_settings(KEYS_DIR=tmp_path / "keys"):
        with pytest.raises(Unavailable, match="missing"):
            backup.restore(source=made.path, actor=ACTOR, at=clock.now(), application_role=role())
        assert not (tmp_path / "keys").exists()
        load_or_create(tmp_path / "keys", "ledger.key")
        with pytest.raises(Unavailable, match="did not sign"):
            backup.restore(source=made.path, actor=ACTOR, at=clock.now(), application_role=role())
        assert connection.introspection.table_names() == []


def test_a_backup_is_never_overwritten(made: backup.Backup) -> None:
    with pytest.raises(Invalid):
        backup.backup(out=made.path, actor=ACTOR, at=clock.now())


@pytest.mark.parametrize("place", ["manifest", "dump", "tail", "all"])
def test_a_damaged_backup_is_refused(made: backup.Backup, databases: object, place: str, tmp_path: Path) -> None:
    data = bytearray(made.path.read_bytes())
    with tarfile.open(made.path) as archive:
        offsets = {"manifest": archive.getmember("manifest.json").offset_data + 30}
        offsets["dump"] = archive.getmember("database").offset_data + archive.getmember("database").size // 2
    if place == "tail":
        data = data[: offsets["dump"]]
    elif place == "all":
        data = bytearray(b"not a backup at all")
    else:
        data[offsets[place]] ^= 0x01
    bad = tmp_path / "bad.ensign"
    bad.write_bytes(data)
    with empty(databases):
        with pytest.raises((Invalid, Unavailable)):
            backup.restore(source=bad, actor=ACTOR, at=clock.now(), application_role=role())
        assert connection.introspection.table_names() == [] or place == "manifest"


def test_a_backup_of_the_other_database_is_refused(made: backup.Backup, databases: object, tmp_path: Path) -> None:
    other = tmp_path / "other.ensign"
    swap = (b'"sqlite"', b'"postgresql"') if connection.vendor == "sqlite" else (b'"postgresql"', b'"sqlite"')
    with tarfile.open(made.path) as source, tarfile.open(other, "w:") as target:
        for member in source.getmembers():
            file = source.extractfile(member)
            assert file is not None
            body = file.read().replace(*swap) if member.name == "manifest.json" else file.read()
            member.size = len(body)
            target.addfile(member, io.BytesIO(body))
    with empty(databases), pytest.raises(Invalid, match="backup of"):
        backup.restore(source=other, actor=ACTOR, at=clock.now())
