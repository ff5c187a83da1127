"""Showing bytes so that nothing is hidden: every line that leaves, and how many bytes it is made of."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote


class Transcript:
    """Writes each piece of what is sent as lines that begin with `> `, after a line with the number of its bytes.

    A line break stands for CRLF; any other byte that is no printable ASCII is escaped as in a Python literal. So the
    bytes can be put together again from what was written.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self.size = 0
        self.requests = 0
        self._write = write
        self._lock = threading.Lock()
        self._everything = bytearray()

    def show(self, piece: bytes) -> None:
        """Write `piece`; called by whichever thread is about to send it."""
        with self._lock:
            self.size += len(piece)
            self.requests += b" HTTP/1.1\r\n" in piece
            self._everything += piece
            lines = "".join(f"> {line}\n" for line in escaped(piece).split("\r\n"))
            self._write(f"--- {len(piece)} bytes leave\n{lines}")

    def say(self, text: str) -> None:
        """Write a remark between pieces."""
        with self._lock:
            self._write(f"--- {text}\n")

    def found(self, context: Mapping[str, Any]) -> list[str]:
        """Names in `context` whose values are among the bytes sent."""
        with self._lock:
            everything = bytes(self._everything)
        return [name for name, value in scalars(context) if any(one in everything for one in _written(str(value)))]


def _written(text: str) -> set[bytes]:
    """How a text could stand in a request: as it is, in JSON, in a header or an address."""
    plain = text.encode("utf-8", "replace")
    return {plain, json.dumps(text)[1:-1].encode(), quote(plain).encode()}


def escaped(piece: bytes) -> str:
    """`piece` as text, with CRLF left as it is."""
    parts = (part.decode("latin-1").encode("unicode_escape").decode() for part in piece.split(b"\r\n"))
    return "\r\n".join(parts)


def scalars(context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The texts and numbers in a context, also those further down; a few digits or letters prove nothing."""
    for name, value in context.items():
        if isinstance(value, Mapping):
            yield from scalars(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool) and len(str(value)) > 2:
            yield name, value
