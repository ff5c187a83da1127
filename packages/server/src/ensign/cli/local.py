"""Commands on this machine's own installation: the settings, the database, and the lock that keeps servers apart."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.db.utils import OperationalError

from ensign import environment
from ensign.control.kernel.errors import Unavailable

LOCK = "ensign.lock"


def set_up() -> None:
    """Read the settings and load the apps.

    :raises Unavailable: when a setting is wrong, or the data directory cannot be used.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ensign.settings")
    try:
        django.setup()
    except (ValueError, ImproperlyConfigured) as error:
        raise Unavailable(f"A setting is wrong: {error}", remedy="See docs/reference/settings.md.") from error


@contextmanager
def database_errors() -> Iterator[None]:
    """Tell the usual failures of a database apart, each with its remedy.

    :raises Unavailable: for a failure of the database within the block.
    """
    try:
        yield
    except DatabaseError as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unavailable(f"The database {_name()} cannot be used: {text}", remedy=_remedy(error)) from error


def _name() -> str:
    database = settings.DATABASES["default"]
    if str(database["ENGINE"]).endswith("postgresql"):
        return f"{database['NAME']} at {database['HOST'] or 'the local socket'}"
    return str(database["NAME"])


def _remedy(error: DatabaseError) -> str:
    text = str(error).lower()
    if settings.DATABASE_URL and "permission denied" in text:
        return "Run `ensign migrate` with DATABASE_OWNER_URL set to the owner of the tables; it grants what is needed."
    if "readonly" in text or "read-only" in text or "unable to open" in text or "permission" in text:
        return "Make the data directory (ENSIGN_DATA_DIR) writable for the user that runs Ensign."
    if "full" in text or "disk" in text:
        return "Free some space on the disk that holds the data directory."
    if "not a database" in text or "malformed" in text:
        return "The file is damaged or not Ensign's: restore a backup with `ensign restore`."
    if "locked" in text:
        return "Another process holds the database; stop it, or wait."
    if isinstance(error, OperationalError):
        return "Check DATABASE_URL, and that PostgreSQL runs and lets this role in."
    return "Run `ensign migrate`, then `ensign ledger verify`."


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the installation's lock for the block. It matters on SQLite alone, which one server may write.

    :raises Unavailable: when another process holds it, naming its process id.
    """
    if settings.DATABASE_URL:
        yield
        return
    path = Path(settings.DATA_DIR) / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="ascii")
    except OSError as error:
        raise Unavailable(
            f"The data directory {path.parent} cannot be written: {error.strerror}.",
            remedy="Make it writable for the user that runs Ensign, or set ENSIGN_DATA_DIR to another place.",
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise Unavailable(
                f"Another Ensign (process {holder}) is working on {settings.DATA_DIR}.",
                remedy="Stop it first. To run several servers, use PostgreSQL (docs/howto/production.md).",
                code="already-running",
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


@contextmanager
def as_owner() -> Iterator[str | None]:
    """Connect as the owner of the tables within the block; yields the serving role's name on PostgreSQL.

    Without DATABASE_OWNER_URL the serving role owns the tables, and nothing changes.
    """
    connection = connections["default"]
    if connection.vendor != "postgresql":
        yield None
        return
    role = str(connection.settings_dict["USER"])
    if not settings.DATABASE_OWNER_URL:
        yield None
        return
    kept = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(environment.database(settings.DATABASE_OWNER_URL))
    try:
        yield role
    finally:
        connection.close()
        connection.settings_dict.update(kept)
