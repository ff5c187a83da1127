"""What server and edge answer to those who run them, apart from both planes."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ensign import metrics

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def answer(send: Send, status: int, body: bytes, kind: bytes = b"text/plain; charset=utf-8") -> None:
    """A short answer that nobody may keep."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer_metrics(scope: Scope, send: Send, *, token: str, text: Callable[[], bytes] = metrics.text) -> None:
    """The numbers of `text`, for whoever sends `token`; without one for this machine alone."""
    if not _may_read(scope, token):
        await answer(send, 403, b"Metrics are for this machine, or for whoever sends ENSIGN_METRICS_TOKEN.\n")
        return
    await answer(send, 200, text(), metrics.CONTENT_TYPE)


def _may_read(scope: Scope, token: str) -> bool:
    if token:
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    client = scope.get("client")
    return client is not None and client[0] in {"127.0.0.1", "::1"}
