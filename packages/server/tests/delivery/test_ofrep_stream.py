"""Claims: OFREP's streams tell each change of what the token sees, to whom holds a credential, and end with the token.

The credential stands in the address, so that it is short-lived, opens nothing else, and is never logged.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.ofrep_stream import Credentials
from ensign.delivery.state import State
from ensign.delivery.tokens import Token
from ensign_testkit.delivery import flag, serving
from ensign_testkit.streams import EventStream

TOKEN = "shop:production.frontend-secret"
BACKEND = "shop:production.backend-secret"
PATH = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "7"}}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def address(plane, token: str = TOKEN) -> str:
    """The address of the stream that the bulk answer names."""
    (stream,) = plane.post(PATH, USER, token=token).json["eventStreams"]
    assert stream["type"] == "sse"
    assert list(stream) == ["type", "endpoint"]
    uri: str = stream["endpoint"]["requestUri"]
    assert uri.startswith("/ofrep/v1/stream?token=")
    return uri


def opened(plane, uri: str, *, last: str | None = None) -> EventStream:
    """The open stream; nothing but the address lets it in."""
    assert plane.server is not None
    return EventStream(plane.server.port, "", path=uri, last=last)


def refetch(stream: EventStream) -> str:
    """The next event, which must be a plain message; returns its etag."""
    fields = stream.event().fields
    assert set(fields) == {"id", "data"}, "a message without a name of its own"
    assert fields["data"] == f'{{"type":"refetchEvaluation","etag":"{fields["id"]}"}}'
    return fields["id"]


@pytest.mark.parametrize("token", [TOKEN, BACKEND])
def test_each_change_is_told_once_and_only_what_the_token_sees(plane, token: str) -> None:
    with opened(plane, address(plane, token)) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["access-control-allow-origin"] == "*"
        assert plane.app.hub.count == 1
        first = refetch(stream)
        assert first == f"1.{plane.app.feed.state.rulesets['shop', 'production'].revision[1]}"
        plane.source.publish([flag("loan", project="bank", enabled=False)], project="bank")
        plane.source.publish([flag("basket")], environment="development")
        number = plane.source.publish([flag("basket", enabled=False)])
        assert refetch(stream) == f"1.{number}"
        assert refetch_after_a_change(plane, stream) > number


def refetch_after_a_change(plane, stream: EventStream) -> int:
    number = plane.source.publish([flag("basket", description=str(plane.source.number))])
    assert refetch(stream) == f"1.{number}"
    return int(number)


def test_a_parent_out_of_sight_counts_as_seen(plane) -> None:
    child = flag("child", dependencies=[{"feature": "loan", "enabled": True}])
    plane.settled(plane.source.publish([child]))
    with opened(plane, address(plane)) as stream:
        refetch(stream)
        number = plane.source.publish([flag("loan", project="bank", enabled=False)], project="bank")
        assert refetch(stream) == f"1.{number}"


def test_malformed_dependencies_hold_up_nobody(plane) -> None:
    odd = [
        flag(f"odd-{n}", dependencies=value) for n, value in enumerate([7, [7], [{"feature": ["x"]}], {"a": 1}, None])
    ]
    with opened(plane, address(plane)) as stream:
        refetch(stream)
        number = plane.source.publish(odd)
        assert refetch(stream) == f"1.{number}"
        plane.settled(number)
        items = plane.post(PATH, USER, token=TOKEN).json["flags"]
        assert {item["key"] for item in items} == {described["name"] for described in odd}


def test_who_returns_is_told_only_if_something_happened(plane) -> None:
    uri = address(plane)
    with opened(plane, uri) as stream:
        last = refetch(stream)
    with opened(plane, uri, last=last) as stream:
        found = stream.next()
        assert found is not None
        assert not found.fields, "a comment only"
        refetch_after_a_change(plane, stream)
    with opened(plane, uri, last=last) as stream:
        assert refetch(stream) == f"1.{plane.source.number}"
    with opened(plane, uri, last="what?") as stream:
        assert refetch(stream) == f"1.{plane.source.number}"


def test_a_restored_backup_is_a_change(plane) -> None:
    with opened(plane, address(plane)) as stream:
        refetch(stream)
        plane.source.publish([flag("basket")], number=1, epoch=2)
        assert refetch(stream) == "2.1"


def test_an_answer_waits_for_what_the_client_was_told(plane) -> None:
    """The stream is ahead of the answers, and another node may be ahead of this one."""
    feed, passed = plane.app.feed, threading.Event()
    prepare = feed._prepare

    def slowly(old: Any, new: Any) -> None:
        passed.wait(1)
        prepare(old, new)

    feed._prepare = slowly
    with opened(plane, address(plane)) as stream:
        refetch(stream)
        number = plane.source.publish([flag("basket", enabled=False)])
        etag = refetch(stream)
        assert (etag, feed.state.rulesets["shop", "production"].revision[1] < number) == (f"1.{number}", True)
        items = plane.post(f"{PATH}?flagConfigEtag={etag}", USER, token=TOKEN).json["flags"]
        assert [item["value"] for item in items] == [False]
        passed.set()


@pytest.mark.parametrize(
    "query",
    ["flagConfigEtag=1.999999", "flagConfigEtag=%22abc%22", "flagConfigEtag=", "flagConfigLastModified=99999999999",
     "flagConfigLastModified=soon", "flagConfigLastModified=2026-02-20T21:28:18Z", "flagConfigLastModified=-1"],
)  # fmt: skip
def test_what_cannot_be_known_is_not_waited_for_without_end(plane, query: str) -> None:
    assert plane.post(f"{PATH}?{query}", USER, token=TOKEN).status == 200


def test_a_time_makes_the_node_read_again(plane) -> None:
    later = int(plane.app.feed.confirmed) + 1
    plane.post(f"{PATH}?flagConfigLastModified={later}", USER, token=TOKEN)
    assert plane.app.feed.confirmed >= later


def test_the_stream_ends_with_its_token(plane) -> None:
    uri = address(plane)
    with opened(plane, uri) as stream:
        refetch(stream)
        plane.source.token(TOKEN, "frontend", status="revoked")
        while (found := stream.next()) is not None:
            assert not found.fields
    answer = plane.get(uri, token=None)
    assert answer.status == 401
    assert answer.json["errorCode"] == "GENERAL"


def test_an_expired_token_and_an_expired_address_open_nothing(plane) -> None:
    clock = Clock()
    plane.source.token(TOKEN, "frontend", expires_at=(clock.at + timedelta(minutes=45)).isoformat())
    app = DeliveryApp(plane.source, clock=clock)
    with serving(app) as plane.server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        mine, other = address(plane), address(plane, BACKEND)
        assert plane.ask("HEAD", mine, token=None).status == 200
        assert address(plane) == mine, "one address for an hour"
        clock.at += timedelta(minutes=44)
        assert plane.ask("HEAD", mine, token=None).status == 200
        renewed = address(plane)
        assert renewed != mine, "the next hour has another"
        clock.at += timedelta(minutes=2)
        assert plane.get(mine, token=None).status == 401, "the token has expired"
        assert plane.ask("HEAD", other, token=None).status == 200
        clock.at += timedelta(minutes=45)
        expired = plane.get(other, token=None)
        assert (expired.status, "expired" in expired.json["errorDetails"]) == (401, True)
        app.usage.flush()
        assert app.usage._take().refusals.get("401 no valid stream credential") is None


def test_who_has_an_old_address_gets_the_new_one_with_the_next_answer(plane) -> None:
    clock = Clock()
    app = DeliveryApp(plane.source, clock=clock)
    with serving(app) as plane.server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        etag = plane.post(PATH, USER, token=TOKEN).headers["etag"]
        assert plane.post(PATH, USER, token=TOKEN, If_None_Match=etag).status == 304
        clock.at += timedelta(hours=1)
        assert plane.post(PATH, USER, token=TOKEN, If_None_Match=etag).status == 200


def test_a_credential_is_good_for_nothing_else_and_cannot_be_made_up(plane) -> None:
    uri = address(plane)
    credential = uri.partition("=")[2]
    head, period, seal = credential.split(".")
    for path in (PATH, f"{PATH}/basket"):
        assert plane.post(path, USER, token=credential).status == 401
        assert plane.post(f"{path}?token={credential}", USER, token=None).status == 401
    assert plane.get("/api/frontend", token=credential).status == 401
    flipped = ("A" if seal[0] != "A" else "B") + seal[1:]
    for forged in (
        "", "x", TOKEN, f"{head}.{int(period) + 1}.{seal}", f"{head}.{period}.{flipped}", f"{'0' * 16}.{period}.{seal}",
        f"{head}.{period}.", credential + "A", credential.upper(), f"{head}.0{period}.{seal}",
    ):  # fmt: skip
        assert plane.get(f"/ofrep/v1/stream?token={forged}", token=TOKEN).status == 401
    assert plane.get("/ofrep/v1/stream", token=TOKEN).status == 401, "a token itself has no business in an address"


def test_nodes_with_one_key_accept_each_others_addresses_and_those_of_before_a_restart() -> None:
    token = Token("ab" * 32, "frontend", "production", ("shop",), None)
    state = State(tokens={token.hash: token})
    first, second = (Credentials(bytes(32), clock=Clock()) for _ in range(2))
    assert second.holder(first.issue(token), state) is token
    assert Credentials(None, clock=Clock()).holder(first.issue(token), state) is None
    assert Credentials(b"\1" * 32, clock=Clock()).holder(first.issue(token), state) is None


def test_without_its_database_a_node_says_503_to_who_may_be_new(plane) -> None:
    uri = address(plane)
    plane.source.down = True
    pause, deadline = threading.Event(), time.monotonic() + 10
    while plane.app.feed.current:
        assert time.monotonic() < deadline
        pause.wait(0.02)
    assert plane.ask("HEAD", uri, token=None).status == 200, "who was known is served on"
    assert plane.get("/ofrep/v1/stream?token=new", token=None).status == 503


def test_streams_count_against_the_limit_and_then_answers_name_none(plane) -> None:
    uri = address(plane)
    with opened(plane, uri) as stream:
        refetch(stream)
        plane.app.hub._limit = 1
        refused = plane.get(uri, token=None)
        assert (refused.status, refused.headers["retry-after"]) == (429, "60")
        assert "eventStreams" not in plane.post(PATH, USER, token=TOKEN).json


def test_no_line_of_the_log_holds_an_address_or_a_context(plane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    uri = address(plane)
    with opened(plane, uri) as stream:
        refetch(stream)
    plane.get(uri[:-1] + "!", token=None)
    plane.post(PATH, {"context": {"targetingKey": "person-4711"}}, token=TOKEN)
    plane.app._ofrep._evaluator = None  # a defect
    assert plane.post(PATH, {"context": {"targetingKey": "person-4711"}}, token=TOKEN).status == 500
    assert "/ofrep failed" in caplog.text
    assert uri.partition("=")[2] not in caplog.text
    assert "person-4711" not in caplog.text
