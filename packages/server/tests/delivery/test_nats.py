"""Claims about edges that follow NATS: a real server, restarted, emptied, with small messages and narrow rights."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.nats_publisher import NatsPublisher
from ensign.delivery.nats_records import Head, NatsPlace, records, unpacked
from ensign.delivery.source_nats import NatsSource
from ensign_testkit.delivery import flag, serving
from ensign_testkit.edges import Lagging, Wire
from ensign_testkit.nats_server import NatsServer
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until
from nats.js.kv import KeyValue

FEATURES, DELTA = "/api/client/features", "/api/client/delta"
BACKEND = "shop:production.backend-secret"


@pytest.fixture(scope="module")
def broker() -> Iterator[NatsServer]:
    running = NatsServer()
    yield running
    running.close()


@pytest.fixture
def bucket(broker: NatsServer, request: pytest.FixtureRequest) -> NatsPlace:
    """A bucket of the test's own."""
    return NatsPlace.at(broker.url, bucket=f"B{abs(hash(request.node.nodeid))}")


@pytest.fixture
def published(plane, bucket: NatsPlace) -> Iterator[NatsPublisher]:
    publisher = NatsPublisher(plane.app.feed, bucket)
    publisher.start()
    yield publisher
    publisher.stop()


def below(plane, place: NatsPlace, *, patience: float = 15.0, **more: Any) -> Any:
    source = NatsSource(place, patience=patience)
    app = DeliveryApp(source, **more)
    source.follow(app.feed)
    return type(plane)(plane.source, app, [])


def covers(node: Any, number: int) -> bool:
    return bool(node.app.feed.latest.history.covered >= number)


def test_an_edge_serves_what_the_bucket_holds_with_the_ids_of_the_server(plane, bucket, published) -> None:
    edge = below(plane, bucket)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        for path in (FEATURES, DELTA):
            assert edge.get(path).json == plane.get(path).json
        held = plane.get(DELTA).headers["etag"]
        with EventStream(edge.server.port, BACKEND) as stream:
            stream.event()
            number = plane.source.publish([flag("menu", enabled=False)])
            assert stream.event().fields["id"] == str(number)
        assert edge.get(DELTA, If_None_Match=held).json == plane.get(DELTA, If_None_Match=held).json
        plane.source.token(BACKEND, status="revoked")
        until(lambda: edge.get(FEATURES).status == 401)


def test_signatures_and_proofs_come_along_also_a_proof_that_comes_alone(plane, bucket, published) -> None:
    edge = below(plane, bucket)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        proof = json.dumps({"project": "shop", "environment": "production", "proof": "ü"})
        plane.source.proofs = {"rul_shop_production": proof}
        plane.source.hint()
        until(lambda: edge.app.feed.proofs == {("shop", "production"): proof.encode()})
        held = edge.app.feed.held.copies["rul_shop_production"]
        assert held.content == plane.app.feed.held.copies["rul_shop_production"].content


def test_after_nats_was_restarted_or_lost_everything_edges_converge_and_never_go_back(plane, tmp_path: Path) -> None:
    broker = NatsServer()
    place = NatsPlace.at(broker.url)
    publisher = NatsPublisher(plane.app.feed, place)
    publisher.start()
    edge = below(plane, place)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        held = edge.app.feed.latest.state.rulesets.get(("shop", "production"))
        if held is not None:
            seen.append(held.revision)

    edge.app.feed.follow(look)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        for lost in (False, True):
            broker.stop()
            until(lambda: not edge.app.feed.current)
            number = plane.source.publish([flag(f"while-away-{lost}")])
            assert edge.get(FEATURES).status == 200
            assert edge.get(FEATURES, token="shop:production.unknown").status == 503
            if lost:
                broker.lose()
            broker.start()
            until(lambda wanted=number: covers(edge, wanted) and edge.app.feed.current)
        assert edge.get(FEATURES).json == plane.get(FEATURES).json
    assert len(set(seen)) == 3
    assert seen == sorted(seen)
    publisher.stop()
    broker.close()


