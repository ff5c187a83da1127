"""Claim: whatever is sent to whatever address, the answer is a proper one, and never a 500."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign_testkit.delivery import MemorySource, flag, strategy
from hypothesis import given, settings
from hypothesis import strategies as st

TOKENS = ("shop:production.b", "shop:production.f", "*:production.all", "shop:production.edge")
PATHS = (
    "/api/client/features", "/api/client/features/menu", "/api/client/register", "/api/client/metrics",
    "/api/client/metrics/bulk", "/api/client/delta", "/api/client/streaming", "/api/frontend", "/api/frontend/all",
    "/api/frontend/features/menu", "/api/frontend/client/features", "/api/frontend/client/metrics",
    "/api/frontend/client/register", "/api/proxy", "/edge/validate", "/edge/feed", "/edge/usage", "/health", "/ready",
    "/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/menu", "/ofrep/v1/evaluate/flags//a/b/", "/ofrep/v1/stream",
    "/api/client/applied", "/api/client/proof",
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "appName", "bucket", "toggles", "yes", "no", "variants", "stop", "context", "properties", "userId", "tokens",
    "applications", "metrics", "featureName", "environment", "timestamp", "sdkVersion", "instanceId", "connectionId",
    "targetingKey",
    "applied", "revision", "agoMs", "before", "node",
    "seenTokens", "impactMetrics", "name", "type", "samples", "labels", "value", "currentTime", "remoteAddress",
    "protocol", "known", "number", "epoch", "batch", "node",
)  # fmt: skip
plausible = st.recursive(
    json_values | st.sampled_from(["production", "menu", "a"]),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=15,
)
bodies = st.binary(max_size=200) | plausible.map(lambda value: json.dumps(value).encode())
HEADERS = (b"if-none-match", b"unleash-client-spec", b"accept-encoding", b"origin", b"content-length",
           b"unleash-sdk", b"unleash-connection-id", b"unleash-interval", b"authorization",
           b"access-control-request-headers", b"x-api-key", b"last-event-id", b"content-encoding",
           b"content-type", b"ensign-signed", b"ensign-confirms")  # fmt: skip
QUERIES = (b"project=x&tag=a:b", b"properties[a]=1&userId=%ff", b"tag=::", b"flagConfigEtag=9.9",
           b"flagConfigLastModified=99&token=ab")  # fmt: skip
header_values = st.binary(max_size=30).filter(lambda value: not {10, 13, 0} & set(value)) | st.sampled_from(
    [b"1", b"gzip", b'"1:1.1."']
)
numbers = st.integers() | json_values
revisions = st.sampled_from(["1.1", "1.x", "-1.5", "9.9.9", "9" * 5_000 + ".1", "."]) | json_values
rows = st.lists(plausible, max_size=3) | json_values
#: What looks almost like that which these addresses take, and comes with the token that they take it from.
SHAPED = {
    "/edge/feed": (TOKENS[3], st.fixed_dictionaries({
        "protocol": st.just(1), "known": st.dictionaries(st.text(max_size=8), revisions, max_size=3) | json_values,
        "number": numbers, "epoch": numbers,
    })),
    "/edge/usage": (TOKENS[3], st.fixed_dictionaries({
        "id": st.text("ab", min_size=8, max_size=9), "node": st.just("n" * 12), "batch": st.fixed_dictionaries({
            "counts": rows, "applications": rows, "reach": rows,
            "refusals": st.dictionaries(st.text(max_size=8), numbers, max_size=2) | json_values,
            "tokens": st.dictionaries(st.text(max_size=8), st.sampled_from(
                ["2026-11-25T13:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "0000", ""]
            ), max_size=2),
        }),
    })),
    "/api/client/applied": (TOKENS[0], st.fixed_dictionaries({
        "applied": st.lists(st.fixed_dictionaries({"revision": revisions, "agoMs": numbers}), max_size=3),
        "before": revisions, "node": json_values,
    })),
}  # fmt: skip


@pytest.fixture(scope="module")
def app() -> Iterator[DeliveryApp]:
    source = MemorySource()
    for token, kind in zip(TOKENS, ("backend", "frontend", "client", "edge"), strict=True):
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
    received = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(received, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": path, "query_string": query, "headers": headers,
        "client": ("203.0.113.7", 4242),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    start, *parts = [message["type"] for message in sent]
    assert start == "http.response.start"
    assert set(parts) == {"http.response.body"}
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


@settings(max_examples=600, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "DELETE", "PUT"]),
    path=st.sampled_from(PATHS) | st.text(max_size=30).map("/".__add__),
    query=st.binary(max_size=60) | st.sampled_from(QUERIES),
    token=st.sampled_from([*TOKENS, "Bearer " + TOKENS[0]]),
    extra=st.dictionaries(st.sampled_from(HEADERS), header_values, max_size=3),
    body=bodies,
)
def test_no_garbage_makes_a_500(app, method, path, query, token, extra, body) -> None:
    headers = {b"authorization": token.encode(), b"unleash-client-spec": b"5.2.0", **extra}
    status, answered, answer = ask(app, method, path, query, list(headers.items()), body)
    assert status in {200, 202, 204, 304, 400, 401, 403, 404, 405, 413, 415, 503}
    if answered.get(b"content-type") == b"text/event-stream":
        assert method == "HEAD" or answer.startswith(b"event: unleash-connected\n")
    elif answer and answered.get(b"content-encoding") != b"gzip":
        assert [json.loads(line) for line in answer.splitlines()]
    for name, value in answered.items():
        assert isinstance(name, bytes)
        assert isinstance(value, bytes)
        assert not {10, 13} & set(value), "nobody can write headers of their own into the answer"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(SHAPED)).flatmap(lambda path: st.tuples(st.just(path), SHAPED[path][1])))
def test_what_nodes_and_sdks_tell_each_other_makes_no_500_either(app, asked: tuple[str, Any]) -> None:
    path, body = asked
    headers = {b"authorization": SHAPED[path][0].encode(), b"unleash-connection-id": b"c-1", b"unleash-appname": b"app"}
    status, _, answer = ask(app, "POST", path, b"", list(headers.items()), json.dumps(body).encode())
    assert status in {200, 202, 400}
    for line in answer.splitlines():
        json.loads(line)
    app.usage.flush()


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


def test_what_is_no_http_at_all_leaves_the_server_as_it_was(plane) -> None:
    chance = random.Random(7)
    heads = (b"", b"GET ", b"POST /api/client/metrics HTTP/1.1\r\n",
             b"GET /api/frontend?userId=\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
             b"POST /api/client/metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
             b"POST /api/client/metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
             b"GET /api/client/features HTTP/9.9\r\n\r\n")  # fmt: skip
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", plane.server.port), timeout=5) as raw:
            raw.sendall(chance.choice(heads) + chance.randbytes(chance.randrange(200)))
    assert plane.get("/api/client/features").status == 200
