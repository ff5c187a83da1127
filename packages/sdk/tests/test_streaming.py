"""Claims: changes are pushed; where that fails the client polls; it never goes back, never blocks and never raises."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from ensign_sdk import Client
from ensign_sdk._internal import streamer as streaming
from ensign_sdk._internal.cache import DiskCache
from ensign_testkit import adversary as enemy
from ensign_testkit.adversary import Behaviour, Seen
from ensign_testkit.delivery import flag, serving

STREAM = "/api/client/streaming"
FEATURES = "/api/client/features"


def delta(*names: str, enabled: bool = True, number: int = 1, hydration: bool = True) -> str:
    features = [{"name": name, "enabled": enabled, "strategies": []} for name in names]
    if hydration:
        events: list[Any] = [{"type": "hydration", "eventId": number, "features": features, "segments": []}]
    else:
        events = [{"type": "feature-updated", "eventId": number, "feature": item} for item in features]
    return json.dumps({"events": events})


def event(name: str, data: str, **fields: str) -> bytes:
    lines = [f"event: {name}", *(f"{key}: {value}" for key, value in fields.items()), f"data: {data}"]
    return ("\n".join(lines) + "\n\n").encode()


def stream(*parts: bytes, hold: float = 30.0, **headers: str) -> Behaviour:
    """Open a stream, send `parts`, and keep it open until the client leaves, at most `hold` seconds."""

    def behave(client: socket.socket, _seen: Seen) -> None:
        head = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + b"".join(parts))
        client.settimeout(hold)
        with suppress(OSError):
            client.recv(1)

    return behave


def by_path(**answers: Behaviour) -> Behaviour:
    """`streaming` and `features` are answered differently."""
    return lambda client, seen: answers[seen.path.rsplit("/", 1)[1]](client, seen)


@pytest.fixture
def stream_client(connect) -> Callable[..., Client]:
    return lambda url, **options: connect(url, **{"streaming": True, "refresh_interval": 30.0, **options})


def asked(hostile: Any, path: str) -> list[Seen]:
    return [seen for seen in list(hostile.seen) if seen.path == path]


def test_changes_come_at_once_and_nothing_is_polled(plane, stream_client, until) -> None:
    client = stream_client(plane.url)
    assert client.wait_until_ready(10)
    status = client.status()
    assert (status.mode, status.source, status.flags, status.revision, status.error) == (
        "streaming", "server", 2, (1, 1), None
    )  # fmt: skip
    took = []
    for turn in range(9):
        on = bool(turn % 2)
        began = time.monotonic()
        number = plane.source.publish([flag("menu", enabled=on), flag("old", enabled=False)])
        until(lambda on=on: client.is_enabled("menu") == on)
        took.append(time.monotonic() - began)
    assert max(took) < 15  # half the interval of polling: they did not come that way
    until(lambda: client.status().revision == (1, number))


def test_handles_fallbacks_and_removed_flags_follow_the_stream(plane, stream_client, until) -> None:
    client = stream_client(plane.url)
    client.wait_until_ready(10)
    menu, new = client.flag("menu"), client.flag("new", default=True)
    assert menu()
    assert new()
    plane.source.publish([flag("new", enabled=False)])
    until(lambda: not menu() and not new())
    assert client.status().flags == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 501, 400, 301])
def test_a_server_that_has_no_streams_is_polled_at_once(hostile, stream_client, until, status: int) -> None:
    hostile.behaviour = by_path(streaming=enemy.reply(status), features=enemy.rules("menu"))
    client = stream_client(hostile.url, refresh_interval=0.05)
    assert client.wait_until_ready(10)
    assert client.is_enabled("menu")
    hostile.behaviour = by_path(streaming=enemy.reply(status), features=enemy.rules("menu", enabled=False))
    until(lambda: not client.is_enabled("menu"))
    assert client.status().mode == "polling"
    assert len(asked(hostile, STREAM)) == 1


def test_an_answer_that_is_no_stream_is_not_taken_for_one(hostile, stream_client) -> None:
    hostile.behaviour = enemy.rules("menu", Content_Type="application/json")
    client = stream_client(hostile.url)
    assert client.wait_until_ready(10)
    assert (client.is_enabled("menu"), client.status().mode) == (True, "polling")


@pytest.mark.parametrize(
    "broken",
    [enemy.reply(500), enemy.reply(503), enemy.drop, enemy.noise, enemy.truncated, enemy.half_chunked,
     stream(hold=0.01), stream(event("unleash-connected", "{"), hold=0.01),
     stream(event("unleash-connected", "[]"), hold=0.01),
     stream(event("unleash-connected", '{"events":[{"type":"feature-updated","feature":7}]}'))],
)  # fmt: skip
def test_streams_that_break_are_tried_five_times_and_then_polled(
    hostile, stream_client, until, quick, caplog, monkeypatch, broken: Behaviour
) -> None:
    caplog.set_level(logging.INFO, "ensign_sdk")
    monkeypatch.setattr(streaming.backoff, "refused", lambda: 60.0)  # not `quick`, or the next round would count, too
    hostile.behaviour = by_path(streaming=broken, features=enemy.rules("menu"))
    client = stream_client(hostile.url, refresh_interval=0.05)
    assert client.wait_until_ready(10), "the first failure is followed by a poll"
    assert client.is_enabled("menu")
    until(lambda: "cannot stream" in caplog.text)
    assert len(asked(hostile, STREAM)) in {1, streaming.FAILURES}, "once where the answer is no stream"
    assert caplog.text.count("cannot stream") == 1
    assert client.status().mode == "polling"


def test_it_streams_again_after_a_while(hostile, stream_client, until, quick) -> None:
    """`quick` makes the five minutes hundredths of a second."""
    hostile.behaviour = by_path(streaming=enemy.reply(404), features=enemy.rules("menu"))
    client = stream_client(hostile.url, refresh_interval=0.05)
    client.wait_until_ready(10)
    hostile.behaviour = by_path(
        streaming=stream(event("unleash-connected", delta("menu", enabled=False), id="1")), features=enemy.drop
    )  # fmt: skip
    until(lambda: client.status().mode == "streaming")
    assert not client.is_enabled("menu")


def test_a_hint_of_the_server_to_poll_is_followed(hostile, stream_client, until) -> None:
    hello = event("unleash-connected", delta("menu"), id="1")
    hostile.behaviour = by_path(
        streaming=stream(hello, event("fetch-mode", "polling")), features=enemy.rules("menu", enabled=False)
    )  # fmt: skip
    client = stream_client(hostile.url)
    until(lambda: client.ready and not client.is_enabled("menu"))
    assert client.status().mode == "polling"


def test_a_silent_stream_is_given_up_and_opened_anew(hostile, stream_client, until, monkeypatch) -> None:
    monkeypatch.setattr(streaming, "SILENCE", 0.2)
    hostile.behaviour = stream(event("unleash-connected", delta("menu"), id="1"))
    client = stream_client(hostile.url)
    until(lambda: len(asked(hostile, STREAM)) >= 2)
    assert client.is_enabled("menu")


def test_comments_keep_it(hostile, stream_client, until, monkeypatch) -> None:
    monkeypatch.setattr(streaming, "SILENCE", 0.5)

    def behave(client: socket.socket, seen: Seen) -> None:
        stream(event("unleash-connected", delta("menu"), id="1"), hold=0.01)(client, seen)
        with suppress(OSError):
            for _ in range(30):
                client.sendall(b": keep-alive\n\n")
                time.sleep(0.05)

    hostile.behaviour = behave
    client = stream_client(hostile.url)
    client.wait_until_ready(10)
    first = client.status().checked_at
    until(lambda: (client.status().checked_at or 0) > (first or 0) + 1)
    assert len(asked(hostile, STREAM)) == 1


def test_it_goes_on_where_it_was_after_a_break_and_after_a_restart(plane, stream_client, until, tmp_path) -> None:
    client = stream_client(plane.url)
    client.wait_until_ready(10)
    number = plane.source.publish([flag("menu", enabled=False)])
    until(lambda: client.status().revision == (1, number))
    assert plane.server is not None
    port = plane.server.port
    plane.server.stop()
    until(lambda: client.status().mode == "polling")
    plane.source.publish([flag("menu"), flag("new")])
    with serving(plane.app(), port=port):
        until(lambda: client.status().mode == "streaming" and client.is_enabled("new"))
        client.close()
    kept = DiskCache(
        tmp_path / "cache", address=f"{plane.url}/api", token="shop:production.sdk-secret", app_name="tested"
    )
    found = kept.load()
    assert found is not None
    assert (found[1].revision, json.loads(found[0])["features"][0]["name"]) == ((1, plane.source.number), "menu")


def test_a_client_that_starts_from_its_cache_asks_for_no_more_than_the_news(plane, stream_client, hostile) -> None:
    scoped = {"Ensign_Scope": "ab", "Ensign_Revision": "1.7"}
    hostile.behaviour = stream(event("unleash-connected", delta("menu"), id="7", revision="1.7"), **scoped)
    first = stream_client(hostile.url)
    assert first.wait_until_ready(10)
    first.close()
    hostile.behaviour = stream(
        event("unleash-connected", delta("new", hydration=False), id="9", revision="1.9"), **scoped
    )  # fmt: skip
    second = stream_client(hostile.url)
    assert second.wait_until_ready(10)
    assert [seen.headers.get("last-event-id") for seen in asked(hostile, STREAM)] == [None, "7"]
    assert (second.is_enabled("menu"), second.is_enabled("new")) == (True, True)
    assert second.status().revision == (1, 9)


def test_rules_of_another_scope_are_no_base_for_news(stream_client, hostile, until) -> None:
    first_stream = stream(event("unleash-connected", delta("menu"), id="7", revision="1.7"), Ensign_Scope="ab")
    hostile.behaviour = first_stream
    first = stream_client(hostile.url)
    first.wait_until_ready(10)
    first.close()

    def behave(client: socket.socket, seen: Seen) -> None:
        resumed = "last-event-id" in seen.headers
        data = delta("other", hydration=not resumed)
        stream(event("unleash-connected", data, id="8", revision="1.8"), Ensign_Scope="cd")(client, seen)

    hostile.behaviour = by_path(streaming=behave, features=enemy.drop)
    second = stream_client(hostile.url)
    until(lambda: second.status().revision == (1, 8))
    assert (second.is_enabled("menu"), second.is_enabled("other")) == (False, True)


def test_an_event_that_cannot_be_read_costs_nothing_but_a_hydration(hostile, stream_client, until) -> None:
    scoped = {"Ensign_Scope": "ab"}
    bad = event("unleash-updated", '{"events":[{"type":"feature-removed"}]}', id="8", revision="1.8")
    hello = event("unleash-connected", delta("menu"), id="7", revision="1.7")
    hostile.behaviour = stream(hello, bad, **scoped)
    client = stream_client(hostile.url)
    until(lambda: len(asked(hostile, STREAM)) == 2)
    assert client.is_enabled("menu")
    assert "last-event-id" not in asked(hostile, STREAM)[1].headers


def test_a_document_nested_too_deeply_to_be_written_is_used_and_not_cached(
    hostile, stream_client, until, caplog
) -> None:
    nested = '{"name": "deep", "enabled": true, "strategies": [], "x": ' + "[" * 900 + "]" * 900 + "}"
    hello = event("unleash-connected", '{"events":[{"type":"hydration","features":[' + nested + "]}]}", id="7")
    hostile.behaviour = stream(hello, hold=0.1)
    client = stream_client(hostile.url)
    until(lambda: len(asked(hostile, STREAM)) >= 2)
    assert client.is_enabled("deep")
    assert "stumbled" not in caplog.text


def test_an_older_revision_is_refused_and_a_new_epoch_followed(hostile, stream_client, until) -> None:
    def say(revision: str, *, enabled: bool) -> bytes:
        return event("unleash-updated", delta("menu", enabled=enabled), id="1", revision=revision)

    hostile.behaviour = stream(say("1.7", enabled=True), say("1.6", enabled=False), Ensign_Scope="ab")
    client = stream_client(hostile.url)
    client.wait_until_ready(10)
    assert client.is_enabled("menu")
    assert client.status().revision == (1, 7)
    client.close()
    hostile.behaviour = stream(
        say("1.7", enabled=True), say("2.3", enabled=False), say("1.8", enabled=True), Ensign_Scope="ab"
    )  # fmt: skip
    client = stream_client(hostile.url, cache_dir=False)
    until(lambda: client.status().revision == (2, 3))
    assert not client.is_enabled("menu")


def test_an_unleash_server_without_revisions_is_resumed_by_id(hostile, stream_client, until) -> None:
    hostile.behaviour = stream(event("unleash-connected", delta("menu"), id="41"), hold=0.2)
    client = stream_client(hostile.url)
    until(lambda: len(asked(hostile, STREAM)) >= 2)
    assert [seen.headers.get("last-event-id") for seen in asked(hostile, STREAM)][:2] == [None, "41"]
    assert client.is_enabled("menu")


def test_closing_never_waits_for_the_stream(plane, stream_client) -> None:
    client = stream_client(plane.url)
    client.wait_until_ready(10)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 10  # the stream's own time-out is longer
    assert not [thread for thread in threading.enumerate() if thread.name == "ensign-streamer"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_stream_of_its_own(plane, stream_client, until) -> None:
    client = stream_client(plane.url)
    client.wait_until_ready(10)
    process = os.fork()
    if not process:
        code, deadline = 1, time.monotonic() + 20
        try:
            while time.monotonic() < deadline and code:
                code = 1 if client.is_enabled("menu") or client.status().mode != "streaming" else 0
            client.close()
        finally:
            os._exit(code)
    time.sleep(0.3)
    plane.source.publish([flag("menu", enabled=False)])
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    until(lambda: not client.is_enabled("menu"))
    assert client.status().mode == "streaming", "the child's end did not end the parent's stream"


def test_a_revoked_token_ends_the_stream_and_the_rules_stay(plane, stream_client, until) -> None:
    client = stream_client(plane.url)
    client.wait_until_ready(10)
    plane.source.token("shop:production.sdk-secret", status="revoked")
    until(lambda: "refuses the token" in (client.status().error or ""))
    assert (client.is_enabled("menu"), client.status().mode) == (True, "polling")
