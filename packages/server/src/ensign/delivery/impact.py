"""Impact metrics: what applications measure beside their flags (wire contracts, 3.7), added up for Prometheus.

Counters and histograms come as what was added since the last report, gauges as the latest value. All of it is kept in
memory and shown under `/metrics/impact`, apart from the server's own numbers. What cannot be understood is left out
and never fails a report.

Numbers only, with names that the application's authors chose. A label's value is kept when it can be a name: up to 60
letters, digits, spaces and `_ . : / + -`. Everything else, such as an e-mail address or a paragraph, becomes `other`,
and so does what would make more than `MAX_SERIES` series of one metric. So memory has a bound, and an identity that an
application puts there by mistake is not multiplied by its users.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

MAX_METRICS = 200
MAX_SERIES = 200
"""Of one metric; beyond them the labels' values become `other`."""
MAX_LABELS = 10
MAX_BUCKETS = 50
MAX_REPORTED = 1_000
"""Metrics, and samples of each, in one report."""
OTHER = "other"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_VALUE = re.compile(r"[\w .:/+-]{1,60}\Z")
#: Ours, or Prometheus's own.
_TAKEN = frozenset({"appName", "environment", "origin", "metric_type", "le", "quantile"})
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Series:
    """One set of labels. `buckets` maps upper bounds to cumulative counts; empty but for histograms."""

    value: float = 0.0
    count: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    kind: str
    help: str
    series: dict[Labels, Series] = field(default_factory=dict)


class Impact(Collector):
    """What was reported since the start, over all applications of this node. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics: dict[str, _Known] = {}

    def take(self, reported: object, *, app: str | None, environment: str, origin: str = "sdk") -> None:
        """Add what a report holds under `impactMetrics`; leaves out whatever is no metric.

        `app` None: an edge reports for several applications, which the labels name.
        """
        for item in _objects(reported):
            name, kind = sanitised(item.get("name")), item.get("type")
            if name is None or kind not in ("counter", "gauge", "histogram"):
                continue
            with self._lock:
                known = self._metrics.get(name)
                if known is None:
                    if len(self._metrics) >= MAX_METRICS:
                        continue
                    text = item.get("help")
                    known = self._metrics[name] = _Known(kind, text[:200] if isinstance(text, str) else "")
                if known.kind == kind:
                    for sample in _objects(item.get("samples")):
                        labels = _labels(
                            sample.get("labels"), app=app, environment=environment, origin=origin, kind=kind
                        )
                        _add(known, labels, sample)

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`: a consistent copy."""
        with self._lock:
            metrics = [_shown(name, known) for name, known in sorted(self._metrics.items())]
        yield from metrics

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)


def sanitised(name: object) -> str | None:
    """`name` with `_` for what Prometheus does not take; None when it still is no name."""
    if not isinstance(name, str):
        return None
    cleaned = _NOT_IN_NAMES.sub("_", name[:101])
    return cleaned if _NAME.match(cleaned) and not cleaned.startswith("__") else None


def _objects(items: object) -> Iterator[dict[str, Any]]:
    if isinstance(items, list):
        yield from (item for item in items[:MAX_REPORTED] if isinstance(item, dict))


def _labels(given: object, *, app: str | None, environment: str, origin: str, kind: str) -> Labels:
    """Ours win over what an SDK says of them: application and environment are the report's and the token's."""
    plain = given if isinstance(given, dict) else {}
    app = plain.get("appName") if app is None else app
    labels = {"appName": _value(app), "environment": environment, "origin": origin, "metric_type": kind}
    for key, value in list(plain.items())[:MAX_LABELS]:
        name = sanitised(key)
        if name is not None and name not in _TAKEN:
            labels[name] = _value(value)
    return tuple(sorted(labels.items()))


def _value(value: object) -> str:
    if isinstance(value, bool | int | float):
        value = str(value)
    return value if isinstance(value, str) and _VALUE.match(value) else OTHER


def _add(known: _Known, labels: Labels, sample: Mapping[str, Any]) -> None:
    if labels not in known.series and len(known.series) >= MAX_SERIES:
        labels = tuple((name, value if name in _TAKEN - {"appName"} else OTHER) for name, value in labels)
        if labels not in known.series and len(known.series) >= 2 * MAX_SERIES:
            return
    match known.kind:
        case "histogram":
            _add_histogram(known, labels, sample)
        case "counter":
            if (added := _number(sample.get("value"))) is not None and added >= 0:
                known.series.setdefault(labels, Series()).value += added
        case _:
            if (latest := _number(sample.get("value"))) is not None:
                known.series.setdefault(labels, Series()).value = latest


def _add_histogram(known: _Known, labels: Labels, sample: Mapping[str, Any]) -> None:
    """Bounds must be those that the series has: counts of different buckets cannot be added."""
    count, total = _number(sample.get("count")), _number(sample.get("sum"))
    buckets: dict[float, float] = {}
    for bucket in list(_objects(sample.get("buckets")))[:MAX_BUCKETS]:
        bound, times = _bound(bucket.get("le")), _number(bucket.get("count"))
        if bound is None or times is None or times < 0:
            return
        buckets[bound] = times
    if count is None or count < 0 or total is None or math.inf not in buckets:
        return
    series = known.series.setdefault(labels, Series(buckets=dict.fromkeys(sorted(buckets), 0.0)))
    if series.buckets.keys() != buckets.keys():
        return
    series.count += count
    series.value += total
    for bound, times in buckets.items():
        series.buckets[bound] += times


def _bound(value: object) -> float | None:
    return math.inf if value == "+Inf" else _number(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(name: str, known: _Known) -> Metric:
    metric = Metric(name.removesuffix("_total") if known.kind == "counter" else name, known.help, known.kind)
    for labels, series in known.series.items():
        plain = dict(labels)
        match known.kind:
            case "counter":
                metric.add_sample(f"{metric.name}_total", plain, series.value)
            case "gauge":
                metric.add_sample(name, plain, series.value)
            case _:
                for bound, times in series.buckets.items():
                    text = "+Inf" if bound == math.inf else repr(bound)
                    metric.add_sample(f"{name}_bucket", {**plain, "le": text}, times)
                metric.add_sample(f"{name}_count", plain, series.count)
                metric.add_sample(f"{name}_sum", plain, series.value)
    return metric
