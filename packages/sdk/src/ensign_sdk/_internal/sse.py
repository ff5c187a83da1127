"""Server-sent events out of bytes, as they arrive (WHATWG HTML, section 9.2.6)."""

from typing import NamedTuple

MAX_EVENT = 256 * 1024 * 1024


class Event(NamedTuple):
    """One event. `revision` is a field of Ensign's servers (docs/reference/wire.md); the specification has others
    ignore it."""

    name: str
    data: str
    id: str
    revision: str


class Parser:
    """Feed it what was read; it gives the events that are complete. `id` lasts from event to event."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._size = 0
        self._return = False
        self._first = True
        self._id = ""
        self._begin()

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises ValueError for one that is too large or no UTF-8."""
        if self._return and data.startswith(b"\n"):
            data = data[1:]  # the second half of a line's end
            self._return = False
        found: list[Event] = []
        if not data:
            return found
        self._return = data.endswith(b"\r")
        for line in data.splitlines(keepends=True):
            self._partial.append(line)
            self._size += len(line)
            if self._size > MAX_EVENT:
                raise ValueError("an event is too large")
            if line.endswith((b"\n", b"\r")):
                whole = b"".join(self._partial).rstrip(b"\r\n").decode()
                self._partial.clear()
                self._line(whole, found)
                if not self._data:
                    self._size = 0
        return found

    def _begin(self) -> None:
        self._name = self._revision = ""
        self._data: list[str] = []
        self._size = 0

    def _line(self, line: str, found: list[Event]) -> None:
        if self._first:
            self._first, line = False, line.removeprefix("\ufeff")
        if not line:
            if self._data:
                found.append(Event(self._name or "message", "\n".join(self._data), self._id, self._revision))
            self._begin()
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "revision":
            self._revision = value
