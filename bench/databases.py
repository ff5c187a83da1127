"""The two databases that measurements run on, each fresh, durable and migrated; one of them in a process.

SQLite: WAL, synchronous=FULL. PostgreSQL: started here with fsync on, migrated as its owner, used as the application.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "packages" / "server" / "testkit"))


def _setup(folder: str, url: str | None) -> None:
    os.environ["ENSIGN_DATA_DIR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "ensign.settings"
    os.environ.pop("DATABASE_URL", None)
    if url is not None:
        os.environ["DATABASE_URL"] = url
    import django  # deferred: settings read what was set above

    django.setup()


@contextmanager
def _sqlite() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        _setup(folder, None)
        from ensign_testkit.databases import SqliteFactory  # deferred: after the set-up of Django

        factory = SqliteFactory()
        with factory.clone():
            yield
        factory.close()


@contextmanager
def _postgresql() -> Iterator[None]:
    from ensign_testkit.postgres import Cluster  # deferred: psycopg only where it is needed

    cluster = Cluster(durable=True)
    try:
        with tempfile.TemporaryDirectory() as folder, cluster.admin() as connection:
            place = f"host={connection.info.host} port={connection.info.port} user=postgres dbname=postgres"
            _setup(folder, "postgres://ensign_app@127.0.0.1/unused")
            from ensign_testkit.databases import PostgresFactory  # deferred: after the set-up of Django

            factory = PostgresFactory(place)
            with factory.clone():
                yield
            factory.close()
    finally:
        cluster.close()


#: Key -> (name for people, the database as a context).
DATABASES = {"sqlite": ("SQLite", _sqlite), "postgres": ("PostgreSQL", _postgresql)}
