"""Reads of alerts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from ensign.control.access.decisions import Held
from ensign.control.access.permissions import Permission
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.kernel.ids import first_id
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.models import Alert as Row
from ensign.control.monitoring.operations import needed


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """An alert with its row's version."""

    alert: Alert
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """Whose alerts somebody may read: those of ``projects`` (None: of all) and, with ``organisation``, the others."""

    projects: frozenset[str] | None
    organisation: bool

    def __bool__(self) -> bool:
        return self.organisation or self.projects is None or bool(self.projects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which alerts; empty means any. ``status`` may also be ``waiting`` (not judged) or ``overdue``."""

    status: str = ""
    severity: str = ""
    kind: str = ""
    project: str = ""
    since: datetime | None = None
    until: datetime | None = None


def readable(rights: Held) -> Readable:
    """What the actor of ``rights`` may read: a project's with ``alert:read``, the others with ``org:ledger:read``."""
    return Readable(
        projects=rights.projects(Permission.ALERT_READ), organisation=rights.allows(Permission.ORG_LEDGER_READ)
    )


def alerts(
    reader: Readable, wanted: Wanted, *, at: datetime, before: str | None = None, limit: int = 50
) -> list[AlertView]:
    """Alerts, newest first, with an id below ``before``."""
    rows = _matching(reader, wanted, at=at).order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [_view(row) for row in rows[:limit]]


def alert(id: str, reader: Readable) -> AlertView:
    """One alert.

    :raises NotFound: when there is none, or the reader may not know of it.
    """
    row = _matching(reader, Wanted(), at=None).filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such alert.", remedy="Look at the list of alerts.")
    return _view(row)


def waiting(reader: Readable) -> int:
    """How many alerts wait for somebody's judgement."""
    return _matching(reader, Wanted(status="waiting"), at=None).count()


def overdue(*, at: datetime) -> list[Alert]:
    """Every alert that was not judged in time, the longest first."""
    rows = Row.objects.exclude(status="triaged").filter(due_at__lte=clock.text(at)).order_by("due_at")
    return [_view(row).alert for row in rows]


def triageable(alert: Alert, rights: Held) -> bool:
    """Whether to offer a verdict; the operation decides again."""
    permission, scope = needed(alert)
    return alert.open and rights.actor.kind == "person" and rights.allows(permission, scope)


def to_triage(alerts: Collection[Alert], rights: Held) -> frozenset[str]:
    """Ids of those that this person may judge and took no part in."""
    return frozenset(one.id for one in alerts if rights.actor.id not in one.caused_by and triageable(one, rights))


def _matching(reader: Readable, wanted: Wanted, *, at: datetime | None) -> QuerySet[Row]:
    rows = Row.objects.all()
    mine = Q()
    if reader.projects is None:
        mine |= Q(project__isnull=False)
    elif reader.projects:
        mine |= Q(project__in=reader.projects)
    if reader.organisation:
        mine |= Q(project__isnull=True)
    rows = rows.filter(mine) if mine else rows.none()
    if wanted.status == "waiting":
        rows = rows.exclude(status="triaged")
    elif wanted.status == "overdue":
        rows = rows.exclude(status="triaged").filter(due_at__lte=clock.text(at) if at else "")
    elif wanted.status:
        rows = rows.filter(status=wanted.status)
    for name in ("severity", "kind", "project"):
        value = getattr(wanted, name)
        if value:
            rows = rows.filter(**{name: value})
    if wanted.since is not None:
        rows = rows.filter(pk__gte=first_id("alr", at=wanted.since))
    if wanted.until is not None:
        rows = rows.filter(pk__lt=first_id("alr", at=wanted.until))
    return rows


def _view(row: Row) -> AlertView:
    return AlertView(alert=Alert.from_state(row.pk, row.state), version=row.version)
