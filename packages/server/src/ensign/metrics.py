"""Numbers for Prometheus at ``/metrics``: counts and times, no user data, no names of flags or people."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

import ensign

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS = Counter(
    "ensign_http_requests", "Requests answered", ["plane", "method", "status"], registry=REGISTRY
)  # fmt: skip
SECONDS = Histogram(
    "ensign_http_request_seconds",
    "Seconds until the last byte was handed over, control plane",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
WAITING = Gauge("ensign_http_waiting", "Control plane requests that wait for a thread or are served", registry=REGISTRY)
STREAMS = Gauge("ensign_streams", "SDKs that hold a stream open", registry=REGISTRY)
CLOCK_AHEAD = Gauge(
    "ensign_clock_ahead_seconds", "By how much this node's clock is ahead of its database's", registry=REGISTRY
)
EDGES = Gauge("ensign_edges", "Edges that follow this node", registry=REGISTRY)
CURRENT = Gauge("ensign_rulesets_current", "1 while what rulesets come from answers", registry=REGISTRY)
REFUSED = Gauge(
    "ensign_rulesets_refused", "Rulesets that this process refused to serve since its start", registry=REGISTRY
)  # fmt: skip
TASK_RUNS = Counter("ensign_worker_runs", "Runs of the worker's tasks", ["task", "outcome"], registry=REGISTRY)
TASK_LAST = Gauge(
    "ensign_worker_last_success_timestamp_seconds", "When a task last ended well", ["task"], registry=REGISTRY
)
Gauge("ensign_build_info", "The version that runs", ["version"], registry=REGISTRY).labels(ensign.__version__).set(1)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def watch(
    *, streams: Callable[[], int], edges: Callable[[], int], current: Callable[[], bool], refused: Callable[[], int]
) -> None:
    """Have the delivery plane asked for its numbers."""
    STREAMS.set_function(streams)
    EDGES.set_function(edges)
    CURRENT.set_function(current)
    REFUSED.set_function(refused)


def text() -> bytes:
    """All numbers in Prometheus's text format."""
    return generate_latest(REGISTRY)
