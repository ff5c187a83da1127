"""A database of its own for every test: a clone of a migrated template, really committed to.

SQLite's copy takes under a millisecond, PostgreSQL's CREATE DATABASE … TEMPLATE 40 in memory and up to a thousand on a
busy disk: see :mod:`ensign_testkit.memory`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connections
from ensign.control.audit import boot
from ensign.control.kernel import clock
from psycopg import sql

from ensign_testkit.postgres import APPLICATION, OWNER

_serial = itertools.count()


def _use(**settings: object) -> None:
    """Point the default connection (of every thread to come) somewhere else."""
    connections["default"].close()
    connections.settings["default"].update(settings)
    connections["default"].settings_dict.update(settings)


class SqliteFactory:
    """Clones of a migrated SQLite file."""

    vendor = "sqlite"

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="ensign-sqlite-"))
        self._template = self._root / "template.sqlite3"
        _use(NAME=str(self._template))
        boot.migrate(at=clock.now(), origin="ensign/test")
        _use()
        with sqlite3.connect(self._template) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Use a fresh clone for the block; yields its path."""
        path = self._root / f"{next(_serial)}.sqlite3"
        shutil.copyfile(self._template, path)
        _use(NAME=str(path))
        try:
            yield str(path)
        finally:
            connections.close_all()
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Use a database without any table for the block."""
        path = self._root / f"{next(_serial)}-empty.sqlite3"
        before = connections["default"].settings_dict["NAME"]
        _use(NAME=str(path))
        try:
            yield str(path)
        finally:
            _use(NAME=before)

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._root, ignore_errors=True)


class PostgresFactory:
    """Clones of a migrated PostgreSQL database; migrated as its owner, used as the application role."""

    vendor = "postgresql"

    def __init__(self, admin_dsn: str) -> None:
        self._dsn = admin_dsn
        self._template = f"ensign_template_{os.getpid()}"
        parameters = psycopg.conninfo.conninfo_to_dict(admin_dsn)
        self._place = {"HOST": str(parameters["host"]), "PORT": str(parameters["port"]), "PASSWORD": ""}
        self._admin(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(self._template), sql.Identifier(OWNER))
        )
        with psycopg.connect(self._dsn, dbname=self._template, autocommit=True) as connection:
            connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
        _use(**self._place, NAME=self._template, USER=OWNER)
        boot.migrate(at=clock.now(), origin="ensign/test", application_role=APPLICATION)
        _use()

    def _admin(self, *statements: sql.Composed) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def clone(self) -> Iterator[str]:
        """Use a fresh clone for the block; yields its name."""
        name = f"ensign_{os.getpid()}_{next(_serial)}"
        parts = sql.Identifier(name), sql.Identifier(self._template), sql.Identifier(OWNER)
        self._admin(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*parts))
        _use(**self._place, NAME=name, USER=APPLICATION)
        try:
            yield name
        finally:
            connections.close_all()
            self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Use a database without any table for the block, as its owner."""
        name = f"ensign_{os.getpid()}_{next(_serial)}"
        before = dict(connections["default"].settings_dict)
        self._admin(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER)))
        with psycopg.connect(self._dsn, dbname=name, autocommit=True) as connection:
            connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
        _use(**self._place, NAME=name, USER=OWNER)
        try:
            yield name
        finally:
            _use(NAME=before["NAME"], USER=before["USER"])
            self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        """Connect as the owner of the tables within the block."""
        _use(USER=OWNER)
        try:
            yield
        finally:
            _use(USER=APPLICATION)

    def close(self) -> None:
        """Drop the template."""
        connections.close_all()
        self._admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._template)))
