"""Bringing a database to this version's schema, under the ledger's eyes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from ensign.control.audit import schema
from ensign.control.audit.checkpoints import signer
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Head
from ensign.control.audit.registry import action
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.transactions import write_door

LOG_CREATED = action("log.created", "created the log")
SCHEMA_MIGRATED = action("schema.migrated", "migrated the database schema")

_MIGRATING = 0x656E7369676E02  # "ensign" and a 2: the advisory lock of whoever migrates


def pending_migrations() -> list[str]:
    """Names of migrations that this version has and the database has not.

    :raises Unavailable: when the database holds migrations that this version does not know (a newer schema).
    """
    executor = MigrationExecutor(connection)
    known = set(executor.loader.disk_migrations)
    ours = {label for label, _ in known}
    unknown = sorted(f"{a}.{n}" for a, n in executor.loader.applied_migrations if a in ours and (a, n) not in known)
    if unknown:
        raise Unavailable(
            f"This database was migrated by a newer version of Ensign ({', '.join(unknown[:3])}).",
            remedy="Start that version or newer, or restore a backup made with this one.",
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


@contextmanager
def _exclusively() -> Iterator[None]:
    """On PostgreSQL one transaction for the whole run: servers wait, none ever writes to a table without its triggers,
    a failure leaves everything as it was, and of two runs at once the second finds nothing to do.

    SQLite's schema changes need foreign keys off, which no transaction can do; there the installation's lock keeps
    servers away.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATING])
        yield


def migrate(*, at: datetime, origin: str | None = None, application_role: str | None = None) -> list[str]:
    """Apply pending migrations, reinstall the triggers and log it; returns the names of what was applied.

    ``origin`` names a new log (default ``ensign/<16 hex digits>``); an existing log keeps its own.
    """
    with _exclusively():
        names = pending_migrations()
        if names:
            schema.drop()
            call_command("migrate", interactive=False, verbosity=0)
        schema.install(application_role=application_role)
        actor = system("migrator")
        with write_door():
            if not Head.objects.exists():
                name = origin or f"ensign/{secrets.token_hex(8)}"
                Head.objects.create(id=1, origin=name, size=0, last_ts=clock.text(datetime.fromtimestamp(0, at.tzinfo)))
                record(action=LOG_CREATED, actor=actor, at=at, detail={"format": 1, "key": signer(name).key.vkey})
            if names:
                record(action=SCHEMA_MIGRATED, actor=actor, at=at, detail={"migrations": names})
    return names
