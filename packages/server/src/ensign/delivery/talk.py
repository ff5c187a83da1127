"""What a stream says: the hub moves bytes and knows nothing of them. Here: rules, as Unleash's SDKs read them (3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ensign.delivery.deltas import Delta, Latest
from ensign.delivery.http import Message
from ensign.delivery.outlet import PIECE, body
from ensign.delivery.published import Revision
from ensign.delivery.query import Query

CONNECTED, UPDATED = b"unleash-connected", b"unleash-updated"
_NOTHING = b'event: unleash-connected\ndata: {"events":[]}\n\n'


class Large(Exception):
    """What there is to say is too much for one message."""


class Talk(Protocol):
    """A way of telling what is new. A *position* is a number that grows with each change of what `query` sees."""

    def newest(self, latest: Latest, query: Query) -> int:
        """The position of who has everything."""

    def greeting(self, latest: Latest, query: Query, known: int | None) -> Iterator[bytes]:
        """What is sent first, in pieces, to a client that has `known` (None: nothing)."""

    def update(self, latest: Latest, query: Query, position: int) -> Message | None:
        """What is newer than `position`, as one message for all who are there; None for nothing. Raises Large."""

    def pieces(self, latest: Latest, query: Query, position: int) -> Iterator[bytes] | None:
        """The same in pieces, so that a slow client fills no buffer with megabytes."""

    def given(self, latest: Latest, query: Query, known: int | None) -> Revision | None:
        """The revision of the rules that a client at `known` is sent (None: it has none); None when it is sent none."""


class Rules:
    """Everything at first, then what is newer: the documents of the delta API."""

    def newest(self, latest: Latest, query: Query) -> int:
        """See `Talk`: the number of the newest publication in scope."""
        return latest.revision(query)[1]

    def greeting(self, latest: Latest, query: Query, known: int | None) -> Iterator[bytes]:
        """See `Talk`."""
        delta = latest.hydration(query) if known is None else latest.since(query, known)
        return iter([_NOTHING]) if delta is None else _pieces(CONNECTED, delta)

    def update(self, latest: Latest, query: Query, position: int) -> Message | None:
        """See `Talk`."""
        delta = latest.since(query, position)
        if delta is None:
            return None
        if len(delta.body) > PIECE:
            raise Large
        return body(_head(UPDATED, delta) + delta.body + b"\n\n")

    def pieces(self, latest: Latest, query: Query, position: int) -> Iterator[bytes] | None:
        """See `Talk`."""
        delta = latest.since(query, position)
        return None if delta is None else _pieces(UPDATED, delta)

    def given(self, latest: Latest, query: Query, known: int | None) -> Revision | None:
        """See `Talk`."""
        delta = latest.hydration(query) if known is None else latest.since(query, known)
        return None if delta is None else delta.revision


RULES = Rules()


def _head(event: bytes, delta: Delta) -> bytes:
    """`revision` is a field of ours: by the specification of server-sent events clients ignore what they don't know."""
    epoch, number = delta.revision
    return b"event: %b\nid: %d\nrevision: %d.%d\ndata: " % (event, delta.number, epoch, number)


def _pieces(event: bytes, delta: Delta) -> Iterator[bytes]:
    head, data = _head(event, delta), delta.body
    if len(data) <= PIECE:
        yield head + data + b"\n\n"
        return
    yield head
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
    yield b"\n\n"
