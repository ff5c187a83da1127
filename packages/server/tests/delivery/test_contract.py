"""Claims about the two tables in which the planes meet (docs/reference/planes.md), on both databases.

The control plane writes with its own operations; the delivery plane reads through connections of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from ensign.control.audit import checkpoints
from ensign.control.flags.domain import Constraint, FlagConfig
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects.tokens import create_token, revoke_token
from ensign.control.publishing import proofs, usage
from ensign.control.publishing.operations import new_epoch
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.operations import create_segment
from ensign.delivery.feed import Feed
from ensign.delivery.query import Query
from ensign.delivery.source import Source, SqliteSource
from ensign.delivery.source_postgres import PostgresSource
from ensign.delivery.tokens import find
from ensign.delivery.trust import Trust
from ensign.delivery.usage import Count, CountKey, Seen, UsageBatch
from ensign_engine import Ruleset
from ensign_ledger.ruleset import read_signed, verify_proof
from ensign_testkit.people import SYSTEM
from ensign_testkit.targets import put, put_segment, rollout, shop

PLACE = ("shop", "development")


def source() -> Source:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return SqliteSource(str(settings["NAME"]))
    place = f"host={settings['HOST']} port={settings['PORT']} user={settings['USER']} dbname={settings['NAME']}"
    return PostgresSource(place)


@pytest.fixture
def anna(db: str) -> Actor:
    """Made before the feed starts: it must find what there is."""
    person = shop("menu", "basket")
    put({"menu": FlagConfig(enabled=True, strategies=(rollout(100),))})
    return person


@pytest.fixture
def feed(anna: Actor, tmp_path: Path) -> Iterator[Feed]:
    made = Feed(source(), last_good=tmp_path / "last-good")
    made.start()
    assert made.wait_until(lambda: made.current, 10)
    yield made
    made.stop()


def token(actor: Actor, **more: object) -> str:
    given = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development", **more}
    return create_token(actor=actor, at=clock.now(), **given).text


def soon(condition: Callable[[], object], seconds: float = 10.0) -> float:
    """Wait until `condition` holds; how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it took too long"
        time.sleep(0.002)  # the feed's thread needs the interpreter
    return time.monotonic() - began


def test_what_was_published_is_read_and_followed(anna: Actor, feed: Feed) -> None:
    held = feed.state.rulesets[PLACE]
    assert [feature.name for feature in held.features] == ["menu"]
    publication = put({"menu": FlagConfig(enabled=False), "basket": FlagConfig(enabled=True)})
    soon(lambda: feed.state.rulesets[PLACE].revision == (1, publication.number))
    held = feed.state.rulesets[PLACE]
    assert [(feature.name, feature.raw["enabled"]) for feature in held.features] == [("basket", True), ("menu", False)]
    elsewhere = put({"menu": FlagConfig(enabled=True)}, environment="production")
    soon(lambda: ("shop", "production") in feed.state.rulesets)
    assert feed.state.rulesets["shop", "production"].revision == (1, elsewhere.number)
    assert feed.state.rulesets[PLACE] is held, "what did not change is not read again"


def test_segments_come_along(anna: Actor, feed: Feed) -> None:
    create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="Nordic")
    put_segment(
        "nordic", SegmentConfig(constraints=(Constraint(context_name="country", operator="IN", values=("SE",)),))
    )
    put({"menu": FlagConfig(enabled=True, strategies=(rollout(100, segments=("nordic",)),))})
    soon(lambda: feed.state.rulesets[PLACE].segments)
    (segment,) = feed.state.rulesets[PLACE].segments
    (feature,) = feed.state.rulesets[PLACE].features
    assert feature.segments == {segment["id"]}


def test_what_is_published_satisfies_a_node_that_verifies_and_its_proof_follows(anna: Actor, tmp_path: Path) -> None:
    """From the publication to the checkpoint, with what stands in the tables alone."""
    keys = [key.key for key in checkpoints.log_keys()]
    feed = Feed(source(), last_good=tmp_path / "verified", trust=Trust([key.vkey for key in keys]))
    feed.start()
    try:
        soon(lambda: PLACE in feed.state.rulesets)
        create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="Nordic")
        constraint = Constraint(context_name="country", operator="IN", values=("SE", "Åland", "\U0001f1eb\U0001f1ee"))
        put_segment("nordic", SegmentConfig(constraints=(constraint,)))
        published = put({"menu": FlagConfig(enabled=True, strategies=(rollout(100, segments=("nordic",)),))})
        soon(lambda: feed.state.rulesets[PLACE].revision == (1, published.number))
        assert feed.proofs == {}, "rules wait for no proof"
        for _ in range(2):
            checkpoints.sign()
            assert proofs.keep() == 1
            place = published.number
            soon(lambda number=place: f'"number":{number}'.encode() in feed.proofs.get(PLACE, b""))
            statement = read_signed(feed.state.rulesets[PLACE].signature or "", keys)
            verify_proof(json.loads(feed.proofs[PLACE]), statement, keys)
            published = put({"basket": FlagConfig(enabled=True)})
            soon(lambda number=published.number: feed.state.rulesets[PLACE].revision == (1, number))
        new_epoch(actor=SYSTEM, at=clock.now(), reason="restored from a backup")
        soon(lambda: feed.state.rulesets[PLACE].revision[0] > 1)
        assert feed.refused == 0
    finally:
        feed.stop()