def test_a_node_that_was_cut_off_converges_by_revision(plane, bucket, published) -> None:
    host = Wire(int(bucket.url.rsplit(":", 1)[1]))
    edge = below(plane, NatsPlace.at(f"nats://127.0.0.1:{host.port}", bucket=bucket.bucket), patience=2.0)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        first = edge.get(DELTA).headers["etag"]
        host.hold()  # neither side is told
        for round in range(5):
            number = plane.source.publish([flag(f"f-{round}")])
        until(lambda: not edge.app.feed.current)
        host.mend()
        until(lambda: covers(edge, number))
        assert edge.get(DELTA, If_None_Match=first).json == plane.get(DELTA, If_None_Match=first).json
    host.close()


def test_without_a_sign_of_life_of_a_server_what_the_bucket_holds_is_in_doubt(plane, bucket) -> None:
    publisher = NatsPublisher(plane.app.feed, bucket)
    publisher.start()
    edge = below(plane, bucket, patience=7.0)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        publisher.stop()
        until(lambda: "sign of life" in edge.app.feed.problem)
        assert edge.get(FEATURES).status == 200
        assert edge.get(FEATURES, token="shop:production.unknown").status == 503
    late = below(plane, bucket, patience=7.0)
    with serving(late.app) as late.server:
        until(lambda: late.app.feed.warm)
        assert late.get(FEATURES).status == 200
        assert late.get(FEATURES, token="shop:production.unknown").status == 503, "nobody may be there any more"
        publisher.start()
        until(lambda: late.app.feed.current)
        assert late.get(FEATURES, token="shop:production.unknown").status == 401
    publisher.stop()


def test_a_server_that_is_cut_off_from_its_database_publishes_nothing(plane, bucket) -> None:
    until(lambda: plane.app.feed.current)
    plane.source.down = True
    until(lambda: not plane.app.feed.current)
    publisher = NatsPublisher(plane.app.feed, bucket)
    publisher.start()
    edge = below(plane, bucket, patience=1.0)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.problem)
        assert edge.get("/ready", token=None).status == 503, "an empty bucket is no state"
        plane.source.down = False
        until(lambda: edge.app.feed.warm)
    publisher.stop()


def test_rulesets_larger_than_a_message_travel_in_parts_and_old_parts_are_removed(plane) -> None:
    broker = NatsServer("max_payload: 65536")
    place = NatsPlace.at(broker.url, environments="production")
    chance = random.Random(7)
    many = [flag(f"f-{n}", description=chance.randbytes(100).hex()) for n in range(5_000)]
    plane.settled(plane.source.publish(many))
    publisher = NatsPublisher(plane.app.feed, place)
    publisher.start()
    edge = below(plane, place)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        for round in range(4):
            many[round]["enabled"] = False
            number = plane.source.publish(many)
            until(lambda wanted=number: covers(edge, wanted), 60)
        rul = "rul_shop_production"
        assert edge.app.feed.held.copies[rul].content == plane.app.feed.held.copies[rul].content
        keys = asyncio.run(_keys(place))
        assert {key for key in keys if key.startswith("env.")} == {"env.production"}
        generations = {key.split(".")[2] for key in keys if key.startswith("part.")}
        assert 1 <= len(generations) <= 2
    publisher.stop()
    broker.close()


def test_an_edge_that_missed_a_record_notices_by_the_next_sign_of_life_and_reads_anew(plane, bucket, published) -> None:
    edge = below(plane, bucket, patience=1.0)
    edge.app.feed._source._patience = 15.0
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        wire = edge.app.feed._source._wire
        wire._patience = 0.5
        wire._states["env.production"] = "what it had before"
        until(lambda: edge.app.feed._source._wire not in {wire, None})
        until(lambda: edge.app.feed.current)


def test_a_server_that_was_overtaken_while_it_wrote_looks_again(plane, bucket, published, monkeypatch) -> None:
    edge = below(plane, bucket)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        real, overtaken = KeyValue.update, []

        async def update(self: KeyValue, key: str, value: bytes, last: int | None = None, **more: Any) -> int:
            if not overtaken:
                overtaken.append(await self.put(key, b"what another server wrote in between\n"))
            return await real(self, key, value, last=last, **more)

        monkeypatch.setattr(KeyValue, "update", update)
        number = plane.source.publish([flag("mine in the end")])
        until(lambda: covers(edge, number) and edge.app.feed.current)
        assert overtaken
        assert edge.get(FEATURES).json == plane.get(FEATURES).json


