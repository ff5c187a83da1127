"""Reading server-sent events as plainly as can be, independent of the SDK's own parser."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

STREAMING = "/api/client/streaming"


@dataclass(slots=True)
class Event:
    """One event; `fields` holds every line of it."""

    fields: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its type."""
        return self.fields.get("event", "message")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The delta events in its data."""
        found: list[dict[str, Any]] = json.loads(self.fields["data"])["events"]
        return found


class EventStream:
    """An open stream; use it in a `with` block. `more` are further headers, `_` in their names is `-`."""

    def __init__(
        self,
        port: int,
        token: str,
        *,
        last: str | None = None,
        path: str = "/api/client/streaming",
        timeout: float = 10,
        headers: Mapping[str, str] | None = None,
        **more: str,
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        sent = {"Authorization": token, "Accept": "text/event-stream", **(headers or {})}
        sent |= {name.replace("_", "-"): value for name, value in more.items()}
        if last is not None:
            sent["Last-Event-ID"] = last
        self._connection.request("GET", path, headers=sent)
        assert self._connection.sock is not None
        self.socket: socket.socket = self._connection.sock
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}
        self.comments = 0

    def next(self) -> Event | None:
        """The next event, or None when the stream has ended. Raises TimeoutError."""
        event = Event()
        while True:
            try:
                line = self._response.readline()
            except (http.client.IncompleteRead, ConnectionError, ValueError):
                return None
            if not line:
                return None
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments += 1
                return event
            if text:
                name, _, value = text.partition(": ")
                event.fields[name] = value
            elif event.fields:
                return event

    def event(self) -> Event:
        """The next event that is no comment; the stream must not end."""
        while True:
            found = self.next()
            assert found is not None, "the stream ended"
            if found.fields:
                return found

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._response.close()
        self._connection.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
