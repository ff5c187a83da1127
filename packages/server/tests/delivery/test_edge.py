"""Claims about edges: what is served below is what is served above, with the same ids, and nobody goes back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_testkit.delivery import RunningServer, flag, serving, strategy
from ensign_testkit.edges import EDGE_TOKEN, Wire, edge
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until

FEATURES, DELTA = "/api/client/features", "/api/client/delta"
BACKEND, FRONTEND = "shop:production.backend-secret", "shop:production.frontend-secret"
EVERYTHING = "*:production.all-secret"


@pytest.fixture
def below(plane, tmp_path: Path) -> Iterator[Any]:
    """The plane's twin: an edge below it, with the same requests."""
    plane.source.token(EDGE_TOKEN, "edge")
    app = edge(plane.server.url, last_good=tmp_path / "edge" / "edge.json")
    twin = type(plane)(plane.source, app, [])
    with serving(app) as twin.server:
        until(lambda: app.feed.current)
        yield twin


def levels(plane, below) -> None:
    until(lambda: plane.app.feed.latest.history.covered == plane.source.number)
    until(lambda: below.app.feed.latest.history.covered == plane.source.number)
    until(lambda: below.app.feed.state is below.app.feed.latest.state)


def test_an_edge_answers_as_the_node_above_does(plane, below) -> None:
    for path, token in (
        (FEATURES, BACKEND), (DELTA, BACKEND), (f"{FEATURES}/menu", BACKEND), ("/api/frontend?userId=7", FRONTEND),
    ):  # fmt: skip
        above, here = plane.get(path, token=token), below.get(path, token=token)
        assert (here.status, here.json) == (200, above.json)
        assert here.headers.get("etag") == above.headers.get("etag")


def test_changes_come_down_with_the_same_ids_so_that_a_client_may_move_between_nodes(plane, below) -> None:
    held = plane.get(DELTA).json["events"][0]
    for round in range(5):
        plane.source.publish([flag("menu", enabled=bool(round % 2)), flag(f"new-{round}")])
    plane.settled(plane.source.number)
    levels(plane, below)
    asked = {"If_None_Match": str(held["eventId"])}
    above, here = plane.get(DELTA, **asked), below.get(DELTA, **asked)
    assert "hydration" not in here.body.decode()
    assert (here.json, here.headers["etag"]) == (above.json, above.headers["etag"])
    assert below.get(DELTA, If_None_Match=above.headers["etag"]).status == 304


def test_a_stream_at_the_edge_is_pushed_what_changes_above(plane, below) -> None:
    with EventStream(below.server.port, BACKEND) as stream:
        assert stream.event().name == "unleash-connected"
        number = plane.source.publish([flag("menu", enabled=False)])
        assert stream.event().fields["id"] == str(number)


def test_a_change_travels_as_a_splice_and_unknown_parts_of_a_ruleset_arrive_untouched(plane, tmp_path: Path) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    many = [flag(f"flag-{n}", strategies=[strategy(parameters={"note": f"{n} – ü {n * 7919}"})]) for n in range(2_000)]
    number = plane.source.publish(many)
    plane.settled(number)
    wire = Wire(plane.server.port)
    app = edge(wire.url)
    with serving(app):
        until(lambda: app.feed.latest.history.covered == number)
        whole = wire.down
        place = "rul_shop_production"
        many[1_000]["enabled"] = False
        number = plane.source.publish(many)
        until(lambda: app.feed.latest.history.covered == number)
        assert wire.down - whole < whole / 10
        assert app.feed.held.copies[place].content == plane.app.feed.held.copies[place].content
        content = json.loads(plane.source._rows[place][1])  # with what a later version of Ensign might add
        content |= {"signature": {"key": "ü\u2028", "nested": [1, {"x": None}]}, "number": number + 1}
        with plane.source._lock:
            plane.source.number += 1
            plane.source._sequence += 1
            plane.source._rows[place] = plane.source._sequence, json.dumps(content, ensure_ascii=False)
        until(lambda: app.feed.held.copies[place].revision[1] == number + 1)
        assert json.loads(app.feed.held.copies[place].content) == content
    wire.close()


def test_an_edge_sees_its_environment_and_projects_and_tokens_within_them_alone(plane, below) -> None:
    held = below.app.feed.held
    assert {copy.place for copy in held.copies.values()} == {("shop", "production")}
    assert below.get(FEATURES, token=EVERYTHING).status == 401, "it reaches further than the edge"
    assert {row.type for row in held.tokens} == {"backend", "frontend", "edge"}
    kept = below.app.feed._file._path
    until(kept.exists)
    assert "secret" not in kept.read_text()


