"""Claims about `/api/client/delta`: what a client has, with the events, is what a fresh client gets; nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ensign.delivery import history
from ensign.delivery.deltas import Latest
from ensign.delivery.feed import Feed
from ensign.delivery.query import Query
from ensign_engine import Ruleset
from ensign_testkit.delivery import MemorySource, constraint, flag, strategy
from hypothesis import given, settings
from hypothesis import strategies as st

DELTA = "/api/client/delta"
EVERYTHING, SHOP, BANK = "*:production.all-secret", "shop:production.backend-secret", "bank:production.secret"


def kinds(answer: Any) -> list[str]:
    return [event["type"] for event in answer.json["events"]]


def test_without_an_id_everything_comes_with_the_visible_revision(plane) -> None:
    for asked in ({}, {"If_None_Match": "nonsense"}, {"If_None_Match": '"abc:1:v1"'}):
        answer = plane.get(DELTA, **asked)
        (event,) = answer.json["events"]
        assert (answer.status, event["type"]) == (200, "hydration")
        assert [feature["name"] for feature in event["features"]] == ["basket", "colour", "menu", "old"]
        assert [segment["id"] for segment in event["segments"]] == [7], "only what a visible flag refers to"
        assert (event["eventId"], answer.headers["etag"]) == (1, '"1"'), "other projects' numbers do not count"
        assert answer.headers["ensign-revision"] == "1.1"
    assert plane.get(DELTA, Accept_Encoding="gzip").json == plane.get(DELTA).json


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"'])
def test_what_is_newer_comes_as_events_and_nothing_newer_is_304(plane, form: str) -> None:
    known = form.format(plane.get(DELTA).json["events"][0]["eventId"])
    for number in (known, form.format(2**32 - 1)):
        answer = plane.get(DELTA, If_None_Match=number)
        assert (answer.status, answer.body) == (304, b"")
    number = plane.source.publish([flag("menu", enabled=False), flag("new")])
    plane.settled(number)
    answer = plane.get(DELTA, If_None_Match=known)
    assert answer.headers["etag"] == f'"{number}"'
    assert {event["eventId"] for event in answer.json["events"]} == {number}
    told = {(event["type"], event.get("featureName") or event.get("segmentId") or event["feature"]["name"])
            for event in answer.json["events"]}  # fmt: skip
    assert told == {
        ("feature-updated", "menu"), ("feature-updated", "new"), ("feature-removed", "basket"),
        ("feature-removed", "colour"), ("feature-removed", "old"), ("segment-removed", 7), ("segment-removed", 8),
    }  # fmt: skip
    assert plane.get(DELTA, If_None_Match=answer.headers["etag"]).status == 304


def test_changes_elsewhere_are_304(plane) -> None:
    known = plane.get(DELTA).headers["etag"]
    plane.source.publish([flag("loan", project="bank", enabled=False)], project="bank")
    plane.settled(plane.source.publish([flag("basket")], environment="development") - 1, project="bank")
    assert plane.get(DELTA, If_None_Match=known).status == 304
    answer = plane.get(DELTA, token=EVERYTHING, If_None_Match=known)
    assert kinds(answer) == ["feature-updated", "feature-updated"], "it had seen nothing of the bank"


def test_a_new_epoch_gives_everything_anew(plane) -> None:
    known = plane.get(DELTA).headers["etag"]
    plane.settled(plane.source.publish([flag("menu")], number=5))
    ahead = plane.get(DELTA, If_None_Match=known).headers["etag"]
    plane.source.epoch = 2
    plane.settled(plane.source.publish([flag("basket")], number=1_000_006))
    for etag in (known, ahead):
        answer = plane.get(DELTA, If_None_Match=etag)
        assert kinds(answer) == ["hydration"]
        assert answer.headers["ensign-revision"] == "2.1000006"


def test_a_node_that_started_later_resumes_clients_of_the_one_before(plane) -> None:
    known = plane.get(DELTA).headers["etag"]
    number = plane.source.publish([flag("menu")])
    feed = Feed(plane.source)
    feed.refresh()
    found = feed.latest.since(Query("production", ("shop",)), int(known.strip('"')))
    assert found is not None
    assert found.number == number
    assert b"hydration" not in found.body


def test_whoever_is_further_behind_than_the_ring_gets_everything(plane, monkeypatch) -> None:
    monkeypatch.setattr(history, "MAX_CHANGES", 3)
    known = plane.get(DELTA).headers["etag"]
    for place in range(4):
        number = plane.source.publish([flag("menu", enabled=bool(place % 2))])
        plane.settled(number)
        behind = 4 if place < 3 else 0
        assert (kinds(plane.get(DELTA, If_None_Match=known)) == ["hydration"]) == (behind == 0)


def test_a_prefix_narrows_and_brings_the_segments_along(plane) -> None:
    path = f"{DELTA}?namePrefix=ba"
    answer = plane.get(path)
    (event,) = answer.json["events"]
    assert ([item["name"] for item in event["features"]], event["segments"]) == (["basket"], [])
    segment = {"id": 7, "name": "testers", "constraints": [constraint("email", "IN", "a")]}
    flags = [flag("basket", strategies=[strategy(segments=[7])]), flag("menu", strategies=[strategy(segments=[7])])]
    plane.settled(plane.source.publish([flag("basket"), flags[1]], segments=[segment]))
    assert kinds(plane.get(path, If_None_Match=answer.headers["etag"])) == ["segment-removed"]
    plane.settled(plane.source.publish(flags, segments=[segment]))
    events = plane.get(path, If_None_Match=f'"{plane.source.number - 1}"').json["events"]
    assert [event["type"] for event in events] == ["segment-updated", "feature-updated"]
    assert events[0]["segment"] == segment


def test_a_filter_by_tag_gets_everything_when_anything_changed(plane) -> None:
    path = f"{DELTA}?tag=team:web"
    answer = plane.get(path)
    assert [item["name"] for item in answer.json["events"][0]["features"]] == ["menu"]
    assert plane.get(path, If_None_Match=answer.headers["etag"]).status == 304
    plane.settled(plane.source.publish([flag("menu"), flag("basket")], tags={"basket": ["team:web"]}))
    answer = plane.get(path, If_None_Match=answer.headers["etag"])
    assert [item["name"] for item in answer.json["events"][0]["features"]] == ["basket"]


@pytest.mark.parametrize("token", [None, "shop:production.frontend-secret", "user:x", "shop:production.unknown"])
def test_it_wants_a_backend_token(plane, token: str | None) -> None:
    expected = 403 if token in {"shop:production.frontend-secret", "user:x"} else 401
    assert plane.get(DELTA, token=token).status == expected


FLAGS = st.dictionaries(
    st.sampled_from(["apple", "art", "bread", "butter"]),
    st.tuples(st.booleans(), st.lists(st.sampled_from([1, 2, 3]), max_size=2, unique=True)),
    max_size=4,
)
PUBLICATIONS = st.lists(
    st.tuples(st.sampled_from(["shop", "bank"]), FLAGS, st.integers(0, 2)), min_size=1, max_size=8
)  # fmt: skip
QUERIES = [
    Query("production", None), Query("production", ("shop",)), Query("production", ("bank", "shop"), "a"),
    Query("production", None, "bu"), Query("staging", None),
]  # fmt: skip


def publish(source: MemorySource, project: str, flags: dict[str, Any], version: int) -> None:
    """Names and segment ids differ between projects, as they do in an installation."""
    base = 0 if project == "shop" else 10
    features = [
        flag(f"{name}-{project}", project=project, enabled=on, strategies=[strategy(segments=[base + i for i in ids])])
        for name, (on, ids) in sorted(flags.items())
    ]
    used = sorted({id for item in features for id in item["strategies"][0]["segments"]})
    segments = [
        {"id": id, "name": f"s{id}", "constraints": [constraint("v", "IN", str(version))]} for id in used
    ]  # fmt: skip
    source.publish(features, project=project, segments=segments)


def rules(latest: Latest, query: Query) -> Any:
    """What a fresh client knows, as far as evaluation goes."""
    return normal(Ruleset.empty().apply_delta(latest.hydration(query).body))


def normal(ruleset: Ruleset) -> Any:
    document = ruleset.to_document()
    used = {id for item in document["features"] for part in item["strategies"] for id in part["segments"]}
    return (
        sorted(json.dumps(item, sort_keys=True) for item in document["features"]),
        sorted(json.dumps(item, sort_keys=True) for item in document["segments"] if item["id"] in used),
    )


@settings(max_examples=60, deadline=None)
@given(PUBLICATIONS, st.data())
def test_an_old_state_and_the_events_are_the_new_state(publications: list[Any], data: st.DataObject) -> None:
    source = MemorySource()
    feed = Feed(source)
    query = data.draw(st.sampled_from(QUERIES))
    seen: list[tuple[int, Ruleset]] = []
    for project, flags, version in publications:
        publish(source, project, flags, version)
        if data.draw(st.booleans()):  # a node need not see every publication at once
            feed.refresh()
            found = feed.latest.hydration(query)
            seen.append((found.number, Ruleset.empty().apply_delta(found.body)))
    feed.refresh()
    fresh = rules(feed.latest, query)
    for number, held in seen:
        found = feed.latest.since(query, number)
        after = held if found is None else held.apply_delta(found.body)
        assert normal(after) == fresh
        if found is not None:
            assert number < found.number <= feed.latest.revision(query)[1]
