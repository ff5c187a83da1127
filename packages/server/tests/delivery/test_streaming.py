"""Claims about `/api/client/streaming`: everything at once, then each change at once; nobody in another's way."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.delivery import hub, outlet
from ensign.delivery.app import DeliveryApp
from ensign_engine import Ruleset
from ensign_testkit.delivery import MemorySource, constraint, flag, serving, strategy
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until

SHOP, EVERYTHING = "shop:production.backend-secret", "*:production.all-secret"
STREAMING = "/api/client/streaming"


@pytest.fixture
def connect(plane) -> Any:
    """Opens streams that are closed afterwards."""
    opened: list[EventStream] = []

    def make(token: str = SHOP, **more: Any) -> EventStream:
        stream = EventStream(plane.server.port, token, **more)
        opened.append(stream)
        return stream

    yield make
    for stream in opened:
        stream.close()


def test_first_comes_everything_and_then_each_change(plane, connect) -> None:
    stream = connect()
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert (stream.headers["ensign-revision"], "content-encoding" in stream.headers) == ("1.1", False)
    first = stream.event()
    (hydration,) = first.events
    assert (first.name, first.fields["id"], hydration["type"]) == ("unleash-connected", "1", "hydration")
    assert [item["name"] for item in hydration["features"]] == ["basket", "colour", "menu", "old"]
    for enabled in (False, True):
        number = plane.source.publish([flag("menu", enabled=enabled)])
        event = stream.event()
        assert (event.name, event.fields["id"], event.fields["revision"]) == (
            "unleash-updated", str(number), f"1.{number}"
        )  # fmt: skip
        updated = [told["feature"] for told in event.events if told["type"] == "feature-updated"]
        assert updated == [flag("menu", enabled=enabled)]


def test_it_goes_on_where_the_client_was(plane, connect) -> None:
    known = connect().event().fields["id"]
    stream = connect(last=known)
    first = stream.event()
    assert (first.name, first.events, "id" in first.fields) == ("unleash-connected", [], False)
    number = plane.source.publish([flag("menu", enabled=False)])
    assert stream.event().fields["id"] == str(number)
    resumed = connect(last=known).event()
    assert resumed.name == "unleash-connected"
    assert {event["eventId"] for event in resumed.events} == {number}
    assert "hydration" not in {event["type"] for event in resumed.events}
    for nonsense in ("", "abc", "-1", "1e3", "9" * 40):
        assert connect(last=nonsense).event().events[0]["type"] == "hydration"


def test_changes_elsewhere_are_not_sent(plane, connect) -> None:
    mine, all_ = connect(), connect(EVERYTHING)
    mine.event(), all_.event()
    bank = plane.source.publish([flag("loan", project="bank", enabled=False)], project="bank")
    assert all_.event().fields["id"] == str(bank)
    plane.source.publish([flag("basket")], environment="development")
    number = plane.source.publish([flag("menu")])
    assert mine.event().fields["id"] == str(number)
    assert all_.event().fields["id"] == str(number)


def test_a_new_epoch_sends_everything_anew(plane, connect) -> None:
    stream = connect()
    stream.event()
    plane.source.epoch = 2
    plane.source.publish([flag("menu")], number=1_000_000)
    event = stream.event()
    assert (event.name, event.fields["revision"], event.events[0]["type"]) == (
        "unleash-updated", "2.1000000", "hydration"
    )  # fmt: skip


def test_a_prefix_narrows_the_stream(plane, connect) -> None:
    stream = connect(path=f"{STREAMING}?namePrefix=me")
    assert [item["name"] for item in stream.event().events[0]["features"]] == ["menu"]
    plane.source.publish([flag("basket", enabled=False), flag("menu", enabled=False)])
    updated = [event for event in stream.event().events if event["type"] == "feature-updated"]
    assert [event["feature"]["name"] for event in updated] == ["menu"]


def test_many_streams_through_many_changes_all_end_with_the_newest_rules(plane, connect) -> None:
    def followed(stream: EventStream, last: int) -> Ruleset:
        rules = Ruleset.empty()
        while True:
            event = stream.event()
            rules = rules.apply_delta({"events": event.events})
            if int(event.fields.get("id", 0)) >= last:
                return rules

    first = plane.source.number
    results: list[Any] = []
    last = first + 60

    def run(stream: EventStream) -> None:
        results.append(followed(stream, last).to_document())

    threads = [threading.Thread(target=run, args=(connect(),), daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        segment = {"id": 7, "name": "testers", "constraints": [constraint("v", "IN", str(turn))]}
        on = strategy(segments=[7]) if turn % 3 else strategy()
        plane.source.publish([flag(f"f{turn % 7}", strategies=[on])], segments=[segment] if turn % 3 else [])
        if turn % 10 == 0:
            threads.append(threading.Thread(target=run, args=(connect(),), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join(20)
    assert len(results) == len(threads)
    plane.settled(last)
    fresh = plane.get("/api/client/features", unleash_client_spec="5.2.0").json
    assert all(result["features"] == fresh["features"] for result in results)
    assert all(result["segments"] == fresh["segments"] for result in results)


def test_a_revoked_token_ends_its_streams_at_once_and_no_others(plane, connect) -> None:
    revoked, others = [connect() for _ in range(3)], connect(EVERYTHING)
    for stream in [*revoked, others]:
        stream.event()
    began = time.monotonic()
    plane.source.token(SHOP, status="revoked")
    assert [stream.next() for stream in revoked] == [None] * 3
    assert time.monotonic() - began < 10  # the next keep-alive would come after 20 s
    assert connect().status == 401
    number = plane.source.publish([flag("menu")])
    assert others.event().fields["id"] == str(number)


def test_an_expired_token_ends_its_streams(tmp_path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    source = MemorySource()
    source.token(SHOP, expires_at="2026-01-01T01:00:00Z")
    source.publish([flag("menu")])
    app = DeliveryApp(source, clock=lambda: now[0])
    with serving(app) as server:
        until(lambda: app.feed.current)
        with EventStream(server.port, SHOP) as stream:
            assert stream.event().name == "unleash-connected"
            now[0] += timedelta(hours=1)
            assert stream.next() is None


def test_comments_keep_a_quiet_stream_alive(plane, connect) -> None:
    assert hub.KEEP_ALIVE <= 25
    stream = connect()
    stream.event()
    until(lambda: plane.app.hub.count == 1)
    pulse = plane.app.hub
    (lane,) = pulse._lanes.values()
    (held,) = lane.streams
    assert held in pulse._beats[held.beat], "it has its turn among the twenty"
    for beat in pulse._beats:  # now it has every turn: twenty seconds are a long test
        beat.add(held)
    assert stream.next() is not None
    assert stream.comments == 1
    for beat in pulse._beats:
        beat.discard(held)


def test_a_client_that_takes_nothing_is_dropped_and_holds_up_nobody(plane, connect, monkeypatch, caplog) -> None:
    monkeypatch.setattr(outlet, "STALLED", 6.0)
    caplog.set_level(logging.INFO, "ensign.delivery")
    good, stalled = connect(), connect()
    good.event(), stalled.event()
    until(lambda: plane.app.hub.count == 2)
    took = []
    began = time.monotonic()
    turn = 0
    while plane.app.hub.count == 2 and time.monotonic() - began < 60:
        turn += 1
        number = plane.source.publish([flag("menu", description=f"{turn}" + "x" * 60_000)])
        asked = time.monotonic()
        while int(good.event().fields["id"]) < number:
            pass
        took.append(time.monotonic() - asked)
    assert plane.app.hub.count == 1, "it was dropped"
    assert "takes nothing" in caplog.text
    assert max(took) < 5, "nobody waited for it to be given up"
    assert "completing" not in caplog.text, "the server does not take it for a defect"


def test_a_slow_client_gets_what_it_missed_in_one_document(plane, connect) -> None:
    """A backlog has no length: what a client lacks is asked of the ring when it can take it."""
    stream = connect()
    stream.event()
    until(lambda: plane.app.hub.count == 1)
    ((held,),) = [lane.streams for lane in plane.app.hub._lanes.values()]
    numbers: list[int] = []
    for turn in range(2_000):  # until all buffers on the way are full
        numbers.append(plane.source.publish([flag("menu", description="x" * 60_000 + str(turn))]))
        plane.settled(numbers[-1])
        if held.busy:
            break
    assert held.busy
    numbers += [plane.source.publish([flag("menu", description=str(turn))]) for turn in range(20)]
    plane.settled(numbers[-1])
    seen: list[int] = []
    while not seen or seen[-1] < numbers[-1]:
        seen.append(int(stream.event().fields["id"]))
    assert seen == sorted(set(seen))
    assert len(seen) < len(numbers) - 15


def test_a_large_ruleset_comes_whole_and_in_pieces(plane, connect) -> None:
    flags = [flag(f"flag-{number}", description="y" * 1_000) for number in range(3_000)]
    plane.settled(plane.source.publish(flags))
    (hydration,) = connect().event().events
    assert len(hydration["features"]) == 3_000
    stream = connect(last=str(plane.source.number))
    stream.event()
    plane.source.publish([flag(f"flag-{number}", description="z" * 1_000) for number in range(3_000)])
    event = stream.event()
    assert len(event.events) in {1, 3_000}, "events, or everything where they would be too many"


def test_the_server_stops_by_itself_with_streams_open(plane, connect, caplog) -> None:
    streams = [connect() for _ in range(20)]
    for stream in streams:
        stream.event()
    plane.server.stop()
    assert "timeout graceful shutdown exceeded" not in caplog.text, "uvicorn waits a second and then cuts streams off"
    assert [stream.next() for stream in streams] == [None] * 20
    assert plane.app.hub.count == 0


def test_a_server_about_to_stop_or_full_opens_no_stream(plane, connect) -> None:
    plane.app.hub._limit = 1
    connect().event()
    refused = plane.get(STREAMING)
    assert (refused.status, refused.json["name"]) == (429, "RateLimitError")
    assert "retry-after" in refused.headers
    plane.app.hub.ended = True
    assert plane.get(STREAMING).status == 503


def test_streams_that_are_left_are_forgotten(plane, connect) -> None:
    streams = [connect() for _ in range(10)]
    for stream in streams:
        stream.event()
        stream.close()
    until(lambda: plane.app.hub.count == 0)
    assert not plane.app.hub._lanes
    assert not any(plane.app.hub._beats)


@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), ("x:y.z", 401), ("user:x", 403), ("shop:production.frontend-secret", 403)]
)
def test_it_wants_a_backend_token(plane, token: str | None, status: int) -> None:
    assert plane.get(STREAMING, token=token).status == status


def test_head_and_other_methods_open_nothing(plane) -> None:
    answer = plane.ask("HEAD", STREAMING)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/event-stream", b"")
    assert plane.post(STREAMING, {}).status == 405


def test_one_step_of_a_send_and_its_rest() -> None:
    """What is begun is finished exactly once, also when it has to wait several times or is cancelled."""

    async def run() -> None:
        gate, trace = asyncio.Event(), []

        async def quick(message: Any) -> None:
            trace.append(message)

        async def slow(message: Any) -> None:
            await gate.wait()
            await asyncio.sleep(0)
            trace.append(message)

        assert outlet.step(quick, {"n": 1}) is None
        rest = outlet.step(slow, {"n": 2})
        assert rest is not None
        task = asyncio.create_task(rest)
        await asyncio.sleep(0)
        assert trace == [{"n": 1}]
        gate.set()
        await task
        assert trace == [{"n": 1}, {"n": 2}]
        gate.clear()
        rest = outlet.step(slow, {"n": 3})
        assert rest is not None
        task = asyncio.create_task(rest)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(trace) == 2

    asyncio.run(run())
