"""HTTP by the standard library; imported by the threads that need it, so that importing the SDK stays quick."""

import encodings.idna  # noqa: F401  # looked-up names are encoded by it; not to be first imported while forking
import http.client
import os
import socket
import ssl
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ensign_sdk._internal.deferred import importing
from ensign_sdk.config import Endpoint

MAX_BODY = 256 * 1024 * 1024
_CHUNK = 256 * 1024
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)

Sent = Callable[[bytes], object]


class TransportError(Exception):
    """No usable answer came; the text says why and holds no secret."""


class Reply(NamedTuple):
    """A complete answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream:
    """An answer whose body comes bit by bit. One thread reads; any may `interrupt`."""

    def __init__(self, connection: http.client.HTTPConnection, sock: socket.socket) -> None:
        self._connection = connection
        self._socket = sock
        self.interrupted = False

    def begin(self) -> tuple[int, Mapping[str, str]]:
        """Status and headers. Raises TransportError."""
        try:
            self._response = self._connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise TransportError(f"{type(problem).__name__}: {problem}") from problem
        return self._response.status, {name.lower(): value for name, value in self._response.getheaders()}

    def read(self, patience: float) -> bytes:
        """What came, waiting at most `patience` seconds for it; empty at the end. Raises TransportError."""
        try:
            self._socket.settimeout(patience)
            return self._response.read1(_CHUNK)
        except TimeoutError as problem:
            raise TransportError(f"nothing came for {patience:g} s") from problem
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise TransportError(f"{type(problem).__name__}: {problem}") from problem

    def interrupt(self) -> None:
        """End the read that is under way, and all later ones."""
        self.interrupted = True
        with suppress(OSError):
            # Past TLS, whose own shutdown is not made for a second thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connection without ending it."""
        with suppress(OSError):
            os.close(self._socket.detach())

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._connection.close()
            self._socket.close()


class Transport:
    """Requests to one server over one connection, for one thread.

    `timeout` bounds connecting, each read, and the whole of a request. `sent` is called with every piece of plain
    text before it leaves (the token masked); with https it then goes through TLS.
    """

    def __init__(self, endpoint: Endpoint, token: str, *, timeout: float, sent: Sent | None) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._sent = None if sent is None else _masking(sent, token.encode())
        self._connection: http.client.HTTPConnection | None = None
        self._prefix = ""

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """One request to `path` under the API. Raises TransportError.

        A kept connection that the server has closed meanwhile is replaced once, but not for a POST: what was counted
        must not be counted twice.
        """
        if method == "POST":
            self.close()
        for kept in (self._connection is not None, False):
            try:
                return self._request(method, path, headers, body, self._timeout if timeout is None else timeout)
            except _STALE as problem:
                self.close()
                if not kept:
                    raise TransportError(f"the connection was closed ({type(problem).__name__})") from problem
            except (OSError, http.client.HTTPException, ValueError, zlib.error) as problem:
                self.close()
                raise TransportError(f"{type(problem).__name__}: {problem}") from problem
        raise TransportError("the connection was closed")

    def stream(self, path: str, *, headers: Mapping[str, str]) -> Stream:
        """Ask for an answer without an end, on a connection of its own. Raises TransportError."""
        try:
            connection = self._open(self._timeout)
            connection.request("GET", f"{self._prefix}{self._endpoint.base}{path}", headers=dict(headers))
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise TransportError(f"{type(problem).__name__}: {problem}") from problem
        if connection.sock is None:
            raise TransportError("the connection was closed")
        return Stream(connection, connection.sock)

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Reply:
        deadline = time.monotonic() + timeout
        connection = self._connection
        if connection is None:
            connection = self._connection = self._open(timeout)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request(method, f"{self._prefix}{self._endpoint.base}{path}", body=body, headers=dict(headers))
        response = connection.getresponse()
        with response:  # `read1` does not notice the end of an answer by itself
            received = _read(response, deadline)
        found = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self.close()
        if found.get("content-encoding", "").lower() in {"gzip", "x-gzip"}:
            received = _unpacked(received)
        return Reply(response.status, found, received)

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        endpoint = self._endpoint
        scheme = "https" if endpoint.secure else "http"
        proxy = _proxy(scheme, endpoint.host)
        kind = _connection_class(endpoint.secure, self._sent)
        self._prefix = ""
        if proxy is None:
            return kind(endpoint.host, endpoint.port, timeout=timeout)
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        through = kind(parts.hostname or "", parts.port or 8080, timeout=timeout)
        if endpoint.secure:
            through.set_tunnel(endpoint.host, endpoint.port, headers=_proxy_credentials(parts.username, parts.password))
        else:
            self._prefix = endpoint.origin
        return through


def _connection_class(secure: bool, sent: Sent | None) -> Callable[..., http.client.HTTPConnection]:
    """A connection class that shows `sent` what it is about to send."""
    if secure:
        trust = ssl.create_default_context()

        class Secure(http.client.HTTPSConnection):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, context=trust, **options)

            def send(self, data: Any) -> None:
                if sent is not None:
                    sent(data)
                super().send(data)

        return Secure

    class Plain(http.client.HTTPConnection):
        def send(self, data: Any) -> None:
            if sent is not None:
                sent(data)
            super().send(data)

    return Plain


def _proxy(scheme: str, host: str) -> str | None:
    """The address of the proxy to go through, as the environment says (on macOS and Windows the system, too)."""
    if sys.platform not in {"darwin", "win32"} and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    with importing:
        import urllib.request  # deferred: a megabyte that few need

    return None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)


def _masking(sent: Sent, token: bytes) -> Sent:
    return lambda data: sent(data.replace(token, b"<token>"))


def _proxy_credentials(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {b64encode(pair).decode()}"}


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The whole body; a server that dribbles or stops short is an error, as half a ruleset is none."""
    expected = response.length
    parts: list[bytes] = []
    size = 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise ValueError("the answer is too large")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer took too long")
    if expected is not None and size != expected:
        raise http.client.IncompleteRead(b"", expected - size)
    return b"".join(parts)


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    plain = unpacker.decompress(body, MAX_BODY)
    if not unpacker.eof:
        raise ValueError("the compressed answer is incomplete or too large")
    return plain
