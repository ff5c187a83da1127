"""Claims about the parser of server-sent events: however the bytes are cut, the events are the same."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ensign_sdk._internal import sse
from ensign_sdk._internal.sse import Event, Parser
from hypothesis import given
from hypothesis import strategies as st

STREAM = (
    "\ufeff: a comment\r\n"
    "event: unleash-connected\nid: 7\nrevision: 1.7\ndata: {\"a\":\"é日\"}\n\n"
    "data:no space\rdata:  two spaces\r\r"
    "event: without data\n\n"
    ":\r\n\r\n"
    "id: bad\0id\nunknown: x\nretry: 10\ndata\ndata: last\r\n\r\n"
    "data: never finished\n"
).encode()  # fmt: skip
EVENTS = [
    Event("unleash-connected", '{"a":"é日"}', "7", "1.7"),
    Event("message", "no space\n two spaces", "7", ""),
    Event("message", "\nlast", "7", ""),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_cuts_make_no_difference(cuts: list[int]) -> None:
    parser, found, edges = Parser(), [], [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        found += parser.feed(STREAM[start:end])
    assert found == EVENTS


def test_byte_by_byte() -> None:
    parser = Parser()
    assert [event for byte in STREAM for event in parser.feed(bytes([byte]))] == EVENTS


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_garbage_is_no_events_or_a_value_error(parts: list[bytes]) -> None:
    parser = Parser()
    try:
        for part in parts:
            parser.feed(part)
    except ValueError:
        return


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1_000)
    parser = Parser()
    for _ in range(500):
        parser.feed(b": a comment is no event\n")
    for _ in range(60):
        parser.feed(b"data: xxxxxxxx\n")
    with pytest.raises(ValueError, match="too large"):
        parser.feed(b"data: xxxxxxxx\n" * 10)


def test_a_large_event_in_small_parts_is_read_in_linear_time() -> None:
    parser, size = Parser(), 8 * 1024 * 1024
    parser.feed(b"data: ")
    for _ in range(size // 1024):
        assert not parser.feed(b"x" * 1024)
    (event,) = parser.feed(b"\n\n")
    assert len(event.data) == size
