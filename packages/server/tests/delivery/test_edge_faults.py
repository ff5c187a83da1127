"""Claims about edges in trouble: broken and silent wires, nodes that are behind, full disks; nobody ever goes back."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.published import Revision
from ensign_testkit.certificates import Authority
from ensign_testkit.delivery import flag, serving
from ensign_testkit.edges import EDGE_TOKEN, Lagging, Wire, edge
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until

FEATURES, DELTA = "/api/client/features", "/api/client/delta"
BACKEND = "shop:production.backend-secret"


def twin(plane, app: Any) -> Any:
    return type(plane)(plane.source, app, [])


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_its_wire_an_edge_never_goes_back_and_converges(plane, seed: int, tmp_path: Path) -> None:
    """Two nodes above, one of which is behind at times; epochs begin; the edge is moved, cut off and started anew."""
    chance = random.Random(seed)  # a test's own
    plane.source.token(EDGE_TOKEN, "edge")
    behind = Lagging(plane.source)
    other = DeliveryApp(behind)
    seen: list[Revision] = []
    went_back: list[tuple[Revision, Revision]] = []

    def made() -> DeliveryApp:
        app = edge(wire.url, last_good=tmp_path / "edge.json", patience=2.0)

        def look() -> None:
            held = app.feed.latest.state.rulesets.get(("shop", "production"))
            if held is not None:
                if seen and held.revision < seen[-1]:
                    went_back.append((seen[-1], held.revision))
                seen.append(held.revision)

        app.feed.follow(look)
        return app

    with serving(other) as second:
        wire = Wire(plane.server.port)
        app = made()
        app.feed.start()
        until(lambda: app.feed.current)
        for step in range(30):
            match chance.choice(["publish", "publish", "move", "sever", "lag", "catch up", "restart", "epoch"]):
                case "publish":
                    plane.source.publish([flag("menu", enabled=step % 2 == 0), flag(f"f{step}")])
                case "move":
                    wire.target = chance.choice([plane.server.port, second.port])
                    wire.sever()
                case "sever":
                    wire.sever()
                case "lag":
                    behind.frozen = True
                case "catch up":
                    behind.frozen = False
                case "restart":
                    app.feed.stop()
                    app = made()
                    app.feed.start()
                case "epoch":
                    plane.source.epoch += 1
                    plane.source.number += 1_000
                    plane.source.publish([flag("restored")])
            threading.Event().wait(chance.random() * 0.1)
        behind.frozen = False
        number = plane.source.publish([flag("last")])
        until(lambda: app.feed.current and app.feed.latest.history.covered >= number)
        assert not went_back
        held, above = app.feed.held.copies, plane.app.feed.held.copies
        assert held["rul_shop_production"].content == above["rul_shop_production"].content
        app.feed.stop()
        wire.close()


def test_a_wire_that_says_nothing_is_noticed_and_the_edge_goes_on_elsewhere(plane) -> None:
    """Half-open: the connection stands and nothing comes, as when a cable is pulled or a firewall forgets."""
    plane.source.token(EDGE_TOKEN, "edge")
    plane.app.edges._keep_alive = 0.2
    wire = Wire(plane.server.port)
    below = twin(plane, edge(wire.url, patience=1.0))
    with serving(below.app) as below.server:
        until(lambda: below.app.feed.current)
        wire.hold()
        until(lambda: not below.app.feed.current)
        assert "nothing was heard" in below.app.feed.problem or "no answer in time" in below.app.feed.problem
        assert below.get(FEATURES).status == 200
        assert below.get(FEATURES, token="shop:production.unknown").status == 503
        number = plane.source.publish([flag("meanwhile")])
        wire.mend()
        until(lambda: below.app.feed.current and below.app.feed.latest.history.covered == number)
    wire.close()


def test_after_a_cut_only_what_changed_is_sent_again(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    plane.source.publish([flag(f"f-{n}", description=f"{n * n}") for n in range(2_000)])
    wire = Wire(plane.server.port)
    app = edge(wire.url)
    with serving(app):
        until(lambda: app.feed.current and app.feed.latest.history.covered == plane.source.number)
        whole, before = wire.down, wire.taken  # the first try may have come before the server knew the edge's token
        wire.sever()
        until(lambda: wire.taken > before and app.feed.current)
        number = plane.source.publish([flag("loan", project="bank")], project="bank")
        until(lambda: app.feed.latest.history.covered == number)
        assert wire.down - whole < whole / 5
    wire.close()


def test_an_edge_that_starts_with_nothing_above_serves_what_it_had_and_its_clients_miss_nothing(
    plane, tmp_path: Path
) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    kept = tmp_path / "edge.json"
    below = twin(plane, edge(plane.server.url, last_good=kept))
    with serving(below.app) as below.server:
        until(lambda: below.app.feed.current)
        first = below.get(DELTA)
        number = plane.source.publish([flag("menu", enabled=False)])
        until(lambda: below.app.feed.latest.history.covered == number)
        until(lambda: str(number) in kept.read_text())
    again = twin(plane, edge("http://127.0.0.1:1", last_good=kept))
    with serving(again.app) as again.server:
        assert again.get("/ready", token=None).status == 200
        assert again.get(FEATURES).json["features"][0]["enabled"] is False
        events = again.get(DELTA, If_None_Match=first.headers["etag"]).json["events"]
        assert {event["type"] for event in events} <= {"feature-updated", "feature-removed", "segment-removed"}
        with EventStream(again.server.port, BACKEND, last=first.headers["etag"].strip('"')) as stream:
            assert stream.event().events == events
        assert again.get(FEATURES, token="shop:production.unknown").status == 503


def test_a_full_disk_is_said_once_and_stops_nothing(plane, tmp_path: Path, caplog, monkeypatch) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    blocked = tmp_path / "a file"
    blocked.write_text("where the directory should be")
    below = twin(plane, edge(plane.server.url, last_good=blocked / "edge.json"))
    with serving(below.app) as below.server:
        for round in range(3):
            number = plane.source.publish([flag("menu", enabled=bool(round % 2))])
            until(lambda wanted=number: below.app.feed.state.rulesets["shop", "production"].revision[1] == wanted)
        until(lambda: below.get(FEATURES).status == 200)
    assert caplog.text.count("cannot keep the last good state on disk") == 1


def test_expiry_goes_by_the_clock_of_the_edge_also_when_that_jumps(plane) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    text = plane.source.token("shop:production.short", expires_at=soon)
    shift = timedelta()
    app = edge(plane.server.url, clock=lambda: datetime.now(UTC) + shift)
    below = twin(plane, app)
    with serving(app) as below.server:
        until(lambda: app.feed.current)
        assert below.get(FEATURES, token=text).status == 200
        shift = timedelta(hours=2)
        assert below.get(FEATURES, token=text).status == 401
        number = plane.source.publish([flag("onwards")])
        until(lambda: app.feed.latest.history.covered == number)
        shift = -timedelta(days=400)
        assert below.get(FEATURES, token=text).status == 200
        number = plane.source.publish([flag("backwards")])
        until(lambda: app.feed.latest.history.covered == number)


def test_an_expired_edge_token_ends_its_feed_without_anything_else_happening(plane) -> None:
    plane.app.edges._keep_alive = 0.1
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    plane.source.token(EDGE_TOKEN, "edge", expires_at=ends.isoformat())
    app = edge(plane.server.url)
    with serving(app):
        until(lambda: app.feed.warm)
        until(lambda: "refuses the edge tokens (401)" in app.feed.problem)


@pytest.mark.parametrize(
    ("host", "known", "said"),
    [
        ("localhost", True, ""),
        ("localhost", False, "its certificate is not to be trusted"),
        ("elsewhere.example", True, "its certificate is not to be trusted"),
    ],
)
def test_over_tls_the_certificate_of_the_node_above_is_checked(
    plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, known: bool, said: str
) -> None:
    plane.source.token(EDGE_TOKEN, "edge")
    authority = Authority(tmp_path)
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with serving(DeliveryApp(plane.source), tls=authority.server(host)) as server:
        app = edge(server.url)
        with serving(app):
            until(lambda: app.feed.problem or app.feed.warm)
            assert (said in app.feed.problem, app.feed.warm) == (True, not said)
