"""Reading numbers out of what Prometheus, Alertmanager, webhooks and SDKs say. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ensign.control.monitoring.domain.safeguards import Reading, Source

ALERTMANAGER_VERSION: Final = "4"
#: Of one message; Alertmanager itself bounds groups when it is told to (``max_alerts``).
ALERTS_MAX: Final = 1_000


def prometheus(status: int, answer: Any) -> Reading:
    """The number in an answer of ``/api/v1/query`` (Prometheus's HTTP API, "Instant queries")."""
    if not isinstance(answer, dict) or answer.get("status") != "success":
        kind = answer.get("errorType") if isinstance(answer, dict) else None
        said = f": {kind}" if isinstance(kind, str) and kind.replace("_", "").isalnum() else ""
        return Reading(problem=f"Prometheus refuses the query ({status}{said[:40]})")
    data = answer.get("data")
    result = data.get("result") if isinstance(data, dict) else None
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind == "scalar":
        return _pair(result)
    if kind != "vector" or not isinstance(result, list):
        return Reading(problem="the query gives no single number")
    if not result:
        return Reading(problem="the query finds nothing")
    if len(result) > 1:
        return Reading(problem="the query gives several series: sum them up or take one")
    return _pair(result[0].get("value") if isinstance(result[0], dict) else None)


def _pair(pair: Any) -> Reading:
    """``[time, "number"]``."""
    if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str):
        return Reading(problem="the query gives no single number")
    try:
        number = float(pair[1])
    except ValueError:
        return Reading(problem="the query gives no single number")
    return Reading(problem="it is no number") if math.isnan(number) else Reading(value=number)


def alertmanager(source: Source, message: Any) -> bool | None:
    """Whether a message of Alertmanager's webhook (version 4) holds a firing alert with the safeguard's labels.

    None when it is no such message.
    """
    if not isinstance(message, dict) or message.get("version") != ALERTMANAGER_VERSION:
        return None
    alerts = message.get("alerts")
    if not isinstance(alerts, list):
        return None
    return any(
        isinstance(one, dict)
        and one.get("status") == "firing"
        and isinstance(one.get("labels"), dict)
        and all(one["labels"].get(name) == value for name, value in source.labels.items())
        for one in alerts[:ALERTS_MAX]
    )


def message(source: Source, body: Any) -> Reading:
    """The number in a webhook's message. A number may be written as text."""
    found: Any = body
    for name in source.path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            found = None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return Reading(problem=f"there is no number at {source.path}")
    return Reading(value=float(found))


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of Prometheus's text format."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Total:
    """What had been added up at a time: of the metric, and of what it is divided by (a histogram's sum and count)."""

    at: datetime
    amount: float
    per: float = 0.0


def total(source: Source, environment: str, samples: Iterable[Sample], *, at: datetime) -> Total | None:
    """What the measure rests on, over all series of the environment with the labels; None when there is none."""
    amount, per = _names(source)
    wanted = {**source.labels, "environment": environment}
    found: dict[str, float] = {}
    for sample in samples:
        if sample.name in {amount, per} and all(sample.labels.get(name) == value for name, value in wanted.items()):
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    if amount not in found:
        return None
    return Total(at, found[amount], found.get(per, 0.0))


def _names(source: Source) -> tuple[str, str]:
    """The series' names: as the text format shows counters and histograms."""
    match source.measure:
        case "ratio":
            return _counter(source.metric), _counter(source.per)
        case "mean":
            return f"{source.metric}_sum", f"{source.metric}_count"
        case "value":
            return source.metric, ""
        case _:
            return _counter(source.metric), ""


def _counter(name: str) -> str:
    return name if name.endswith("_total") else f"{name}_total"


def measured(source: Source, totals: Sequence[Total], *, at: datetime) -> Reading:
    """The measure over its minutes, from totals in the order of time.

    A counter that shrank began anew with its process: what it shows since then is what was added.
    """
    if not totals:
        return Reading(problem="no application of this environment reports the metric")
    if source.measure == "value":
        return Reading(value=totals[-1].amount)
    since = at - timedelta(minutes=source.minutes)
    if totals[0].at > since:
        return Reading(problem="it has not been watched for as long as it looks back")
    start = max(n for n, one in enumerate(totals) if one.at <= since)
    steps = list(zip(totals[start:], totals[start + 1 :], strict=False))
    amount = sum(_added(old.amount, new.amount) for old, new in steps)
    if source.measure == "increase":
        return Reading(value=amount)
    per = sum(_added(old.per, new.per) for old, new in steps)
    return Reading(value=amount / per) if per > 0 else Reading(problem="nothing was counted in that time")


def _added(old: float, new: float) -> float:
    return new if new < old else new - old
