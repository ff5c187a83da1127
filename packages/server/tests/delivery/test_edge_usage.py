"""Claims about counts from below: each once, within the reach of the edge's tokens, and kept while above is gone."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from ensign.delivery.batch_wire import decoded, encoded, parts
from ensign.delivery.reach import Group, Reach
from ensign.delivery.sink_upstream import UpstreamSink
from ensign.delivery.tokens import digest
from ensign.delivery.uplink import Uplink, UplinkError
from ensign.delivery.usage import Count, CountKey, Seen, Usage, UsageBatch
from ensign_sdk import Client
from ensign_testkit.delivery import flag, serving
from ensign_testkit.edges import EDGE_TOKEN, Wire, edge
from ensign_testkit.waiting import until
from hypothesis import given
from hypothesis import strategies as st

BACKEND, FRONTEND = "shop:production.backend-secret", "shop:production.frontend-secret"
HOUR = datetime(2026, 11, 25, 13, tzinfo=UTC)


def counted(plane) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(project, environment, flag) -> (yes, no) of all that reached the root's sink."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for batch in list(plane.batches):
        for row in batch.counts:
            where = row.key.project, row.key.environment, row.key.flag
            yes, no = found.get(where, (0, 0))
            found[where] = yes + row.yes, no + row.no
    return found


def report(node, *, yes: int, app: str = "web", instance: str = "i", token: str = BACKEND) -> None:
    bucket = {"start": HOUR.isoformat(), "stop": datetime.now(UTC).isoformat(), "toggles": {"menu": {"yes": yes}}}
    body = {"appName": app, "instanceId": instance, "bucket": bucket}
    path = "/api/client/metrics" if token == BACKEND else "/api/frontend/client/metrics"
    assert node.post(path, body, token=token).status == 202


def twin(plane, app: Any) -> Any:
    return type(plane)(plane.source, app, [])


def test_counts_of_a_tree_arrive_at_the_root_once(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    middle = twin(plane, edge(plane.server.url))
    with serving(middle.app) as middle.server:
        leaf = twin(plane, edge(middle.server.url))
        with serving(leaf.app) as leaf.server:
            until(lambda: leaf.app.feed.current)
            for _ in range(5):
                report(leaf, yes=3)
                report(middle, yes=2, token=FRONTEND)
                assert leaf.get("/api/client/features", token="shop:production.wrong").status == 401
            until(lambda: counted(plane).get(("shop", "production", "menu")) == (25, 0))
            until(lambda: sum(b.refusals.get("401 unknown token", 0) for b in plane.batches) == 5)


def test_instances_of_an_application_are_summed_over_nodes(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    nodes = [twin(plane, edge(plane.server.url)) for _ in range(2)]
    with serving(nodes[0].app) as nodes[0].server, serving(nodes[1].app) as nodes[1].server:
        for node in nodes:
            until(lambda node=node: node.app.feed.current)
        for number, node in enumerate([*nodes, plane]):
            for instance in range(3):
                report(node, yes=1, instance=f"{number}-{instance}")
        until(lambda: any(seen.instances == 9 for batch in plane.batches for seen in batch.applications))


def test_propagation_and_uses_of_tokens_below_an_edge_are_known_above(plane) -> None:
    """An application streams from the edge below an edge: the server hears that it was given the change, and by whom
    its token was used; not of a token that is beyond the edge's reach."""
    plane.source.token(EDGE_TOKEN, "edge")
    token = plane.source.token(BACKEND)
    middle = twin(plane, edge(plane.server.url))
    with serving(middle.app) as middle.server:
        leaf = twin(plane, edge(middle.server.url))
        with serving(leaf.app) as leaf.server, ExitStack() as stack:
            until(lambda: leaf.app.feed.current)
            client = stack.enter_context(
                Client(url=leaf.server.url, token=BACKEND, app_name="web", cache_dir=False, metrics_interval=60)
            )
            until(lambda: client.status().mode == "streaming")
            number = plane.source.publish([flag("menu", enabled=False)])

            def reached() -> bool:
                rows = [row for batch in list(plane.batches) for row in batch.reach if row.revision[1] == number]
                return any(
                    sum(group.running for group in row.groups) == 1 and row.node == leaf.app.tracker.node
                    for row in rows
                )

            until(reached)
            until(lambda: any(digest(token) in batch.tokens for batch in plane.batches))


