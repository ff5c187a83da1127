"""The little HTTP that the delivery plane needs, on raw ASGI: a request, a response, errors as the wire shapes them."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ensign.delivery.published import dumps

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json; charset=utf-8")
MAX_QUERY = 64 * 1024
MAX_DRAIN = 4 * 1024 * 1024
"""So much of a body that is too large is read and dropped: a client that is cut off never sees why."""
_SLASHES = re.compile(r"/{2,}")


class Disconnected(Exception):
    """The client left before its request was complete; there is nobody to answer."""


class Refusal(Exception):
    """An answer that is not what the client hoped for (wire contracts, 2.1)."""

    def __init__(
        self, status: int, name: str, message: str, *, headers: tuple[Header, ...] = (), path: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.name, self.message, self.headers, self.path = status, name, message, headers, path

    def response(self) -> Response:
        """The same as a response. Errors of authentication have `message` alone, as Unleash's do."""
        body: dict[str, object] = {"message": self.message}
        if self.name:
            detail = {"message": self.message} if self.path is None else {"message": self.message, "path": self.path}
            body = {"name": self.name, "message": self.message, "details": [detail]}
        return Response(self.status, dumps(body), (JSON, *self.headers))


def bad_data(message: str, *, path: str | None = None) -> Refusal:
    """400: the request holds something that cannot be understood."""
    return Refusal(400, "BadDataError", message, path=path)


def not_found(message: str) -> Refusal:
    """404."""
    return Refusal(404, "NotFoundError", message)


@dataclass(frozen=True, slots=True)
class Response:
    """Status, body and headers; the length is added when it is sent."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Streaming:
    """A response without an end of its own: after status 200 and `headers`, `run` sends the body and then its end."""

    headers: tuple[Header, ...]
    run: Callable[[Receive, Send], Awaitable[None]]


class Request:
    """One request. Header names are lower-case bytes; of a repeated header the last counts."""

    __slots__ = ("_receive", "_scope", "headers", "method", "path")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        self.path = clean(scope["path"])
        self.headers: dict[bytes, bytes] = dict(scope["headers"])

    def header(self, name: bytes) -> str:
        """A header's text, trimmed; empty when absent."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    @property
    def exact_path(self) -> str:
        """The path as it came, percent-decoded."""
        path: str = self._scope["path"]
        return path

    @property
    def client(self) -> str:
        """The client's address as the server in front of us sees it (uvicorn applies X-Forwarded-For if told to)."""
        client = self._scope.get("client")
        return client[0] if client else ""

    def query(self) -> list[tuple[str, str]]:
        """The query's pairs in order. Raises Refusal when it is larger than 64 KiB or has too many parts."""
        raw: bytes = self._scope.get("query_string", b"")
        if not raw:
            return []
        if len(raw) > MAX_QUERY:
            raise Refusal(413, "ContentTooLargeError", "The query is larger than 64 KiB.")
        try:
            return parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=1_000, errors="replace")
        except ValueError as problem:
            raise bad_data("The query has more than 1,000 parts.") from problem

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises Refusal (413) beyond `limit` bytes, and Disconnected."""
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limit + MAX_DRAIN:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part: bytes = message.get("body", b"")
            size += len(part)
            if size <= limit:
                parts.append(part)
            if size > limit + MAX_DRAIN:
                raise _too_large(limit)
            if not message.get("more_body", False):
                if size > limit:
                    raise _too_large(limit)
                return b"".join(parts)

    async def json(self, limit: int) -> Any:
        """The body read as JSON (RFC 8259). Raises Refusal: 413 when too large, 400 when it is no JSON."""
        return parsed(_unpacked(await self.body(limit), self.header(b"content-encoding"), limit))


def parsed(body: bytes) -> Any:
    """`body` read as JSON (RFC 8259). Raises Refusal (400)."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise Refusal(400, "", "The body is not valid JSON.") from problem


def _unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """The body without its content coding. Raises Refusal: 415 for an unknown one, 413 beyond `limit` bytes, 400."""
    coding = coding.lower()
    if coding in {"", "identity"}:
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        raise Refusal(415, "ContentTypeError", "The body may be packed with gzip or deflate only.")
    try:
        reader = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32)  # either of the two, by its first bytes
        unpacked = reader.decompress(body, limit + 1)
    except zlib.error as problem:
        raise Refusal(400, "", "The body cannot be unpacked.") from problem
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not reader.eof:
        raise Refusal(400, "", "The body is cut off.")
    return unpacked


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _too_large(limit: int) -> Refusal:
    # The rest of the body stays unread, so the connection cannot be used again.
    close = ((b"connection", b"close"),)
    return Refusal(413, "ContentTooLargeError", f"The body is larger than {limit // 1024} KiB.", headers=close)


def clean(path: str) -> str:
    """`path` without doubled and trailing slashes, which URLs that people configure are full of."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the client has this representation (RFC 9110, 13.1.2: lists, `*`, weak comparison)."""
    if not if_none_match:
        return False
    return any(
        candidate == "*" or candidate.removeprefix("W/") == etag
        for candidate in (part.strip() for part in if_none_match.split(","))
    )


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip may be sent (RFC 9110, 12.5.3); a quality of 0 forbids it."""
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in {"gzip", "x-gzip"}:
            quality = parameters.strip().removeprefix("q=").strip()
            return not quality or quality.strip("0.") != ""
    return False


async def respond(send: Send, response: Response, *, head: bool = False) -> None:
    """Send `response`; without its body for HEAD."""
    headers = [*response.headers]
    if response.status not in {204, 304}:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else response.body})
