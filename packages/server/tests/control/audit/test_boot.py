"""Claims: a migration that fails leaves nothing unguarded on PostgreSQL, and is made good by the next run on SQLite."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from ensign.control.audit import boot, schema
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign_testkit.databases import PostgresFactory, SqliteFactory
from ensign_testkit.postgres import APPLICATION


def test_a_failed_migration(
    db: str, databases: SqliteFactory | PostgresFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Entry.objects.count()

    def fails(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("the disk is full")

    with databases.as_owner() if isinstance(databases, PostgresFactory) else nullcontext():
        with monkeypatch.context() as patched:
            patched.setattr(boot, "pending_migrations", lambda: ["flags.0099_later"])
            patched.setattr(boot, "call_command", fails)
            with pytest.raises(RuntimeError, match="disk"):
                boot.migrate(at=clock.now(), application_role=APPLICATION)
        if databases.vendor == "postgresql":
            schema.check()
        else:
            assert any("missing" in problem for problem in schema.problems()), "a start would be refused"
        assert boot.migrate(at=clock.now(), application_role=APPLICATION) == []
        schema.check()
    assert Entry.objects.count() == size
