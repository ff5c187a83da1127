"""Claim: whatever is sent to whatever address, the answer is a proper one, and never a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign_testkit.delivery import MemorySource, flag, strategy
from hypothesis import given, settings
from hypothesis import strategies as st

TOKENS = ("shop:production.b", "shop:production.f", "*:production.all")
PATHS = (
    "/api/client/features", "/api/client/features/menu", "/api/client/register", "/api/client/metrics",
    "/api/client/metrics/bulk", "/api/client/delta", "/api/frontend", "/api/frontend/client/metrics",
    "/api/frontend/client/register", "/api/proxy", "/edge/validate", "/edge/feed", "/edge/usage", "/health", "/ready",
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "appName", "bucket", "toggles", "yes", "no", "variants", "stop", "context", "properties", "userId", "tokens",
    "applications", "metrics", "featureName", "environment", "timestamp", "sdkVersion",
    "protocol", "known", "number", "epoch", "batch", "node", "instanceId", "connectionId",
)  # fmt: skip
plausible = st.recursive(
    json_values | st.sampled_from(["production", "menu", "a"]),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=15,
)
bodies = st.binary(max_size=200) | plausible.map(lambda value: json.dumps(value).encode())
HEADERS = (b"if-none-match", b"unleash-client-spec", b"accept-encoding", b"origin", b"content-length",
           b"unleash-sdk", b"authorization", b"access-control-request-headers")  # fmt: skip
header_values = st.binary(max_size=30).filter(lambda value: not {10, 13, 0} & set(value))


@pytest.fixture(scope="module")
def app() -> Iterator[DeliveryApp]:
    source = MemorySource()
    for token, kind in zip(TOKENS, ("backend", "frontend", "client"), strict=True):
        source.token(token, kind, projects=("*",) if token.startswith("*") else ("shop",))
    source.publish([flag("menu", strategies=[strategy("flexibleRollout", parameters={"rollout": "50"})])])
    made = DeliveryApp(source, lambda _batch: None, refusal_limit=10**9)
    made.feed.start()
    assert made.feed.wait_until(lambda: made.feed.current, 10)
    yield made
    made.feed.stop()


def ask(app: DeliveryApp, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
    """One request through ASGI; returns (status, headers, body)."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": query, "headers": headers,
        "client": ("203.0.113.7", 4242),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@settings(max_examples=600, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT"]),
    path=st.sampled_from(PATHS) | st.text(max_size=30).map("/".__add__),
    query=st.binary(max_size=60) | st.sampled_from([b"project=x&tag=a:b", b"properties[a]=1&userId=%ff", b"tag=::"]),
    token=st.sampled_from([*TOKENS, "Bearer " + TOKENS[0]]),
    extra=st.dictionaries(st.sampled_from(HEADERS), header_values, max_size=3),
    body=bodies,
)
def test_no_garbage_makes_a_500(app, method, path, query, token, extra, body) -> None:
    headers = {b"authorization": token.encode(), b"unleash-client-spec": b"5.2.0", **extra}
    status, answered, answer = ask(app, method, path, query, list(headers.items()), body)
    assert status in {200, 202, 204, 304, 400, 401, 403, 404, 405, 413, 503}
    if answer and answered.get(b"content-encoding") != b"gzip":
        json.loads(answer)
    for name, value in answered.items():
        assert isinstance(name, bytes)
        assert isinstance(value, bytes)
        assert not {10, 13} & set(value), "nobody can write headers of their own into the answer"


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from([p for p in PATHS if "metrics" in p or "register" in p]), body=plausible)
def test_no_report_makes_a_500_or_an_unstorable_row(app, path: str, body: Any) -> None:
    token = TOKENS[1] if "frontend" in path else TOKENS[2]
    if isinstance(body, dict):
        body.setdefault("appName", "app")
    status, _, _ = ask(app, "POST", path, b"", [(b"authorization", token.encode())], json.dumps(body).encode())
    assert status in {202, 400}
    batch = app.usage._take()
    for row in batch.counts:
        assert 0 < len(row.key.flag) <= 100
        row.key.flag.encode()
        assert 0 <= row.yes + row.no < 10**13
        assert row.key.hour.minute == row.key.hour.second == 0
