"""Claims about the whole way on a real database: from a change that commits to an SDK, and its counts back again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, connections
from ensign.control.flags.domain import FlagConfig
from ensign.control.kernel import clock
from ensign.control.projects.tokens import NewToken, create_token, revoke_token
from ensign.control.publishing import hints, usage
from ensign.delivery.app import DeliveryApp
from ensign.delivery.source import Source, SqliteSource
from ensign.delivery.source_postgres import PostgresSource
from ensign.delivery.usage import UsageBatch
from ensign_sdk import Client
from ensign_testkit.delivery import serving
from ensign_testkit.streams import EventStream
from ensign_testkit.targets import put, rollout, shop
from ensign_testkit.waiting import until


def source() -> Source:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return SqliteSource(str(settings["NAME"]))
    place = f"host={settings['HOST']} port={settings['PORT']} user={settings['USER']} dbname={settings['NAME']}"
    return PostgresSource(place)


def sink(batch: UsageBatch) -> None:
    """As the server's, but for the connection: this thread ends with the test, and its database with it."""
    try:
        usage.store(batch)
    finally:
        connections.close_all()


class Whole:
    """A delivery plane on the test's database, and an SDK on it."""

    def __init__(self, url: str, app: DeliveryApp, token: NewToken, client: Client) -> None:
        self.url, self.app, self.token, self.client = url, app, token, client


@pytest.fixture
def whole(db: str, tmp_path: Path) -> Iterator[Whole]:
    anna = shop("menu")
    put({"menu": FlagConfig(enabled=True, strategies=(rollout(0),))})
    token = create_token(
        actor=anna, at=clock.now(), name="SDK", type="backend", projects=["shop"], environment="development"
    )
    app = DeliveryApp(source(), sink, last_good=tmp_path / "last-good", flush_interval=0.1)
    with serving(app) as server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        with Client(
            url=server.url, token=token.text, app_name="checkout", refresh_interval=0.1, metrics_interval=0.1,
            cache_dir=tmp_path / "cache",
        ) as client:  # fmt: skip
            assert client.wait_until_ready(10)
            yield Whole(server.url, app, token, client)


def test_a_change_reaches_the_sdk_and_its_counts_the_tables(whole: Whole) -> None:
    client = whole.client
    assert not client.is_enabled("menu", {"userId": "7"})
    publication = put({"menu": FlagConfig(enabled=True, strategies=(rollout(100),))})
    until(lambda: client.status().revision == (1, publication.number))
    for _ in range(9):
        assert client.is_enabled("menu", {"userId": "7"})
    client.close()
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    until(lambda: [(view.yes, view.no) for view in usage.of_flag(project="shop", flag="menu", since=hour)] == [(9, 1)])
    (seen,) = usage.applications(project="shop")
    assert (seen.app_name, seen.environment, seen.instances) == ("checkout", "development", 1)
    assert seen.sdk.startswith("ensign-python:")


def test_a_revoked_token_ends_the_sdks_access_but_not_its_answers(whole: Whole) -> None:
    row = whole.token.row
    revoke_token(actor=shop(project="other"), at=clock.now(), id=row.id)
    until(lambda: "refuses the token" in (whole.client.status().error or ""))
    assert whole.client.is_enabled("menu") is False
    assert whole.client.ready


def test_a_lost_connection_to_the_database_is_made_anew(whole: Whole, tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        # What a restore does: another file in the same place.
        path = Path(str(connection.settings_dict["NAME"]))
        connections.close_all()
        shutil.copyfile(path, tmp_path / "copy")
        os.replace(tmp_path / "copy", path)
    else:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'ensign-delivery' AND datname = current_database()"
            )
            assert cursor.fetchall()
    publication = put({"menu": FlagConfig(enabled=True, strategies=(rollout(100),))})
    until(lambda: whole.client.status().revision == (1, publication.number))
    assert whole.client.is_enabled("menu", {"userId": "7"})


def test_every_commit_reaches_streams(whole: Whole) -> None:
    """In process by the hint, from other processes by NOTIFY (SQLite: by a look every 100 ms)."""
    unsubscribe = hints.subscribe(lambda _number: whole.app.hint())
    took = []
    try:
        with EventStream(int(whole.url.rsplit(":", 1)[1]), whole.token.text) as stream:
            stream.event()
            for percent in range(15):
                publication = put({"menu": FlagConfig(enabled=True, strategies=(rollout(percent + 1),))})
                committed = time.monotonic()
                while int(stream.event().fields["id"]) != publication.number:
                    pass
                took.append(time.monotonic() - committed)
    finally:
        unsubscribe()
    assert max(took) < 10  # that it arrives; how soon is measured by bench/streams.py
