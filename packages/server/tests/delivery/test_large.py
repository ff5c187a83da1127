"""Claims about 10,000 flags and contexts of 64 KiB: whole and right answers on every address, built once and shared."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ensign.delivery import views
from ensign.delivery.app import DeliveryApp
from ensign_engine import Ruleset
from ensign_testkit.delivery import MemorySource, constraint, flag, serving, strategy
from ensign_testkit.streams import EventStream

MANY = 10_000
BACKEND, FRONTEND = "shop:production.backend-secret", "shop:production.frontend-secret"


def numbered(n: int) -> dict[str, Any]:
    """A third plain, a third by a constraint, a third by a rollout; every tenth off."""
    kinds: list[list[dict[str, Any]]] = [
        [strategy()],
        [strategy(constraints=[constraint("country", "IN", "SE", "NO")], segments=[n % 50 + 1])],
        [strategy("flexibleRollout", parameters={"rollout": "50", "stickiness": "userId", "groupId": f"g{n}"})],
    ]
    return flag(f"flag-{n:05}", enabled=n % 10 != 9, strategies=kinds[n % 3])


FLAGS = [numbered(n) for n in range(MANY)]
SEGMENTS = [
    {"id": n, "name": f"s{n}", "constraints": [constraint("plan", "IN", "gold", f"p{n}")]} for n in range(1, 51)
]


@pytest.fixture(scope="module")
def large(planes: Any) -> Iterator[Any]:
    source = MemorySource()
    source.token(BACKEND)
    source.token(FRONTEND, "frontend")
    source.publish(FLAGS, segments=SEGMENTS)
    app = DeliveryApp(source, lambda _batch: None)
    plane = planes(source, app, [])
    with serving(app) as server:
        plane.server = server
        plane.settled(1)
        yield plane


def test_all_of_them_come_whole_and_are_packed_once(large) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(large.get, "/api/client/features", Unleash_Client_Spec="5.2.0", Accept_Encoding="gzip")
            for _ in range(16)
        ]
        answers = [one.result() for one in asked]
    assert len({answer.body for answer in answers}) == 1
    document = json.loads(gzip.decompress(answers[0].body))
    assert [feature["name"] for feature in document["features"]] == [one["name"] for one in FLAGS]
    assert len(document["segments"]) == 50
    tag = answers[0].headers["etag"]
    again = large.get("/api/client/features", Unleash_Client_Spec="5.2.0", If_None_Match=tag)
    assert (again.status, again.body) == (304, b"")
    held = [known for known in large.app.feed.state.memo.values() if isinstance(known, views.View)]
    assert len(held) == 1, "one answer for all who ask the same"


def test_clients_without_segments_get_them_inlined(large) -> None:
    document = large.get("/api/client/features").json
    inner = document["features"][1]["strategies"][0]
    assert [one["contextName"] for one in inner["constraints"]] == ["country", "plan"]
    assert "segments" not in document


def test_whatever_clients_filter_by_memory_has_a_bound(large) -> None:
    for n in range(views.MAX_VIEWS + 20):
        answer = large.get(f"/api/client/features?namePrefix=flag-{n:03}", Unleash_Client_Spec="5.2.0")
        assert all(feature["name"].startswith(f"flag-{n:03}") for feature in answer.json["features"])
    held = [known for known in large.app.feed.state.memo.values() if isinstance(known, views.View)]
    assert len(held) <= views.MAX_VIEWS


@pytest.mark.parametrize("filler", [0, 63_000])
def test_the_front_end_answers_as_the_engine_does_also_for_a_context_of_64_kib(large, filler: int) -> None:
    context = {"userId": "7", "properties": {"country": "SE", "plan": "gold", "text": "x" * filler}}
    listed = large.post("/api/frontend", {"context": context}, token=FRONTEND).json["toggles"]
    engine = Ruleset.parse({"version": 2, "features": FLAGS, "segments": SEGMENTS})
    assert [one["name"] for one in listed] == [one["name"] for one in FLAGS if engine.is_enabled(one["name"], context)]
    whole = large.post("/api/frontend/all", {"context": context}, token=FRONTEND).json["toggles"]
    assert [one["name"] for one in whole] == [one["name"] for one in FLAGS]
    assert [one["name"] for one in whole if one["enabled"]] == [one["name"] for one in listed]


@pytest.mark.parametrize("path", ["/api/frontend", "/api/frontend/all", "/api/frontend/features/flag-00001"])
def test_more_than_64_kib_of_context_is_413(large, path: str) -> None:
    context = {"userId": "7", "properties": {"text": "x" * 66_000}}
    assert large.post(path, {"context": context}, token=FRONTEND).status == 413
    assert large.get(f"{path}?properties[text]={'x' * 66_000}", token=FRONTEND).status in {400, 413, 414}


def test_a_stream_and_a_delta_begin_with_all_of_them_and_go_on_with_one(large) -> None:
    with EventStream(large.server.port, BACKEND) as stream:
        (hydration,) = stream.event().events
        assert len(hydration["features"]) == MANY
        number = large.source.publish([*FLAGS[1:], flag(FLAGS[0]["name"], enabled=False)], segments=SEGMENTS)
        (updated,) = stream.event().events
    assert updated["feature"]["name"] == FLAGS[0]["name"]
    delta = large.get("/api/client/delta", If_None_Match=f'"{number - 1}"')
    assert [event["type"] for event in delta.json["events"]] == ["feature-updated"]
    assert len(delta.body) < 1_000
