"""The way to the node above: one address, the tokens of this edge, plain HTTP/1.1 without redirects."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CONNECT = 5.0
"""Seconds for the connection to be made, and for TLS."""


class UplinkError(Exception):
    """The node above cannot be asked, or does not want to answer; the text says why and holds no secret.

    `status` is what it answered, 0 when it did not.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def _context() -> ssl.SSLContext:
    """Certificates are checked against the system's authorities, or those in SSL_CERT_FILE; TLS 1.2 at least."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class Uplink:
    """Where to ask and as whom. `patience` is how many seconds of silence are taken for a dead connection."""

    url: str
    tokens: tuple[str, ...]
    patience: float = 15.0
    context: Callable[[], ssl.SSLContext] = field(default=_context, repr=False)

    @classmethod
    def to(cls, url: str, tokens: tuple[str, ...]) -> Uplink:
        """To `url`. Raises ValueError, saying what is wrong with address or tokens."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the upstream must be an address like https://flags.example.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("the upstream must be a plain address, without user, query or fragment")
        _ = parts.port  # raises ValueError for one that cannot be
        if not tokens or any(
            not token.isascii() or not token.isprintable() or {" ", ","} & set(token) for token in tokens
        ):
            raise ValueError("at least one edge token is needed, and tokens hold neither spaces nor commas")
        return cls(url.rstrip("/"), tokens)

    @property
    def open_wire(self) -> bool:
        """Whether tokens would travel unencrypted to another machine."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}

    def connect(self) -> http.client.HTTPConnection:
        """A new connection, made. Raises UplinkError."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        kind = http.client.HTTPConnection
        try:
            if parts.scheme == "https":
                made: http.client.HTTPConnection = http.client.HTTPSConnection(
                    parts.hostname, parts.port, timeout=CONNECT, context=self.context()
                )
            else:
                made = kind(parts.hostname, parts.port, timeout=CONNECT)
            made.connect()
            made.sock.settimeout(self.patience)
        except OSError as problem:
            raise UplinkError(f"{self.url}: {_why(problem)}") from problem
        return made

    def ask(
        self, connection: http.client.HTTPConnection, path: str, body: dict[str, object]
    ) -> http.client.HTTPResponse:
        """POST `body` with this edge's tokens; the answer, of status 200 or 202. Raises UplinkError."""
        headers = {
            "Authorization": f"Bearer {','.join(self.tokens)}",
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "ensign-edge",
        }
        data = json.dumps(body).encode()
        try:
            connection.request("POST", urlsplit(self.url).path + path, data, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            raise UplinkError(f"{self.url}: {_why(problem)}") from problem
        if response.status in {200, 202}:
            return response
        raise UplinkError(f"{self.url}: {_meaning(response.status)}", status=response.status)


def _why(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({problem.verify_message})"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    return getattr(problem, "strerror", None) or type(problem).__name__


def _meaning(status: int) -> str:
    if status in {401, 403}:
        return f"it refuses the edge tokens ({status}): they are unknown, revoked, expired or of another type"
    if 300 <= status < 400:
        return f"it redirects ({status}), which is not followed; give the address that it names"
    if status == 404:
        return "there is no Ensign with an edge feed at this address (404)"
    return f"it answers {status}"
