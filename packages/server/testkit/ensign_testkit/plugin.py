"""The pytest plugin of the workspace: ``--db sqlite|postgres``, a database per test, Django set up once."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensign_testkit import memory
from ensign_testkit.postgres import Cluster

_cluster: Cluster | None = None
_made_data_dir: str | None = None
_in_memory: Path | None = None
_ADMIN = "ENSIGN_TEST_PG_ADMIN"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db", choices=["sqlite", "postgres"], default="sqlite", help="database of the control plane's tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    global _cluster, _made_data_dir, _in_memory
    worker = hasattr(config, "workerinput")
    if not worker:
        _in_memory = memory.folder()
        if _in_memory is not None:  # for this process, and those that it starts
            os.environ["TMPDIR"] = tempfile.tempdir = str(_in_memory)
        _made_data_dir = tempfile.mkdtemp(prefix="ensign-test-data-")
        os.environ["ENSIGN_DATA_DIR"] = _made_data_dir
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("DATABASE_OWNER_URL", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "ensign.settings"
    if config.getoption("--db") == "postgres":
        if not worker:
            _cluster = Cluster()
            with _cluster.admin() as connection:
                os.environ[_ADMIN] = (
                    f"host={connection.info.host} port={connection.info.port} user=postgres dbname=postgres"
                )
        os.environ["DATABASE_URL"] = "postgres://ensign_app@127.0.0.1/unused"
    import django  # deferred: settings read the environment that was set above

    django.setup()
    from django.conf import settings
    from django.test.utils import setup_test_environment

    setup_test_environment()
    settings.PASSWORD_HASHERS = ["ensign_testkit.hashing.QuickArgon2"]


#: What pages, endpoints, forms and the protocols of identity providers say is decided by the operations below them,
#: which are tried on both databases.
_INTERFACE = re.compile(r"test_(\w+_)?(pages?|api|forms|words|views)(_\w+)?")
_PROTOCOLS = ("/control/identity/sso/", "/control/federation/", "/control/scim/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what tests interfaces. On PostgreSQL only what touches the database: everything else would say the same
    again, as does what is marked ``once``.
    """
    for item in items:
        if _INTERFACE.fullmatch(item.path.stem) or any(part in item.path.as_posix() for part in _PROTOCOLS):
            item.add_marker("interface")
    if config.getoption("--db") != "postgres":
        return
    touching = [
        item
        for item in items
        if "databases" in getattr(item, "fixturenames", ()) and item.get_closest_marker("once") is None
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(touching)])
    items[:] = touching


def pytest_unconfigure(config: pytest.Config) -> None:
    global _cluster
    if _cluster is not None:
        _cluster.close()
        _cluster = None
    if _made_data_dir is not None:
        shutil.rmtree(_made_data_dir, ignore_errors=True)
    if _in_memory is not None:
        shutil.rmtree(_in_memory, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[object]:
    """The factory of clones: ``with databases.clone(): …`` (hypothesis examples need one each)."""
    from ensign_testkit.databases import PostgresFactory, SqliteFactory  # needs Django's settings

    factory: SqliteFactory | PostgresFactory
    factory = PostgresFactory(os.environ[_ADMIN]) if request.config.getoption("--db") == "postgres" else SqliteFactory()
    yield factory
    factory.close()


@pytest.fixture
def db(databases: object) -> Iterator[str]:
    """A fresh, migrated database with an empty ledger (two entries: log created, schema migrated).

    Whatever the test did, no entry of it may name anybody.
    """
    from ensign_testkit.databases import PostgresFactory, SqliteFactory
    from ensign_testkit.nameless import personal_in_entries

    assert isinstance(databases, SqliteFactory | PostgresFactory)
    with databases.clone() as name:
        yield name
        assert personal_in_entries() == [], "an entry of the log names somebody"
