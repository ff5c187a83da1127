"""Safeguards as values: where a number comes from, when it is too much, and what follows. Pure.

A safeguard is ``armed``, ``fired`` (it acted once; a person arms it again) or ``ended``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Invalid

SourceKind = Literal["prometheus", "alertmanager", "webhook", "impact"]
Act = Literal["off", "pause"]
Measure = Literal["increase", "ratio", "value", "mean"]
Status = Literal["armed", "fired", "ended"]
Outcome = Literal["done", "already", "failed"]

SOURCES: Final[Mapping[SourceKind, str]] = {
    "prometheus": "A Prometheus query",
    "alertmanager": "An alert of Alertmanager",
    "webhook": "A signed webhook",
    "impact": "What SDKs measure (impact metrics)",
}
ACTS: Final[Mapping[Act, str]] = {"off": "switches the flag off", "pause": "pauses the flag's running ramp"}
MEASURES: Final[Mapping[Measure, str]] = {
    "increase": "how much the counter grew",
    "ratio": "how much the counter grew for each one of another",
    "value": "the gauge as it is",
    "mean": "the histogram's mean",
}
#: Those that Ensign asks; the others come by themselves.
POLLED: Final[frozenset[SourceKind]] = frozenset({"prometheus", "impact"})

#: Between two checks that count as consecutive; after a longer silence counting begins anew.
GAP: Final = timedelta(minutes=2)
QUERY_MAX: Final = 4_000
CHECKS_MAX: Final = 240
LABELS_MAX: Final = 20
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_METRIC: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_PATH: Final = re.compile(r"[A-Za-z0-9_-]{1,60}(\.[A-Za-z0-9_-]{1,60}){0,5}\Z")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a number comes from.

    ``prometheus``: ``query``, an instant query that gives one number. ``impact``: ``measure`` of ``metric`` (for
    ``ratio`` for each one of ``per``) over ``minutes``, of the series with these ``labels``. ``alertmanager``: the
    ``labels`` that a firing alert must have. ``webhook``: the ``path`` to the number in the message (``data.value``),
    or none when a message itself says that it is too much.
    """

    kind: SourceKind
    query: str = ""
    measure: Measure = "increase"
    metric: str = ""
    per: str = ""
    minutes: int = 5
    labels: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    @property
    def compares(self) -> bool:
        """Whether there is a number to hold against the threshold; else the message alone decides."""
        return self.kind in POLLED or bool(self.path)

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members."""
        return {**{name: getattr(self, name) for name in Source.__slots__}, "labels": dict(self.labels)}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Source:
        """The inverse of :meth:`to_state`; what is absent has its default."""
        return Source(**{name: state[name] for name in Source.__slots__ if name in state})


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """What guards a flag in an environment.

    ``threshold`` is a decimal number as text; too much is strictly ``above`` (or below) it in ``checks`` consecutive
    checks. ``account`` is the service account that acts. After ``no_data_minutes`` without a number an alert is raised.
    """

    id: str
    key: str
    project: str
    environment: str
    flag: str
    source: Source
    above: bool = True
    threshold: str = "0"
    checks: int = 3
    act: Act = "off"
    account: str
    no_data_minutes: int = 15
    status: Status = "armed"
    token_hash: str = ""
    made_by: str
    made_at: datetime
    armed_at: datetime
    fired_at: datetime | None = None
    fired_value: str = ""
    outcome: Outcome | None = None

    @property
    def limit(self) -> float:
        """The threshold as a number."""
        return float(self.threshold)

    @property
    def condition(self) -> str:
        """When it acts, in words: ``above 0.05 in 3 consecutive checks``."""
        if not self.source.compares:
            return "when told so"
        times = "in one check" if self.checks == 1 else f"in {self.checks} consecutive checks"
        return f"{'above' if self.above else 'below'} {self.threshold} {times}"

    def breached(self, value: float) -> bool:
        """Whether a number is too much."""
        return value > self.limit if self.above else value < self.limit

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members but the id."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: None if (at := getattr(self, name)) is None else clock.text(at) for name in _TIMES},
            "source": self.source.to_state(),
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> Safeguard:
        """The inverse of :meth:`to_state`."""
        return Safeguard(
            id=id,
            **{
                **state,
                **{name: None if state[name] is None else clock.parse(state[name]) for name in _TIMES},
                "source": Source.from_state(state["source"]),
            },
        )


_TIMES = ("made_at", "armed_at", "fired_at")
_PLAIN = (
    "key", "project", "environment", "flag", "above", "threshold", "checks", "act", "account", "no_data_minutes",
    "status", "token_hash", "made_by", "fired_value", "outcome",
)  # fmt: skip


def checked(one: Safeguard) -> Safeguard:
    """The same, when it is possible.

    :raises Invalid: naming each member that is not.
    """
    wrong = _wrong_source(one.source)
    if not _KEY.match(one.key):
        wrong["key"] = "Lower-case letters, digits and hyphens, at most 64."
    if not _NUMBER.match(one.threshold):
        wrong["threshold"] = "A decimal number such as 0.05."
    if not 1 <= one.checks <= CHECKS_MAX:
        wrong["checks"] = f"Choose 1 to {CHECKS_MAX}: it is checked every 15 seconds."
    if not 1 <= one.no_data_minutes <= 1_440:
        wrong["no_data_minutes"] = "Choose 1 to 1440."
    if one.act not in ACTS:
        wrong["act"] = f"Choose one of {', '.join(ACTS)}."
    if wrong:
        raise Invalid("This safeguard is not possible.", fields=wrong)
    return one


def _wrong_source(source: Source) -> dict[str, str]:
    if source.kind not in SOURCES:
        return {"source": f"Choose one of {', '.join(SOURCES)}."}
    wrong: dict[str, str] = {}
    match source.kind:
        case "prometheus":
            if not source.query.strip() or len(source.query) > QUERY_MAX:
                wrong["query"] = f"A query of 1 to {QUERY_MAX} characters that gives one number."
        case "impact":
            if source.measure not in MEASURES:
                wrong["measure"] = f"Choose one of {', '.join(MEASURES)}."
            if not _METRIC.match(source.metric):
                wrong["metric"] = "The metric's name as at /metrics/impact."
            if (source.measure == "ratio") != bool(source.per) or (source.per and not _METRIC.match(source.per)):
                wrong["per"] = "The counter to divide by, for a ratio alone."
            if not 1 <= source.minutes <= 60:
                wrong["minutes"] = "Choose 1 to 60."
        case "alertmanager":
            if not source.labels:
                wrong["labels"] = "Name at least one label that the alert must have, such as alertname."
        case "webhook":
            if source.path and not _PATH.match(source.path):
                wrong["path"] = "Names joined by full stops, such as data.value."
    if len(source.labels) > LABELS_MAX or any(not _LABEL.match(name) for name in source.labels):
        wrong["labels"] = f"At most {LABELS_MAX} labels, with names such as alertname."
    if any(len(value) > 200 for value in source.labels.values()):
        wrong["labels"] = "A label's value has at most 200 characters."
    return wrong


def fired(one: Safeguard, *, value: str, outcome: Outcome, at: datetime) -> Safeguard:
    """It acted, or tried to: until a person arms it again it does nothing.

    :raises Conflict: when it is not armed.
    """
    if one.status != "armed":
        raise Conflict("This safeguard is not armed.", code="not-armed")
    return replace(one, status="fired", fired_at=at, fired_value=value, outcome=outcome)


def rearmed(one: Safeguard, *, at: datetime) -> Safeguard:
    """It watches again.

    :raises Conflict: unless it has fired.
    """
    if one.status != "fired":
        raise Conflict("Only a safeguard that has fired is armed again.", remedy="Reload it.", code="not-fired")
    return replace(one, status="armed", armed_at=at)


def ended(one: Safeguard) -> Safeguard:
    """It guards no more, for good.

    :raises Conflict: when it has ended already.
    """
    if one.status == "ended":
        raise Conflict("This safeguard has ended already.", code="ended")
    return replace(one, status="ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at a source: its number, or why there is none."""

    value: float | None = None
    problem: str = ""

    @property
    def text(self) -> str:
        """The number as people read it; empty without one."""
        return "" if self.value is None else f"{self.value:.6g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is remembered between checks. ``silent_since``: since when there is no number; ``told``: that it was."""

    breaches: int = 0
    value: str = ""
    problem: str = ""
    checked_at: datetime | None = None
    silent_since: datetime | None = None
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a check comes to: whether to act, and whether to raise that there is no data."""

    watch: Watch
    fire: bool = False
    silent: bool = False


def judge(one: Safeguard, watch: Watch, reading: Reading, *, at: datetime) -> Judged:
    """Hold a reading against the safeguard. No data is never a breach, and interrupts a run of breaches."""
    late = watch.checked_at is not None and at - watch.checked_at > GAP
    if watch.checked_at is not None and watch.checked_at < one.armed_at:
        watch, late = Watch(), False
    if reading.value is None or math.isnan(reading.value):
        since = watch.silent_since or at
        long = at - since >= timedelta(minutes=one.no_data_minutes)
        kept = replace(
            watch,
            breaches=0,
            value="",
            problem=reading.problem or "it is no number",
            checked_at=at,
            silent_since=since,
            told=watch.told or long,
        )
        return Judged(watch=kept, silent=long and not watch.told)
    breaches = (0 if late else watch.breaches) + 1 if one.breached(reading.value) else 0
    kept = Watch(breaches=breaches, value=reading.text, checked_at=at)
    return Judged(watch=kept, fire=one.status == "armed" and breaches >= one.checks)
