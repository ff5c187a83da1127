"""Alerts as a file: CSV or JSON, for whoever reviews how monitoring worked. Making one is an entry."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ensign.control.access.decisions import held, require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.monitoring import actions, queries
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.queries import Wanted

Format = Literal["csv", "json"]

MAX: int = 100_000
COLUMNS = (
    "alert", "kind", "title", "severity", "project", "environment", "subject", "subject_name", "caused_by",
    "caused_by_names", "count", "evidence",
    "raised_at", "due_at", "overdue_at", "status", "acknowledged_by", "acknowledged_at", "verdict", "reason",
    "follow_up", "triaged_by", "triaged_by_name", "triaged_at", "alone", "hours_to_triage",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A listing to hand out."""

    name: str
    media_type: str
    data: bytes


@operation
def export(*, actor: Actor, at: datetime, wanted: Wanted, format: Format = "csv") -> File:
    """The alerts that match and that the actor may read, oldest first.

    :raises Denied: for who may read no alerts at all.
    :raises Invalid: when there are more than 100,000.
    """
    reader = queries.readable(held(actor, at=at))
    if not reader:
        require(actor, Permission.ORG_LEDGER_READ, at=at)
    found = [view.alert for view in queries.alerts(reader, wanted, at=at, limit=MAX + 1)]
    if len(found) > MAX:
        raise Invalid(f"More than {MAX:,} alerts match.", remedy="Choose a shorter period.")
    people = {id for one in found for id in (one.triaged_by or "", *one.subject.split("+"), *one.caused_by) if id}
    rows = _rows(reversed(found), identity.names(people))
    data = _json(rows) if format == "json" else _csv(rows)
    record(
        action=actions.ALERTS_EXPORTED,
        actor=actor,
        at=at,
        where=Where(project=wanted.project or None),
        detail={"rows": len(rows), "format": format, "sha256": hashlib.sha256(data).hexdigest()},
    )
    media_type = "application/json" if format == "json" else "text/csv; charset=utf-8"
    return File(name=f"alerts-{at:%Y%m%dT%H%M%SZ}.{format}", media_type=media_type, data=data)


def _rows(alerts: Iterable[Alert], names: dict[str, str]) -> list[dict[str, str | int]]:
    return [_row(one, names) for one in alerts]


def _row(one: Alert, names: dict[str, str]) -> dict[str, str | int]:
    took = None if one.triaged_at is None else (one.triaged_at - one.raised_at).total_seconds() / 3600
    return {
        "alert": one.id,
        "kind": one.kind,
        "title": one.title,
        "severity": one.severity,
        "project": one.project or "",
        "environment": one.environment or "",
        "subject": one.subject,
        "subject_name": "; ".join(names[id] for id in one.subject.split("+") if id in names),
        "caused_by": " ".join(one.caused_by),
        "caused_by_names": "; ".join(names[id] for id in one.caused_by if id in names),
        "count": one.count,
        "evidence": " ".join(map(str, one.evidence)),
        "raised_at": clock.text(one.raised_at),
        "due_at": clock.text(one.due_at),
        "overdue_at": _text(one.overdue_at),
        "status": one.status,
        "acknowledged_by": one.acknowledged_by or "",
        "acknowledged_at": _text(one.acknowledged_at),
        "verdict": one.verdict or "",
        "reason": one.reason,
        "follow_up": one.follow_up,
        "triaged_by": one.triaged_by or "",
        "triaged_by_name": names.get(one.triaged_by or "", ""),
        "triaged_at": _text(one.triaged_at),
        "alone": "yes" if one.alone else "no",
        "hours_to_triage": "" if took is None else f"{took:.1f}",
    }


def _text(at: datetime | None) -> str:
    return "" if at is None else clock.text(at)


def _csv(rows: list[dict[str, str | int]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _unformula(value) for name, value in row.items()})
    return out.getvalue().encode()


def _unformula(value: str | int) -> str | int:
    """What a spreadsheet would take for a formula is written as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _json(rows: list[dict[str, str | int]]) -> bytes:
    return (json.dumps({"alerts": rows}, ensure_ascii=False, indent=1) + "\n").encode()
