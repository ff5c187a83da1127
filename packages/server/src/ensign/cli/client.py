"""Talking to the API: one call, pages followed, problems turned into the same errors as everywhere else."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from ensign.control.kernel import errors

TIMEOUT = 30.0
_KINDS: Mapping[int, type[errors.EnsignError]] = {
    400: errors.Invalid,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Conflict,
    413: errors.Invalid,
    415: errors.Invalid,
    422: errors.Invalid,
}


class Client:
    """The API at ``url`` with a personal or service token."""

    def __init__(self, *, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "ensign-cli"}
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def call(self, method: str, path: str, body: Any = None, *, query: Mapping[str, Any] | None = None) -> Any:
        """The answer as JSON. A write carries an Idempotency-Key, and is sent again once if the answer got lost.

        :raises EnsignError: as the server says, or Unavailable when it cannot be reached.
        """
        response = self._send(method, path, body, query=query)
        return _read(response.status, response.data, response.headers)

    def file(self, path: str, body: Any) -> bytes:
        """What a POST answers, as it is. It may take longer: an export reads much.

        :raises EnsignError: as above.
        """
        response = self._send("POST", path, body, timeout=10 * TIMEOUT)
        if response.status >= 400:
            _read(response.status, response.data, response.headers)
        return bytes(response.data)

    def _send(
        self, method: str, path: str, body: Any, *, query: Mapping[str, Any] | None = None, timeout: float = TIMEOUT
    ) -> urllib3.BaseHTTPResponse:
        headers = dict(self._headers)
        content = None
        if method != "GET":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        given = {name: value for name, value in (query or {}).items() if value not in {None, "", False}}
        address = f"{self.url}/api/v1{path}" + (f"?{urlencode(given)}" if given else "")
        for last in (False, True):
            try:
                return self._pool.request(method, address, body=content, headers=headers, timeout=timeout)
            except urllib3.exceptions.HTTPError as error:
                if not last and not isinstance(error, urllib3.exceptions.NewConnectionError):
                    continue
                raise errors.Unavailable(
                    f"Ensign at {self.url} does not answer: {_cause(error)}.",
                    remedy="Check ENSIGN_URL, and that the server runs.",
                ) from error
        raise AssertionError("the loop returns or raises")

    def pages(self, path: str, *, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = self.call("GET", path, query={**(query or {}), "cursor": cursor})
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return


def _cause(error: urllib3.exceptions.HTTPError) -> str:
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "the connection was refused"
    return "it took too long" if isinstance(error, urllib3.exceptions.TimeoutError) else type(error).__name__


def _read(status: int, data: bytes, headers: Mapping[str, str]) -> Any:
    try:
        body = json.loads(data) if data else None
    except ValueError as error:
        raise errors.Unavailable(
            f"What answers at ENSIGN_URL is not Ensign's API (status {status}).", remedy="Check ENSIGN_URL."
        ) from error
    if status < 400:
        return body
    problem = body if isinstance(body, dict) else {}
    message = str(problem.get("detail") or f"The server answered {status}.")
    code, remedy = str(problem.get("code") or "error"), str(problem.get("remedy") or "")
    fields = {str(one["pointer"]): str(one["detail"]) for one in problem.get("errors", ())}
    if status == 401:
        raise errors.Unauthenticated(message, remedy=remedy)
    if status == 403:
        raise errors.Denied(message, permission="", remedy=remedy, code=code)
    if status == 429:
        raise errors.RateLimited(message, retry_after=int(headers.get("Retry-After", "60")), remedy=remedy)
    kind = _KINDS.get(status, errors.Unavailable)
    raise kind(message, remedy=remedy, fields=fields, code=code)


def connect() -> Client:
    """The client for ENSIGN_URL (default http://localhost:8000) and ENSIGN_TOKEN.

    :raises Invalid: when the address is none. :raises Unauthenticated: when there is no token.
    """
    url = os.environ.get("ENSIGN_URL", "http://localhost:8000")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise errors.Invalid(f"ENSIGN_URL is not an address: {url!r}", remedy="Set it to https://ensign.example.com")
    token = os.environ.get("ENSIGN_TOKEN", "").strip()
    if not token:
        raise errors.Unauthenticated(
            "ENSIGN_TOKEN is not set.",
            remedy="Make a personal token under Your account → Tokens, then: export ENSIGN_TOKEN=ensign_pat_…",
        )
    if not all("!" <= letter <= "~" for letter in token):  # said here, as the error of HTTP would show the token
        raise errors.Unauthenticated(
            "ENSIGN_TOKEN holds a space, a line break or a letter that no token has.", remedy="Copy the token again."
        )
    return Client(url=url, token=token)


def part(text: str) -> str:
    """``text`` as one part of a path."""
    return quote(text, safe="")
