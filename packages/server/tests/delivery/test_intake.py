"""Claims about what SDKs report: counted exactly, leniently read, never lost to a sink that fails (3.4 to 3.6)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.delivery.intake import storable
from ensign.delivery.recency import Recency
from ensign.delivery.tokens import digest
from ensign.delivery.usage import Count, CountKey, Seen, Usage, UsageBatch
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until

METRICS, REGISTER = "/api/client/metrics", "/api/client/register"
FRONTEND = "shop:production.frontend-secret"
HOUR = datetime(2026, 11, 22, 14, tzinfo=UTC)


def report(toggles: object, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"appName": "app", "instanceId": "i", "bucket": {"start": now, "stop": now, "toggles": toggles}, **more}


def sums(batches: list[UsageBatch]) -> Counter[tuple[str, str, str, int]]:
    """(project, flag, variant, known) -> yes + 1000 * no."""
    found: Counter[tuple[str, str, str, int]] = Counter()
    for batch in list(batches):
        for row in batch.counts:
            found[row.key.project, row.key.flag, row.key.variant, row.key.known] += row.yes + 1000 * row.no
    return found


def test_counts_arrive_by_project_flag_and_variant(plane) -> None:
    toggles = {
        "basket": {"yes": 2, "no": 1, "variants": {"blue": 2, "disabled": 1}},
        "menu": {"yes": 0, "no": 0},
        "unheard-of": {"yes": 5},
    }
    answer = plane.post(METRICS, report(toggles))
    assert (answer.status, answer.body) == (202, b"")
    assert plane.post("/api/frontend/client/metrics", report({"basket": {"yes": 1}}), token=FRONTEND).status == 202
    everything = "*:production.all-secret"
    assert plane.post(METRICS, report({"loan": {"no": 3}}), token=everything).status == 202
    until(lambda: len(sums(plane.batches)) == 5)
    assert sums(plane.batches) == {
        ("shop", "basket", "", True): 1003,
        ("shop", "basket", "blue", True): 2,
        ("shop", "basket", "disabled", True): 1,
        ("shop", "unheard-of", "", False): 5,
        ("bank", "loan", "", True): 3000,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"appName": "a", "bucket": None},
        {"appName": "a"},
        {"appName": "a", "bucket": {"toggles": None}},
        {"appName": "a", "bucket": {}, "impactMetrics": [{"name": None}]},
        report({}, yggdrasilVersion=None, sdkVersion=None, instanceId=None, connectionId=None, environment="x"),
        report({"basket": {"yes": "", "no": None, "variants": None}}),
        report({"basket": {"yes": -5, "no": 1e300, "variants": {"": 3, "x": "many"}}}),
        report({"basket": 7, "": {"yes": 1}, "x" * 101: {"yes": 1}, "a\x00b": {"yes": 1}, "\ud800": {"yes": 1}}),
        {"appName": "a", "bucket": {"start": 0, "stop": "2026-11-22T14:31:06.156633422Z", "toggles": {}}},
        {"appName": "a", "bucket": {"start": None, "stop": 10**400, "toggles": {"basket": {"yes": 1}}}},
    ],
)
def test_what_real_sdks_send_is_accepted(plane, body: object) -> None:
    assert plane.post(METRICS, body).status == 202


@pytest.mark.parametrize(
    "body", [[], None, 7, {}, {"appName": None}, {"appName": ""}, {"appName": "a", "bucket": 7},
             {"appName": "a", "bucket": {"toggles": [1]}}]
)  # fmt: skip
def test_what_is_no_report_is_400(plane, body: object) -> None:
    assert plane.post(METRICS, body).status == 400
    if body != {"appName": "a", "bucket": 7} and not (isinstance(body, dict) and "bucket" in body):
        assert plane.post(REGISTER, body).status == 400


def test_registration(plane) -> None:
    body = {
        "appName": "app", "instanceId": "i1", "connectionId": "c1", "sdkVersion": "unleash-node-sdk:6.12.1",
        "strategies": ["default"], "started": "2026-11-22T14:31:05.325Z", "interval": 60000, "yggdrasilVersion": None,
    }  # fmt: skip
    answer = plane.post(REGISTER, body)
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers["x-unleash-version"]
    plane.post(REGISTER, {**body, "connectionId": "c2"})
    plane.post("/api/frontend/client/register", {**body, "sdkVersion": "unleash-js-sdk:3.8.2"}, token=FRONTEND)
    seen = lambda: {(s.sdk, s.instances) for batch in plane.batches for s in batch.applications}  # noqa: E731
    until(lambda: {("unleash-node-sdk:6.12.1", 2), ("unleash-js-sdk:3.8.2", 1)} <= seen())


def test_an_edge_reports_in_bulk_and_other_environments_are_dropped(plane) -> None:
    row = {"featureName": "basket", "appName": "a", "environment": "production", "timestamp": None, "yes": 2, "no": 1}
    body = {
        "applications": [{"appName": "a", "environment": "production", "sdkVersion": "x:1"}, 7, {"appName": 3}],
        "metrics": [row, {**row, "environment": "development"}, 7, {}, {**row, "variants": {"blue": 1}}],
    }
    assert plane.post("/api/client/metrics/bulk", body).status == 202
    until(lambda: sums(plane.batches)["shop", "basket", "", True] == 2004)
    assert sums(plane.batches)["shop", "basket", "blue", True] == 1
    for bad in ({}, [], {"applications": []}, {"applications": [], "metrics": 7}):
        assert plane.post("/api/client/metrics/bulk", bad).status == 400


def test_a_report_that_is_too_large_is_413(plane) -> None:
    assert plane.post(METRICS, report({f"f{n}": {"yes": 1} for n in range(100_000)})).status == 413
    assert plane.post(METRICS, report({f"f{n}": {"yes": 1} for n in range(20_001)})).status == 400
    assert plane.post(REGISTER, {"appName": "a", "x": "y" * 70_000}).status == 413


def key(n: int = 0, **more: Any) -> CountKey:
    return CountKey(**{"project": "p", "environment": "e", "flag": f"f{n}", "app_name": "a", "hour": HOUR,
                          "variant": "", "known": True, **more})  # fmt: skip


def test_a_sink_that_fails_loses_nothing() -> None:
    stored: list[UsageBatch] = []
    failing = True

    def sink(batch: UsageBatch) -> None:
        if failing:
            raise RuntimeError("the database is down")
        stored.append(batch)

    usage = Usage(sink)
    for _ in range(3):
        usage.count(key(), yes=2, no=1)
        usage.seen(project="p", environment="e", app_name="a", sdk="s", instance="i", at=HOUR)
        usage.refused("401 unknown token")
        assert not usage.flush()
    failing = False
    assert usage.flush()
    assert usage.flush(), "and nothing is left"
    (batch,) = stored
    assert batch.counts == (Count(key(), 6, 3),)
    assert [seen.instances for seen in batch.applications] == [1]
    assert batch.refusals == {"401 unknown token": 3}


def test_memory_is_bounded_and_the_loss_is_logged(monkeypatch, caplog) -> None:
    monkeypatch.setattr("ensign.delivery.usage.MAX_ROWS", 10)
    stored: list[UsageBatch] = []
    usage = Usage(stored.append)
    for n in range(15):
        usage.count(key(n), yes=1, no=0)
    usage.flush()
    assert len(stored[0].counts) == 10
    assert "5 counts were dropped" in caplog.text


def test_instances_are_counted_within_the_hour() -> None:
    stored: list[UsageBatch] = []
    usage = Usage(stored.append)
    for minute, instance in ((0, "a"), (30, "b"), (59, "a"), (60, "c")):
        usage.seen(
            project="p", environment="e", app_name="a", sdk="s", instance=instance, at=HOUR + timedelta(minutes=minute)
        )
        usage.flush()
    assert [batch.applications[0].instances for batch in stored] == [1, 2, 2, 1]
    assert "instance='" not in repr(stored), "which instances they were is not kept"


def test_names_of_hours_ago_do_not_shut_out_new_ones(monkeypatch) -> None:
    """Whoever holds a browser's token may make up names; after the hour applications count again, here and below."""
    monkeypatch.setattr("ensign.delivery.usage.MAX_ROWS", 10)
    stored: list[UsageBatch] = []
    usage = Usage(stored.append)
    for at, names in ((HOUR, range(10)), (HOUR + timedelta(hours=1), [99])):
        for n in names:
            usage.seen(project="p", environment="e", app_name=f"here {n}", sdk="s", instance="i", at=at)
            below = UsageBatch((), (Seen("p", "e", f"below {n}", "s", 3, at),))
            usage.absorb(below, source="node", at=at)
        usage.flush()
    assert {(row.app_name, row.instances) for row in stored[1].applications} == {("here 99", 1), ("below 99", 3)}


