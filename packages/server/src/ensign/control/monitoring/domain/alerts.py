"""An alert as a value, and its states: open → acknowledged → triaged. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.monitoring.domain.facts import Found
from ensign.control.monitoring.domain.kinds import KINDS, SEVERITIES, Severity

Status = Literal["open", "acknowledged", "triaged"]
Verdict = Literal["expected", "unexpected"]

STATUSES: Final[tuple[Status, ...]] = ("open", "acknowledged", "triaged")
VERDICTS: Final[tuple[Verdict, ...]] = ("expected", "unexpected")
#: How many entries an alert names; of more it keeps the first and the newest, and counts them all.
EVIDENCE_MAX: Final = 100
FOLLOW_UP_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody has to judge by ``due_at``.

    ``caused_by`` (ids) never triage it. ``evidence``: numbers of entries; ``count``: how often it occurred.
    ``alone``: whoever triaged it had caused it, as nobody else could. ``overdue_at``: when its lateness was recorded.
    """

    id: str
    kind: str
    severity: Severity
    subject: str
    project: str | None
    environment: str | None
    caused_by: tuple[str, ...]
    evidence: tuple[int, ...]
    count: int
    facts: Mapping[str, int | str] = field(default_factory=dict)
    raised_at: datetime
    last_at: datetime
    due_at: datetime
    status: Status = "open"
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    verdict: Verdict | None = None
    reason: str = ""
    follow_up: str = ""
    triaged_by: str | None = None
    triaged_at: datetime | None = None
    alone: bool = False
    overdue_at: datetime | None = None

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        return KINDS[self.kind].title

    @property
    def open(self) -> bool:
        """Whether somebody still has to judge it."""
        return self.status != "triaged"

    @property
    def group(self) -> tuple[str, str, str | None, str | None]:
        """As ``Found.group``."""
        return (self.kind, self.subject, self.project, self.environment)

    def overdue(self, *, at: datetime) -> bool:
        """Whether it should have been judged by ``at``."""
        return self.open and self.due_at <= at

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members but the id."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: None if (at := getattr(self, name)) is None else clock.text(at) for name in _TIMES},
            "caused_by": list(self.caused_by),
            "evidence": list(self.evidence),
            "facts": dict(self.facts),
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> Alert:
        """The inverse of :meth:`to_state`."""
        return Alert(
            id=id,
            **{
                **state,
                **{name: None if state[name] is None else clock.parse(state[name]) for name in _TIMES},
                "caused_by": tuple(state["caused_by"]),
                "evidence": tuple(state["evidence"]),
            },
        )


_TIMES = ("raised_at", "last_at", "due_at", "acknowledged_at", "triaged_at", "overdue_at")
_PLAIN = (
    "kind", "severity", "subject", "project", "environment", "count", "status", "acknowledged_by", "verdict", "reason",
    "follow_up", "triaged_by", "alone",
)  # fmt: skip


def raised(id: str, found: Found, *, at: datetime, waits: timedelta) -> Alert:
    """A new alert; its deadline runs from now, when somebody can see it."""
    return Alert(
        id=id,
        kind=found.kind,
        severity=found.severity,
        subject=found.subject,
        project=found.project,
        environment=found.environment,
        caused_by=tuple(sorted(found.caused_by)),
        evidence=_bounded(tuple(sorted(set(found.evidence)))),
        count=1,
        facts=dict(found.facts),
        raised_at=at,
        last_at=at,
        due_at=at + waits,
    )


def again(alert: Alert, found: Found, *, at: datetime, waits: timedelta) -> Alert:
    """The same matter once more: more evidence, never a later deadline, never less pressing."""
    severity = min(alert.severity, found.severity, key=SEVERITIES.index)
    return replace(
        alert,
        severity=severity,
        caused_by=tuple(sorted({*alert.caused_by, *found.caused_by})),
        evidence=_bounded(tuple(sorted({*alert.evidence, *found.evidence}))),
        count=alert.count + 1,
        facts=dict(found.facts),
        last_at=at,
        due_at=min(alert.due_at, at + waits),
    )


def _bounded(evidence: tuple[int, ...]) -> tuple[int, ...]:
    if len(evidence) <= EVIDENCE_MAX:
        return evidence
    return (evidence[0], *evidence[-(EVIDENCE_MAX - 1) :])


def acknowledged(alert: Alert, *, by: str, at: datetime) -> Alert:
    """Somebody looks into it.

    :raises Conflict: when somebody does already, or it was judged.
    """
    if alert.status != "open":
        said = "Somebody looks into it already." if alert.status == "acknowledged" else "It was judged already."
        raise Conflict(said, remedy="Reload it.", code="alert-not-open")
    return replace(alert, status="acknowledged", acknowledged_by=by, acknowledged_at=at)


def triaged(alert: Alert, *, by: str, at: datetime, verdict: str, reason: str, follow_up: str, others: bool) -> Alert:
    """Judge it. ``others``: whether anybody could who did not cause it; only where nobody could, who did may.

    :raises Denied: for who caused it. :raises Conflict: when it was judged already.
    :raises Invalid: without a reason, or unexpected without what follows from it.
    """
    if not alert.open:
        raise Conflict("It was judged already.", remedy="Reload it.", code="alert-not-open")
    caused = by in alert.caused_by
    if caused and others:
        raise Denied(
            "You took part in what this alert is about: somebody else judges it.",
            permission="alert:triage",
            scope="/".join(part for part in (alert.project, alert.environment) if part),
            code="own-alert",
        )
    wrong: dict[str, str] = {}
    if verdict not in VERDICTS:
        wrong["verdict"] = "Say whether it was expected or unexpected."
    if len(reason) < 3:
        wrong["reason"] = "Say in a sentence how you know."
    if verdict == "unexpected" and len(follow_up) < 3:
        wrong["follow_up"] = "Name the incident, the request or the task that deals with it."
    if len(follow_up) > FOLLOW_UP_MAX:
        wrong["follow_up"] = f"At most {FOLLOW_UP_MAX} characters."
    if wrong:
        raise Invalid("The verdict is not complete.", fields=wrong)
    return replace(
        alert,
        status="triaged",
        verdict="expected" if verdict == "expected" else "unexpected",
        reason=reason,
        follow_up=follow_up,
        triaged_by=by,
        triaged_at=at,
        alone=caused,
    )


def escalated(alert: Alert, *, at: datetime) -> Alert | None:
    """Overdue, once: None when it is not, or was said before."""
    if not alert.overdue(at=at) or alert.overdue_at is not None:
        return None
    return replace(alert, overdue_at=at)
