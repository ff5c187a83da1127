"""A server that misbehaves on demand: what an SDK meets between itself and a delivery plane that is unwell."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Seen:
    """One request as it came in; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[socket.socket, Seen], None]


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer properly; `_` in header names is `-`."""

    def behave(client: socket.socket, _seen: Seen) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return behave


def rules(*names: str, enabled: bool = True, **headers: str) -> Behaviour:
    """Answer with flags that are on for everybody."""
    features = [{"name": name, "enabled": enabled, "strategies": []} for name in names]
    return reply(200, json.dumps({"version": 2, "features": features}).encode(), **headers)


def hang(client: socket.socket, _seen: Seen) -> None:
    """Say nothing until the client gives up."""
    with suppress(OSError):
        client.settimeout(30)
        client.recv(1)


def truncated(client: socket.socket, _seen: Seen) -> None:
    """Promise more than is sent."""
    client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"version":2,"features":[')


def half_chunked(client: socket.socket, _seen: Seen) -> None:
    """Break off within a chunked answer."""
    client.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19\r\n{"version":2,"features":[\r\n')


def dribble(client: socket.socket, _seen: Seen) -> None:
    """Send a byte now and then, never enough for a read to time out."""
    with suppress(OSError):
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        client.settimeout(0.05)
        for _ in range(1_000):
            client.sendall(b" ")
            with suppress(TimeoutError):
                if not client.recv(1):
                    return


def noise(client: socket.socket, _seen: Seen) -> None:
    """Something that is no HTTP."""
    client.sendall(b"\x00\xff\x16\x03 what?\r\n\r\n")


def drop(_client: socket.socket, _seen: Seen) -> None:
    """Close without a word."""


@dataclass
class Adversary:
    """A server on a free port. `behaviour` answers features, `posts` everything that is posted."""

    behaviour: Behaviour = field(default_factory=rules)
    posts: Behaviour = field(default_factory=lambda: reply(202))
    seen: list[Seen] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def posted(self, ending: str) -> list[Any]:
        """The JSON bodies posted to addresses with this ending."""
        return [json.loads(seen.body) for seen in list(self.seen) if seen.path.endswith(ending) and seen.body]

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> bool:
        """Block until `condition` holds after some request."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def close(self) -> None:
        """Stop, and drop every connection."""
        self._listener.close()
        for client in list(self._open):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            with client, client.makefile("rb") as stream, suppress(OSError, ValueError):
                method, path, _ = stream.readline().decode().split(" ")
                headers: dict[str, str] = {}
                while line := stream.readline().strip():
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", "0")))
                seen = Seen(method, path, headers, body)
                with self._changed:
                    self.seen.append(seen)
                    self._changed.notify_all()
                (self.posts if method == "POST" else self.behaviour)(client, seen)
        finally:
            self._open.discard(client)


@contextmanager
def adversary(behaviour: Behaviour | None = None) -> Iterator[Adversary]:
    """An adversary for the block."""
    made = Adversary() if behaviour is None else Adversary(behaviour)
    try:
        yield made
    finally:
        made.close()
