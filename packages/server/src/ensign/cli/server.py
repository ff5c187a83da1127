"""`ensign serve`, `ensign migrate` and `ensign worker`."""

from __future__ import annotations

import signal
import socket
import threading
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from ensign import asgi
from ensign.cli.frame import err, out
from ensign.cli.local import as_owner, database_errors, only_one
from ensign.cli.running import address, run
from ensign.control.audit import boot, checkpoints, schema
from ensign.control.identity import operations, queries
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Unavailable
from ensign.worker import Crew


def migrate(*, at: datetime) -> list[str]:
    """Bring the database to this version's schema; returns the names of the applied migrations.

    :raises Unavailable: when the database cannot be used or is of a newer version.
    """
    with database_errors(), as_owner() as role:
        return boot.migrate(at=at, application_role=role)


def prepare(*, at: datetime) -> None:
    """Make the database ready to be served: migrated, with every trigger in place and the log's key at hand.

    A database that needs no migration is not touched, so that a missing trigger is found and not silently restored.

    :raises Unavailable: saying what is missing.
    """
    with database_errors():
        pending = boot.pending_migrations()
        if pending and connection.vendor == "postgresql" and not settings.DATABASE_OWNER_URL and not _owns_schema():
            raise Unavailable(
                f"The database lacks {len(pending)} migrations, and this role may not apply them.",
                remedy="Run `ensign migrate` with DATABASE_OWNER_URL set to the owner of the tables.",
            )
        if pending:
            out.print(f"Applied {len(migrate(at=at))} migrations.")
        schema.check()
        checkpoints.signer(checkpoints.head().origin)


def _owns_schema() -> bool:
    """Whether the serving role may create tables here."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_schema_privilege(current_user, 'public', 'CREATE')")
        return bool(cursor.fetchone()[0])


def collect_static() -> None:
    """Put the static files under their hashed names, unless this version has done so already."""
    stamp = Path(settings.STATIC_ROOT) / ".version"
    wanted = _fingerprint()
    try:
        if stamp.is_file() and stamp.read_text("ascii") == wanted:
            return
        call_command("collectstatic", interactive=False, clear=stamp.parent.exists(), verbosity=0)
        stamp.write_text(wanted, "ascii")
    except OSError as error:
        raise Unavailable(
            f"The static files cannot be written to {stamp.parent}: {error.strerror}.",
            remedy="Make the data directory (ENSIGN_DATA_DIR) writable for the user that runs Ensign.",
        ) from error


def _fingerprint() -> str:
    """Changes whenever a static file of the installed package does."""
    root = Path(asgi.__file__).parent
    files = sorted(path for path in root.rglob("static/**/*") if path.is_file())
    newest = max(path.stat().st_mtime_ns for path in files)
    return f"{len(files)} {newest} {root}"


def serve(*, listener: socket.socket, worker: bool) -> None:
    """Serve on ``listener`` until a signal; prints the address and, while nobody exists, the one-time set-up link.

    :raises Unavailable: when the disk, the database or another server stands in the way.
    """
    with only_one():
        at = clock.now()
        prepare(at=at)
        collect_static()
        if connection.vendor == "postgresql" and _owns_schema():
            err.print(
                "warning: Ensign serves as a role that may alter its own tables. Use two roles"
                " (docs/howto/production.md), so that the database itself refuses to change the log."
            )
        link = setup_link(at=at)
        connection.close()
        app = asgi.build(worker=worker)
        run(
            app,
            listener,
            ready=lambda: _announce(listener, link),
            stopping=app.end_streams,
            behind_proxy=settings.BEHIND_PROXY,
        )


def setup_link(*, at: datetime) -> str | None:
    """The address of a fresh one-time set-up link, or None when somebody has been set up."""
    if queries.anybody():
        return None
    return f"{settings.PUBLIC_URL}/setup/{operations.create_setup_link(at=at)}"


def _announce(listener: socket.socket, link: str | None) -> None:
    out.print(f"Ensign serves on {address(listener)}")
    if link is not None:
        out.print(f"Nobody is here yet. Set up the first person (once, within 24 hours):\n  {link}")


def work() -> None:
    """Run the worker alone, until a signal."""
    with only_one():
        with database_errors():
            schema.check()
            checkpoints.signer(checkpoints.head().origin)
        worker = Crew()
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        worker.start()
        out.print("The worker runs.")
        stopped.wait()
        worker.stop()
