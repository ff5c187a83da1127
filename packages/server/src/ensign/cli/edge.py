"""`ensign edge`: the delivery plane alone, fed by another node. It needs no database and loads no Django."""

from __future__ import annotations

import hmac
import json
import logging
import logging.config
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from ensign import environment, logs, metrics
from ensign.cli.frame import out
from ensign.cli.running import address, run
from ensign.control.kernel.errors import Unavailable
from ensign.delivery.app import DeliveryApp
from ensign.delivery.http import Receive, Scope, Send
from ensign.delivery.sink_upstream import UpstreamSink
from ensign.delivery.source_lines import LineSource
from ensign.delivery.source_upstream import UpstreamSource
from ensign.delivery.uplink import Uplink
from ensign.operators import answer, answer_metrics

log = logging.getLogger("ensign.edge")

LAST_GOOD = "edge.json"


class Edge:
    """The ASGI application: delivery's paths and three for operators."""

    def __init__(self, delivery: DeliveryApp, *, metrics_token: str) -> None:
        self._delivery = delivery
        self._metrics_token = metrics_token
        self._own: dict[str, Callable[[Scope, Send], Awaitable[None]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/metrics/impact": self._impact,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] == "http" and scope["path"] in self._own:
            await self._own[scope["path"]](scope, send)
        elif scope["type"] in {"http", "lifespan"}:
            await self._delivery(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _healthz(self, _scope: Scope, send: Send) -> None:
        """The process answers: for whoever restarts it."""
        await answer(send, 200, b"ok\n")

    async def _readyz(self, _scope: Scope, send: Send) -> None:
        """There is something to serve. That the node above is gone is said, and no reason to send traffic elsewhere."""
        feed = self._delivery.feed
        checks = {"rulesets": feed.warm, "upstream": feed.current, "reason": feed.problem}
        await answer(send, 200 if feed.warm else 503, json.dumps(checks).encode() + b"\n", b"application/json")

    async def _metrics(self, scope: Scope, send: Send) -> None:
        await answer_metrics(scope, send, token=self._metrics_token)

    async def _impact(self, scope: Scope, send: Send) -> None:
        """What applications measured; it stays on the node that they report to."""
        await answer_metrics(scope, send, token=self._metrics_token, text=self._delivery.usage.impact.text)


def serve(*, listener: socket.socket, upstream: str, data_dir: Path) -> None:
    """Serve on `listener` what `upstream` publishes, until a signal.

    :raises Unavailable: when a setting is wrong.
    """
    try:
        _log()
        tokens = _tokens() if upstream else ()
        uplink = Uplink.to(upstream, tokens) if upstream else None
        source = _source(uplink, environment.nats())
        cors = os.environ.get("ENSIGN_CORS_ORIGINS", "*").split(",")
        max_streams = environment.number("ENSIGN_MAX_STREAMS", 20_000, low=0, high=1_000_000)
        behind_proxy = environment.flag("ENSIGN_BEHIND_PROXY")
        keys = environment.public_keys("ENSIGN_RULESET_KEYS")
    except (ValueError, OSError) as error:
        raise Unavailable(f"A setting is wrong: {error}", remedy="See docs/reference/settings.md.") from error
    if uplink is not None and uplink.open_wire:
        log.warning("tokens and rules travel unencrypted to %s; give an https address", uplink.url)
    delivery = DeliveryApp(
        source, None if uplink is None else UpstreamSink(uplink),
        last_good=data_dir / LAST_GOOD, max_streams=max_streams,
        cors_origins=tuple(origin.strip() for origin in cors if origin.strip()), stream_key=_stream_key(tokens),
        ruleset_keys=keys,
    )  # fmt: skip
    source.follow(delivery.feed)
    metrics.watch(
        streams=lambda: delivery.hub.count,
        edges=lambda: delivery.edges.count,
        current=lambda: delivery.feed.current,
        refused=lambda: delivery.feed.refused,
    )
    edge = Edge(delivery, metrics_token=os.environ.get("ENSIGN_METRICS_TOKEN", ""))
    run(
        edge,
        listener,
        ready=lambda: out.print(f"Ensign edge serves on {address(listener)}"),
        stopping=delivery.end_streams,
        behind_proxy=behind_proxy,
    )


def _source(uplink: Uplink | None, nats: dict[str, str]) -> LineSource:
    if nats:
        try:
            from ensign.delivery.nats_records import NatsPlace  # deferred: with the next, which needs an extra
            from ensign.delivery.source_nats import NatsSource  # deferred: nats-py is an extra
        except ImportError as missing:
            raise ValueError("ENSIGN_NATS needs the extra `nats`: install ensign[nats]") from missing
        return NatsSource(NatsPlace.at(**nats))
    if uplink is None:
        raise ValueError("give --upstream, --nats or both")
    return UpstreamSource(uplink)


def _stream_key(tokens: tuple[str, ...]) -> bytes | None:
    """What seals the addresses of OFREP's streams: the same for edges with the same tokens, which share an address."""
    if not tokens:
        return None
    return hmac.digest(" ".join(sorted(tokens)).encode(), b"ensign: addresses of OFREP event streams", "sha256")


def _tokens() -> tuple[str, ...]:
    """The edge tokens, out of ENSIGN_EDGE_TOKENS or the file that ENSIGN_EDGE_TOKENS_FILE names."""
    text = os.environ.get("ENSIGN_EDGE_TOKENS", "")
    if file := os.environ.get("ENSIGN_EDGE_TOKENS_FILE", ""):
        text = f"{text},{Path(file).read_text('utf-8')}"
    found = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if not found:
        raise ValueError(
            "ENSIGN_EDGE_TOKENS must hold at least one edge token (or ENSIGN_EDGE_TOKENS_FILE name a file)"
        )
    return found


def _log() -> None:
    level = os.environ.get("ENSIGN_LOG_LEVEL", "INFO").upper()
    console = os.environ.get("ENSIGN_LOG_FORMAT", "json") == "console"
    logging.config.dictConfig(logs.configuration(level=level, console=console))