def test_one_edge_may_hold_a_token_for_each_environment(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    other = plane.source.token("*:development.edge-two", "edge", environment="development", projects=("*",))
    plane.source.token("*:development.b", environment="development", projects=("*",))
    app = edge(plane.server.url, EDGE_TOKEN, other)
    twin = type(plane)(plane.source, app, [])
    with serving(app) as twin.server:
        until(lambda: app.feed.current)
        assert len(app.feed.held.copies) == 2
        assert twin.get(FEATURES, token="*:development.b").json["features"][0]["name"] == "basket"


def test_a_client_token_that_is_revoked_above_is_refused_below(plane, below) -> None:
    assert below.get(FEATURES).status == 200
    with EventStream(below.server.port, BACKEND) as stream:
        stream.event()
        plane.source.token(BACKEND, status="revoked")
        while stream.next() is not None:
            pass
    assert below.get(FEATURES).status == 401


def test_a_revoked_edge_token_ends_the_feed_and_the_edge_keeps_what_it_has(plane, below, caplog) -> None:
    plane.source.token(EDGE_TOKEN, "edge", status="revoked")
    until(lambda: not below.app.feed.current)
    until(lambda: "refuses the edge tokens (401)" in below.app.feed.problem)
    assert "refuses the edge tokens" in caplog.text
    assert EDGE_TOKEN not in caplog.text
    assert below.get(FEATURES).status == 200
    assert below.get(FEATURES, token="shop:production.unknown").status == 503
    number = plane.source.publish([flag("secret-plan")])
    plane.settled(number)
    assert "secret-plan" not in json.dumps(below.get(FEATURES).json)


def test_one_revoked_token_of_two_stops_its_environment_alone(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    other = plane.source.token("*:development.edge-two", "edge", environment="development", projects=("*",))
    dev = plane.source.token("*:development.b", environment="development", projects=("*",))
    app = edge(plane.server.url, EDGE_TOKEN, other)
    twin = type(plane)(plane.source, app, [])
    with serving(app) as twin.server:
        until(lambda: app.feed.current)
        plane.source.token(other, "edge", environment="development", projects=("*",), status="revoked")
        until(lambda: "*:development" in app.feed.problem)
        assert "edge-two" not in app.feed.problem
        assert not app.feed.current
        assert twin.get(FEATURES, token=dev).status == 200, "its last good state is served on"
        plane.source.publish([flag("fresh")])
        until(lambda: [f["name"] for f in twin.get(FEATURES).json["features"]] == ["fresh"])
        plane.source.token(BACKEND, status="revoked")
        until(lambda: twin.get(FEATURES).status == 503)


@pytest.mark.parametrize("path", [FEATURES, DELTA, "/api/client/streaming", "/api/frontend", f"{FEATURES}/menu"])
def test_an_edge_token_opens_no_api_of_sdks(plane, path: str) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    until(lambda: plane.get(path, token=EDGE_TOKEN).status == 403)
    assert plane.post("/api/client/metrics", {"appName": "x"}, token=EDGE_TOKEN).status == 403
    assert plane.post("/edge/validate", {"tokens": [EDGE_TOKEN]}).json == {"tokens": []}


ASKED = {"protocol": 1, "known": {}, "number": 0, "epoch": 0}


@pytest.mark.parametrize("path", ["/edge/feed", "/edge/usage"])
def test_other_tokens_open_nothing_of_edges(plane, path: str) -> None:
    for token, status in (
        (BACKEND, 403), (FRONTEND, 403), (EVERYTHING, 403), ("user:0123", 403), ("ensign_svc_abcdef", 403),
        ("shop:production.unknown", 401), ("", 401),
    ):  # fmt: skip
        assert plane.post(path, ASKED, token=token).status == status, token
    assert plane.post(path, {**ASKED, "tokens": [EDGE_TOKEN]}, token=None).status == 401
    plane.source.down = True
    until(lambda: not plane.app.feed.current)
    assert plane.post(path, ASKED, token="shop:production.new").status == 503


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": 2}, {"protocol": None},
        {"known": []}, {"known": {"a": 1}}, {"known": {"a": "x"}}, {"known": {"a": "1.2.3"}},
        {"number": "x"}, {"number": None}, {"number": 1e400}, {"epoch": []},
    ],
)  # fmt: skip
def test_a_request_for_a_feed_that_cannot_be_understood_is_400(plane, change: dict[str, Any]) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    until(lambda: len(plane.app.feed.latest.state.tokens) == 5)
    assert plane.post("/edge/feed", {**ASKED, **change}, token=EDGE_TOKEN).status == 400
    assert plane.post("/edge/feed", b"[" * 10_000, token=EDGE_TOKEN).status == 400
    assert plane.post("/edge/feed", ASKED, token=",".join([EDGE_TOKEN] * 101)).status == 400


def test_a_tree_serves_what_the_root_publishes_and_edges_move_between_its_nodes(plane, below) -> None:
    leaf = edge(below.server.url)
    with serving(leaf):
        number = plane.source.publish([flag("deep")])
        until(lambda: leaf.feed.latest.history.covered == number)
        rul = "rul_shop_production"
        assert leaf.feed.held.copies[rul].content == plane.app.feed.held.copies[rul].content
        plane.source.down = True
        plane.source.hint()
        until(lambda: not leaf.feed.current)
        assert "lost its own source" in leaf.feed.problem, "what is cut off higher up is known further down"
        plane.source.token("shop:production.later")
        plane.source.down = False
        until(lambda: leaf.feed.current)
        until(lambda: leaf.feed.latest.state.tokens.keys() == below.app.feed.latest.state.tokens.keys())