def test_a_batch_whose_answer_was_lost_is_not_counted_twice(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    until(lambda: plane.app.feed.latest.state.tokens.keys())
    wire = Wire(plane.server.port)
    sink = UpstreamSink(Uplink(wire.url, (EDGE_TOKEN,), 1.0))
    row = Count(CountKey("shop", "production", "menu", "web", HOUR, "", True), 7, 1)
    wire.spoil = lambda _data: b""  # what was asked arrives, what is answered does not
    sink(UsageBatch((row,), ()))
    until(lambda: counted(plane).get(("shop", "production", "menu")) == (7, 1))
    with pytest.raises(UplinkError):
        sink(UsageBatch((row,), ()))
    wire.spoil = lambda data: data
    sink(UsageBatch((row,), ()))
    until(lambda: counted(plane).get(("shop", "production", "menu")) == (14, 2))
    wire.close()


def test_counts_are_kept_while_the_node_above_is_gone(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    wire = Wire(plane.server.port)
    below = twin(plane, edge(wire.url))
    with serving(below.app) as below.server:
        until(lambda: below.app.feed.current)
        wire.cut()
        for _ in range(10):
            report(below, yes=1)
            time.sleep(0.06)  # as long as the edge waits between two batches
        assert counted(plane) == {}
        wire.mend()
        until(lambda: counted(plane).get(("shop", "production", "menu")) == (10, 0))
    wire.close()


def test_an_edge_counts_for_places_within_its_reach_alone(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    until(lambda: len(plane.app.feed.latest.state.tokens) == 5)
    places = [("shop", "production"), ("bank", "production"), ("shop", "development"), ("*", "production")]
    batch = UsageBatch(
        tuple(Count(CountKey(*place, "menu", "web", HOUR, "", True), 1, 0) for place in places),
        tuple(Seen(*place, "web", "sdk:1", 1, HOUR) for place in places),
        {"401 unknown token": 2, "sdk ruleset altered": 1, "401 <script>": 5, "anna@example.com": 1},
    )
    body = {"id": "a" * 12, "node": "n" * 12, "batch": encoded(batch)}
    assert plane.post("/edge/usage", body, token=EDGE_TOKEN).status == 202
    until(lambda: plane.batches)
    assert list(counted(plane)) == [("shop", "production", "menu")]
    (kept,) = [batch for batch in plane.batches if batch.counts]
    assert [(seen.project, seen.environment) for seen in kept.applications] == [("shop", "production")]
    assert kept.refusals == {"401 unknown token": 2, "sdk ruleset altered": 1}


def report_of(**change: Any) -> dict[str, Any]:
    """A report about reach as an edge sends it."""
    row = Reach("n" * 16, "n" * 16, "shop", "production", (1, 7), 7, HOUR, HOUR, (Group("web", "sdk", "streaming", 1),))
    return {"counts": [], "applications": [], "reach": [{**encoded(row), **change}]}


@pytest.mark.parametrize(
    "change",
    [
        {"batch": report_of(revision=[])}, {"batch": report_of(revision=[1, 2, 3])},
        {"batch": report_of(times=[[1]])}, {"batch": report_of(groups=[[]])}, {"batch": report_of(left=-1)},
        {"id": "short"}, {"id": None}, {"node": "<x>" * 5}, {"batch": []},
        {"batch": {"counts": [1], "applications": []}},
        {"batch": {"counts": []}}, {"batch": {"counts": [{"key": {}, "yes": 1}], "applications": []}},
        {"batch": {"counts": [], "applications": [], "refusals": {"x": -1}}},
        {"batch": {"counts": [], "applications": [], "refusals": {"x": "1"}}},
    ],
)  # fmt: skip
def test_a_batch_that_does_not_fit_is_400_and_counts_nothing(plane, change: dict[str, Any]) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    until(lambda: len(plane.app.feed.latest.state.tokens) == 5)
    body = {"id": "a" * 12, "node": "n" * 12, "batch": encoded(UsageBatch((), ()))}
    assert plane.post("/edge/usage", body, token=EDGE_TOKEN).status == 202
    assert plane.post("/edge/usage", {**body, **change}, token=EDGE_TOKEN).status == 400
    assert counted(plane) == {}


texts = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), min_size=1, max_size=20)
keys = st.builds(CountKey, texts, texts, texts, texts, st.just(HOUR), texts, st.booleans())
seen = st.builds(Seen, texts, texts, texts, texts, st.integers(0, 10**6), st.just(HOUR))
batches = st.builds(
    UsageBatch,
    st.lists(st.builds(Count, keys, st.integers(0, 10**9), st.integers(0, 10**9)), max_size=12).map(tuple),
    st.lists(seen, max_size=12).map(tuple),
    st.dictionaries(texts, st.integers(0, 10**6), max_size=12),
)


def test_a_report_about_reach_travels_as_it_is() -> None:
    (row,) = decoded(UsageBatch, report_of(times=[[38, 1]], slowest_ms=38)).reach
    assert (row.revision, row.times, row.slowest_ms, row.groups[0].app) == ((1, 7), ((38, 1),), 38, "web")


@given(batches, st.integers(1, 20))
def test_a_batch_is_the_sum_of_its_parts(batch: UsageBatch, limit: int) -> None:
    made = [decoded(UsageBatch, part) for part in parts(batch, limit)]
    assert sum((part.counts for part in made), ()) == batch.counts
    assert sum((part.applications for part in made), ()) == batch.applications
    assert {reason: count for part in made for reason, count in part.refusals.items()} == batch.refusals
    assert all(len(part.counts) + len(part.applications) + len(part.refusals) <= limit for part in made)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["counts", "applications", "refusals", "key", "yes", "hour"]), inner)
    ),
    max_leaves=20,
)


@given(json_values)
def test_what_is_no_batch_is_refused_as_such(value: Any) -> None:
    with suppress(ValueError):
        assert isinstance(decoded(UsageBatch, value), UsageBatch)


def test_whatever_a_later_batch_holds_travels_by_its_types() -> None:
    @dataclass(frozen=True)
    class Row:
        project: str
        at: datetime | None

    @dataclass(frozen=True)
    class Later:
        rows: tuple[Row, ...]
        names: dict[str, bool]

    Later.__annotations__ = {"rows": tuple[Row, ...], "names": dict[str, bool]}
    Row.__annotations__ = {"project": str, "at": datetime | None}
    value = Later((Row("shop", HOUR), Row("bank", None)), {"x": True})
    assert decoded(Later, {**encoded(value), "unknown": 1}) == value


def test_a_reason_of_refusal_is_sent_upwards_in_words_that_are_taken_there() -> None:
    batches: list[UsageBatch] = []
    usage = Usage(batches.append)
    usage.absorb(UsageBatch((), (), {"401 unknown token": 3}), source="n", at=HOUR)
    usage.refused("401 unknown token")
    usage.flush()
    assert batches[0].refusals == {"401 unknown token": 4}
