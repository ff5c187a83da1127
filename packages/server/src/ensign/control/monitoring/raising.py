"""Raising alerts and noting that they are late: what Ensign does by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.transactions import require_write_door, write_door
from ensign.control.monitoring import actions, settings
from ensign.control.monitoring.domain import alerts
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.domain.facts import Found
from ensign.control.monitoring.domain.rules import Rules
from ensign.control.monitoring.models import Alert as Row

WATCH = system("watch")
#: How many numbers of entries stand in the entry of an alert itself; all of them are in its state.
_IN_DETAIL = 20


def raise_all(found: Iterable[Found], *, at: datetime) -> list[Alert]:
    """Raise what was found, each matter once: another occurrence of one that is still open joins it.

    Call it inside the write door, with whatever makes sure that nothing is found twice.
    """
    require_write_door()
    rules = settings.present().rules
    groups: dict[tuple[str, str, str | None, str | None], list[Found]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    return [_raised(group, rules=rules, at=at) for group in groups.values()]


def _raised(group: Sequence[Found], *, rules: Rules, at: datetime) -> Alert:
    kind, subject, project, environment = group[0].group
    rows = Row.objects.select_for_update().filter(kind=kind, subject=subject).exclude(status="triaged").order_by("-id")
    known = next((row for row in rows if _alert(row).group == (kind, subject, project, environment)), None)
    alert, rest = (None, group) if known is None else (_alert(known), group)
    if alert is None:
        first, rest = group[0], group[1:]
        alert = alerts.raised(ids.new_id("alr", at=at), first, at=at, waits=rules.waits(first.severity))
    for one in rest:
        alert = alerts.again(alert, one, at=at, waits=rules.waits(one.severity))
    fresh = sorted({seq for one in group for seq in one.evidence})
    record(
        action=actions.ALERT_RAISED,
        actor=WATCH,
        at=at,
        staged=[stage(Row, id=alert.id, state=alert.to_state(), current=known)],
        where=Where(project=project, environment=environment),
        detail={
            "alert": alert.id,
            "kind": kind,
            "severity": alert.severity,
            "subject": subject,
            "evidence": fresh[-_IN_DETAIL:],
            "count": alert.count,
            "due_at": clock.text(alert.due_at),
        },
    )
    return alert


def escalate(*, at: datetime) -> int:
    """Note every alert that nobody judged in time, once each; returns how many. Safe to run again."""
    waiting = Row.objects.exclude(status="triaged").filter(due_at__lte=clock.text(at)).order_by("pk")
    late = [row.pk for row in waiting if alerts.escalated(_alert(row), at=at) is not None]
    return sum(_escalate(id, actor=WATCH, at=at) for id in late)


def _escalate(id: str, *, actor: Actor, at: datetime) -> bool:
    with write_door():
        row = Row.objects.select_for_update().filter(pk=id).first()
        alert = None if row is None else alerts.escalated(_alert(row), at=at)
        if row is None or alert is None:
            return False
        staged: Staged = stage(Row, id=id, state=alert.to_state(), current=row)
        record(
            action=actions.ALERT_OVERDUE,
            actor=actor,
            at=at,
            staged=[staged],
            where=Where(project=alert.project, environment=alert.environment),
            detail={"alert": id, "kind": alert.kind, "severity": alert.severity, "due_at": clock.text(alert.due_at)},
        )
        return True


def _alert(row: Row) -> Alert:
    return Alert.from_state(row.pk, row.state)