def test_two_servers_publish_into_one_bucket_and_the_one_behind_takes_nothing_back(plane, bucket) -> None:
    behind = Lagging(plane.source)
    other = DeliveryApp(behind)
    with serving(other):
        until(lambda: other.feed.current)
        behind.frozen = True
        publishers = [NatsPublisher(app.feed, bucket) for app in (plane.app, other)]
        number = plane.source.publish([flag("newest")])
        plane.settled(number)
        for publisher in publishers:
            publisher.start()
        edge = below(plane, bucket)
        with serving(edge.app) as edge.server:
            until(lambda: covers(edge, number))
            for _ in range(3):
                for publisher in publishers:
                    publisher.changed()
                plane.source.token("shop:production.more")
            number = plane.source.publish([flag("newer still")])
            until(lambda: covers(edge, number))
            assert edge.get(FEATURES).json == plane.get(FEATURES).json
        for publisher in publishers:
            publisher.stop()


def test_an_edge_needs_no_right_to_write_the_bucket_and_the_documented_rights_suffice(plane) -> None:
    broker = NatsServer(RIGHTS)
    publisher = NatsPublisher(plane.app.feed, NatsPlace.at(f"nats://server:one@127.0.0.1:{broker.port}"))
    publisher.start()
    place = NatsPlace.at(f"nats://edge:two@127.0.0.1:{broker.port}")
    assert "two" not in place.shown
    edge = below(plane, place)
    with serving(edge.app) as edge.server:
        until(lambda: edge.app.feed.current)
        assert edge.get(FEATURES).json == plane.get(FEATURES).json
        number = plane.source.publish([flag("menu", enabled=False)])
        until(lambda: covers(edge, number))
    with pytest.raises((nats.errors.Error, TimeoutError)):
        asyncio.run(_write(place))
    publisher.stop()
    broker.close()


RIGHTS = """
authorization {
  users = [
    { user: "server", password: "one" }
    { user: "edge", password: "two", permissions: {
        publish: ["$JS.API.STREAM.INFO.KV_ENSIGN",
                  "$JS.API.CONSUMER.CREATE.KV_ENSIGN", "$JS.API.CONSUMER.CREATE.KV_ENSIGN.>",
                  "$JS.API.CONSUMER.INFO.KV_ENSIGN.>", "$JS.API.CONSUMER.DELETE.KV_ENSIGN.>",
                  "$JS.API.STREAM.MSG.GET.KV_ENSIGN", "$JS.API.DIRECT.GET.KV_ENSIGN.>", "$JS.FC.>"]
        subscribe: ["_INBOX.>"] } }
  ]
}
"""


@pytest.mark.parametrize("url", ["http://x", "nats://", "x", "nats://h:port"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text differs by what is wrong
        NatsPlace.at(url)


def test_a_record_that_was_cut_short_or_bent_is_refused(plane) -> None:
    (record,) = [one for one in records(plane.app.feed.held, {}, ()) if one.environment == "production"]
    body = record.body()
    head = Head(record.revision, record.state, "0" * 64)
    with pytest.raises(ValueError, match="not whole"):
        unpacked(head, body)
    for value in (b"", b"{}\n", b"[1,2]\n", b"\xff\n"):
        with pytest.raises((ValueError, TypeError)):
            Head.read(value)


async def _keys(place: NatsPlace) -> list[str]:
    connection = await nats.connect(place.url)
    try:
        bucket = await connection.jetstream().key_value(place.bucket)
        return list(await bucket.keys())
    finally:
        await connection.close()


async def _write(place: NatsPlace) -> None:
    async def quiet(_problem: Exception) -> None: ...

    connection = await nats.connect(place.url, error_cb=quiet)
    try:
        bucket = await connection.jetstream(timeout=1).key_value(place.bucket)
        await bucket.put("env.production", b"forged")
    finally:
        await connection.close()