def test_tokens_are_found_by_their_text_and_lost_once_they_are_revoked(anna: Actor, feed: Feed) -> None:
    """Within a second, as both sources look more often than that."""
    assert max(SqliteSource.POLL, PostgresSource.POLL) < 1
    text = token(anna, never=True)
    soon(lambda: find(text, feed.state.tokens))
    found = find(text, feed.state.tokens)
    assert found is not None
    assert (found.type, found.environment, found.projects, found.expires_at) == (
        "backend",
        "development",
        ("shop",),
        None,
    )
    (row,) = [row for row in _rows() if row[1] == found.hash]
    revoke_token(actor=anna, at=clock.now(), id=row[0])
    soon(lambda: find(text, feed.state.tokens) is None)


def test_kinds_projects_and_expiry_of_tokens(anna: Actor, feed: Feed) -> None:
    ends = clock.now() + timedelta(days=1)
    text = token(anna, type="frontend", projects=["*"], expires_at=ends)
    soon(lambda: find(text, feed.state.tokens))
    found = find(text, feed.state.tokens)
    assert found is not None
    assert (found.type, found.projects) == ("frontend", ("*",))
    assert found.expires_at == ends
    assert not found.expired(ends - timedelta(seconds=1))
    assert found.expired(ends)


def test_a_new_epoch_is_followed(anna: Actor, feed: Feed) -> None:
    new_epoch(actor=SYSTEM, at=clock.now(), reason="restored from a backup")
    soon(lambda: feed.state.rulesets[PLACE].revision[0] > 1)


def test_a_hint_is_heard_at_once(anna: Actor, feed: Feed) -> None:
    took = []
    for percent in range(5):
        publication = put({"menu": FlagConfig(enabled=True, strategies=(rollout(percent),))})
        feed.hint()
        took.append(soon(lambda wanted=publication.number: feed.state.rulesets[PLACE].revision[1] == wanted))
    assert max(took) < 5  # that it is heard; how soon is measured by bench/streams.py


def test_publications_are_read_as_events_also_those_from_before_the_start(anna: Actor, feed: Feed) -> None:
    query = Query("development", ("shop",))
    held = feed.latest.hydration(query)
    create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="Nordic")
    put_segment(
        "nordic", SegmentConfig(constraints=(Constraint(context_name="country", operator="IN", values=("SE",)),))
    )
    put({"menu": FlagConfig(enabled=True, strategies=(rollout(100, segments=("nordic",)),))})
    put({"basket": FlagConfig(enabled=True)}, environment="production")
    number = put({"menu": FlagConfig(enabled=False), "basket": FlagConfig(enabled=True)}).number
    soon(lambda: feed.latest.revision(query) == (1, number), 10)
    late = Feed(source())
    late.refresh()
    for latest in (feed.latest, late.latest):
        found = latest.since(query, held.number)
        assert found is not None
        assert (found.number, b"hydration" in found.body) == (number, False)
        after = Ruleset.empty().apply_delta(held.body).apply_delta(found.body)
        fresh = Ruleset.empty().apply_delta(latest.hydration(query).body)
        assert (dict(after.flags), dict(after.segments)) == (dict(fresh.flags), dict(fresh.segments))
    late.stop()
    new_epoch(actor=SYSTEM, at=clock.now(), reason="restored from a backup")
    soon(lambda: feed.latest.revision(query)[0] > 1, 10)
    found = feed.latest.since(query, number)
    assert found is not None
    assert b"hydration" in found.body


def test_the_reader_only_reads(anna: Actor) -> None:
    reader = source()
    reader.read({})
    inner = reader._connection  # type: ignore[attr-defined]  # each source has one
    with pytest.raises(Exception, match=r"readonly|read-only"):
        inner.execute("DELETE FROM publishing_usage_hour")
    reader.close()


def test_a_source_that_was_read_says_nothing_until_something_changes(anna: Actor) -> None:
    reader = source()
    first = reader.read({})
    assert first is not None
    assert reader.read(first.versions) is None
    put({"basket": FlagConfig(enabled=True)})
    second = reader.read(first.versions)
    assert second is not None
    assert len(second.contents) == 1
    reader.close()


def test_usage_is_added_up_and_can_be_asked_for(anna: Actor) -> None:
    now = clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)

    def key(flag: str = "menu", *, app: str = "web", at=hour, variant: str = "", known: bool = True) -> CountKey:
        return CountKey("shop", "development", flag, app, at, variant, known)

    batch = UsageBatch(
        (
            Count(key(), 5, 2),
            Count(key(app="worker"), 1, 0),
            Count(key(variant="blue"), 3, 0),
            Count(key(at=hour - timedelta(hours=1)), 1, 1),
            Count(key("unheard-of", known=False), 1, 0),
        ),
        (Seen("shop", "development", "web", "sdk:1", 4, now), Seen("*", "development", "edge", "sdk:1", 1, now)),
    )
    usage.store(batch)
    usage.store(batch)
    (view,) = usage.of_flag(project="shop", flag="menu", since=hour - timedelta(days=1))
    assert (view.environment, view.yes, view.no, view.last_seen) == ("development", 14, 6, hour)
    assert view.applications == ("web", "worker")
    assert view.variants == {"blue": 6}
    assert [(item.hour, item.yes, item.no) for item in view.hours] == [(hour - timedelta(hours=1), 2, 2), (hour, 12, 4)]
    assert usage.last_seen(project="shop", flags=["menu", "basket"]) == {("menu", "development"): hour}
    assert usage.unknown_flags(project="shop", since=hour) == (("unheard-of", "development", "web"),)
    assert {(a.app_name, a.instances) for a in usage.applications(project="shop")} == {("web", 4), ("edge", 1)}
    assert usage.forget(before=hour) == 1
    usage.store(UsageBatch((), ()))


def _rows() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, token_hash FROM projects_client_token")
        return list(cursor.fetchall())