def test_stopping_hands_over_the_rest() -> None:
    stored: list[UsageBatch] = []
    usage = Usage(stored.append, interval=3600)
    usage.start()
    usage.count(key(), yes=1, no=0)
    usage.stop()
    assert len(stored) == 1


def test_names_that_a_database_cannot_hold_are_no_names() -> None:
    assert storable("ok / ü 日本")
    for name in ("", "x" * 101, "a\x00", "a\nb", "\ud800", None, 7, ["x"]):
        assert storable(name) is None


def packed(body: object, how: str) -> bytes:
    text = json.dumps(body).encode()
    return gzip.compress(text) if how == "gzip" else zlib.compress(text)


@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_a_packed_body_is_unpacked_within_the_same_bounds(plane, how: str) -> None:
    def post(body: bytes, coding: str = how) -> int:
        return int(plane.post(METRICS, body, Content_Encoding=coding).status)

    assert post(packed(report({"basket": {"yes": 1}}), how)) == 202
    until(lambda: sums(plane.batches)["shop", "basket", "", True] == 1)
    assert post(packed({"appName": "a", "x": "y" * 50_000_000}, how)) == 413, "a bomb stays packed"
    assert post(packed(report({}), how)[:-6]) == 400
    assert post(b"rubbish") == 400
    assert post(b"", "br") == 415