def test_a_token_that_was_revoked_here_is_not_let_in_by_a_node_that_is_behind(plane, tmp_path: Path) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    old = tmp_path / "old.json"
    with serving(edge(plane.server.url, last_good=old)) as node:
        until(lambda: old.exists())
        until(lambda: plane.app.edges.count == 1)
        assert node.port
    plane.source.token(BACKEND, status="revoked")
    app = edge(plane.server.url, last_good=tmp_path / "mine.json")
    with serving(app):
        until(lambda: app.feed.current)
    # A second node that started from an old copy and cannot reach the root.
    stale = edge("http://127.0.0.1:1", last_good=old)
    with serving(stale) as above:
        app = edge(above.url, last_good=tmp_path / "mine.json")
        twin = type(plane)(plane.source, app, [])
        with serving(app) as twin.server:
            until(lambda: "lost its own source" in app.feed.problem)
            assert twin.get(FEATURES).status == 503
            assert twin.get("/api/frontend", token=FRONTEND).status == 200


def test_garbage_from_above_changes_nothing_and_is_recovered_from(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    wire = Wire(plane.server.port)
    app = edge(wire.url)
    with serving(app):
        until(lambda: app.feed.current)
        for garbage in (b"\x00\xff" * 50, b"{}\n", b"5\r\n[[[[[\r\n", b""):
            wire.spoil = lambda _data, garbage=garbage: garbage
            plane.source.publish([flag("bent")])
            wire.sever()
            until(lambda: not app.feed.current)
            assert ("shop", "production") in app.feed.state.rulesets
            wire.spoil = lambda data: data
            wire.sever()
            until(lambda: app.feed.current)
            assert app.feed.latest.history.covered == plane.source.number
    wire.close()


def test_whole_and_spliced_lead_to_the_same_rules_as_the_engine_applies_them(plane, below) -> None:
    known = Ruleset.empty().apply_delta(below.get(DELTA).body)
    last = below.get(DELTA).headers["etag"]
    for round in range(10):
        plane.source.publish([flag(f"f-{n}", enabled=n % (round + 2) == 0) for n in range(20)])
        levels(plane, below)
        answer = below.get(DELTA, If_None_Match=last)
        known, last = known.apply_delta(answer.body), answer.headers["etag"]
        fresh = Ruleset.empty().apply_delta(plane.get(DELTA).body)
        assert dict(known.flags) == dict(fresh.flags)


def test_a_slow_edge_is_cut_off_and_holds_up_nobody(plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensign.delivery.outlet.STALLED", 0.5)
    plane.source.token(EDGE_TOKEN, "edge")
    body = json.dumps(ASKED).encode()
    well = edge(plane.server.url)
    with serving(well), socket.create_connection(("127.0.0.1", plane.server.port)) as stalled:
        head = f"Host: x\r\nAuthorization: {EDGE_TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        stalled.sendall(b"POST /edge/feed HTTP/1.1\r\n" + head.encode() + body)
        until(lambda: plane.app.edges.count == 2)
        large = [flag(f"f-{n}", description="long" * 500) for n in range(4_000)]
        for round in range(3):
            large = [{**one, "description": f"{round}{one['description']}"} for one in large]
            number = plane.source.publish(large)
            until(lambda wanted=number: well.feed.latest.history.covered == wanted, 60)
        until(lambda: plane.app.edges.count == 1, 60)
        assert well.feed.current


def test_an_upstream_that_redirects_is_not_followed() -> None:
    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        asked.append(scope["path"])
        headers = [(b"location", b"/other"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body"})

    asked: list[str] = []
    with serving(elsewhere) as server:
        app = edge(server.url)
        with serving(app):
            until(lambda: "redirects (307)" in app.feed.problem)
    assert set(asked) == {"/edge/feed"}


def test_a_new_epoch_is_followed_and_an_old_revision_is_not(plane, below) -> None:
    plane.source.publish([flag("restored")], number=1_000, epoch=2)
    until(lambda: below.app.feed.state.rulesets["shop", "production"].revision == (2, 1_000))
    plane.source.publish([flag("older")], number=1_100, epoch=1)
    number = plane.source.publish([flag("loan", project="bank")], project="bank", number=1_200, epoch=2)
    until(lambda: plane.app.feed.latest.history.covered == number)
    levels(plane, below)
    assert below.app.feed.state.rulesets["shop", "production"].revision == (2, 1_000)
    assert plane.app.feed.held.copies["rul_shop_production"].revision == (2, 1_000)


def test_streams_and_feeds_end_when_the_node_stops(plane, below) -> None:
    assert isinstance(plane.server, RunningServer)
    until(lambda: plane.app.edges.count == 1)
    plane.server.stop()
    until(lambda: not below.app.feed.current)
    assert below.get(FEATURES).status == 200