def test_an_edge_says_which_tokens_were_used(plane) -> None:
    body = {"applications": [], "metrics": [], "seenTokens": [FRONTEND, "*:production.nobody", 7, None]}
    assert plane.post("/api/client/metrics/bulk", body).status == 202
    used = lambda: {token for batch in plane.batches for token in batch.tokens}  # noqa: E731
    until(lambda: used() == {digest("shop:production.backend-secret"), digest(FRONTEND)})
    assert plane.post("/api/client/metrics/bulk", {**body, "seenTokens": "x"}).status == 202


def test_a_use_is_said_once_in_ten_minutes_and_again_when_it_could_not_be_stored() -> None:
    recency = Recency()
    for minute in range(25):
        recency.used("t", HOUR + timedelta(minutes=minute))
    assert recency.take(HOUR) == {"t": HOUR + timedelta(minutes=20)}
    assert recency.take(HOUR) == {}
    recency.restore({"t": HOUR, "u": HOUR})
    recency.used("t", HOUR + timedelta(hours=1))
    recency.holding = lambda: ["stream"]
    at = HOUR + timedelta(hours=2)
    assert recency.take(at) == {"t": HOUR + timedelta(hours=1), "u": HOUR, "stream": at}


def test_a_token_of_an_open_stream_is_in_use(plane) -> None:
    with EventStream(plane.server.port, "shop:production.backend-secret") as stream:
        stream.event()
        assert plane.app.hub.holding() == {digest("shop:production.backend-secret")}
        assert plane.app.usage.recency.holding() == plane.app.hub.holding()
