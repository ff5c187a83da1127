"""Who sees what of incidents; times, rates and drills as files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, get_args

from ensign.control.access.decisions import Held, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import queries as identity
from ensign.control.incidents import actions, drills, incident_queries
from ensign.control.incidents.drilling import Drill
from ensign.control.incidents.states import Incident
from ensign.control.incidents.timing import Measure, Rate, measures
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid

Subject = Literal["incidents", "drills", "times"]
Format = Literal["csv", "csv-spreadsheet", "json"]

#: How far back times and rates look, unless asked for otherwise; and at most.
DAYS = 365
RATE_DAYS = 90
DAYS_MAX = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The measures of the incidents declared in a period, and the rate of emergency changes in the last part of it."""

    since: datetime
    until: datetime
    incidents: int
    measures: tuple[Measure, ...]
    rate_since: datetime
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file with evidence; its digest stands in the log."""

    name: str
    media_type: str
    data: bytes
    sha256: str
    rows: int


def require_reading(rights: Held, incident: Incident) -> None:
    """That they may see it: in one of its projects at least.

    :raises Denied: otherwise.
    """
    if not sees(rights, incident):
        rights.require(Permission.INCIDENT_READ, Scope(incident.projects[0]))


def sees(rights: Held, incident: Incident) -> bool:
    """Whether they may see it."""
    return any(rights.allows(Permission.INCIDENT_READ, Scope(key)) for key in incident.projects)


def times(rights: Held, *, at: datetime, days: int = DAYS, project: str = "") -> Times:
    """MTTD, MTTM and MTTR of what they may see.

    :raises Denied: for a project that they may not read. :raises Invalid: for a period out of range.
    """
    if not 1 <= days <= DAYS_MAX:
        raise Invalid("The period is out of range.", fields={"days": f"Choose 1 to {DAYS_MAX} days."})
    keys = rights.projects(Permission.INCIDENT_READ)
    if project:
        rights.require(Permission.INCIDENT_READ, Scope(project))
        keys = frozenset({project})
    since, rate_since = at - timedelta(days=days), at - timedelta(days=min(days, RATE_DAYS))
    found = incident_queries.incidents(projects=keys, since=since, limit=100_000)
    return Times(
        since=since, until=at, incidents=len(found), measures=measures(found), rate_since=rate_since,
        rate=incident_queries.rate(projects=keys, since=rate_since),
    )  # fmt: skip


#: The columns of each subject's file, in their order.
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "times": ("measure", "n", "left_out", "median_s", "p90_s", "slowest_s", "since", "note"),
        "incidents": (
            "id", "title", "severity", "projects", "environment", "state", "began_at", "detected_at", "declared_at",
            "mitigated_at", "resolved_at", "declared_by", "declared_by_name", "suspected_flag", "suspected_change",
            "root_cause", "follow_ups", "follow_ups_open",
        ),
        "drills": (
            "id", "project", "environment", "flag", "result", "started_at", "started_by", "started_by_name",
            "target_ms", "judged_by_ms", "commit_ms", "p50_ms", "p90_ms", "all_ms", "streaming_instances",
            "streaming_running", "streaming_sent", "streaming_last_ms", "polling_instances", "polling_running",
            "polling_sent", "polling_last_ms", "interval_s", "request", "restore", "problem",
        ),
    }
)  # fmt: skip


@operation
def export(*, actor: Actor, at: datetime, subject: str, format: str = "csv", days: int = DAYS) -> ExportedFile:
    """Incidents, drills, or their times as a file; an entry says who took it, with its digest.

    :raises Denied: without ``incident:read`` anywhere. :raises Invalid: for an unknown subject or format.
    """
    rights = held(actor, at=at)
    keys = rights.projects(Permission.INCIDENT_READ)
    if keys is not None and not keys:
        rights.require(Permission.INCIDENT_READ)
    wrong = {}
    if subject not in get_args(Subject):
        wrong["subject"] = f"Choose one of {', '.join(get_args(Subject))}."
    if format not in get_args(Format):
        wrong["format"] = f"Choose one of {', '.join(get_args(Format))}."
    if wrong:
        raise Invalid("There is no such export.", fields=wrong)
    told = times(rights, at=at, days=days)
    if subject == "times":
        rows = time_rows(told)
    elif subject == "drills":
        ran = [one for one in drills.drills(projects=keys, limit=100_000) if one.started_at >= told.since]
        rows = _named([_drill_row(one) for one in ran], "started_by")
    else:
        found = incident_queries.incidents(projects=keys, since=told.since, limit=100_000)
        rows = _named([_incident_row(one) for one in found], "declared_by")
    parameters = {"subject": subject, "format": format, "since": clock.text(told.since), "until": clock.text(at)}
    if format == "json":
        body = {"report": subject, "run_at": clock.text(at), "run_by": actor.id, "parameters": parameters, "rows": rows}
        data = (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()
    else:
        data = _csv(rows, COLUMNS[subject], spreadsheet=format == "csv-spreadsheet")
    digest = hashlib.sha256(data).hexdigest()
    record(action=actions.EXPORTED, actor=actor, at=at, detail={**parameters, "rows": len(rows), "sha256": digest})
    return ExportedFile(
        name=f"{subject}-{at:%Y%m%d-%H%M%S}.{'json' if format == 'json' else 'csv'}",
        media_type="application/json" if format == "json" else "text/csv; charset=utf-8",
        data=data, sha256=digest, rows=len(rows),
    )  # fmt: skip


def _named(rows: list[dict[str, Any]], member: str) -> list[dict[str, Any]]:
    """The rows with the name of whom ``member`` names beside the id."""
    names = identity.names({row[member] for row in rows})
    return [{**row, f"{member}_name": names.get(row[member], "")} for row in rows]


def time_rows(told: Times) -> list[dict[str, Any]]:
    """One row for each measure, in seconds, and one for the rate of emergency changes."""
    rows: list[dict[str, Any]] = [
        {
            "measure": {"detect": "MTTD", "mitigate": "MTTM", "resolve": "MTTR"}[one.kind],
            "n": one.n,
            "left_out": one.left_out,
            "median_s": _seconds(one.median),
            "p90_s": _seconds(one.p90),
            "slowest_s": _seconds(one.slowest),
            "since": clock.text(told.since),
            "note": one.honest,
        }
        for one in told.measures
    ]
    rate = {
        "measure": "break-glass", "n": told.rate.emergencies, "left_out": 0, "median_s": None, "p90_s": None,
        "slowest_s": None, "since": clock.text(told.rate_since), "note": f"of {told.rate.changes} changes",
    }  # fmt: skip
    return [*rows, rate]


def _seconds(value: timedelta | None) -> int | None:
    return None if value is None else round(value.total_seconds())


def _incident_row(one: Incident) -> dict[str, Any]:
    times_ = ("began_at", "detected_at", "declared_at", "mitigated_at", "resolved_at")
    return {
        "id": one.id,
        "title": one.title,
        "severity": one.severity,
        "projects": " ".join(one.projects),
        "environment": one.environment,
        "state": one.state,
        **{name: _instant(getattr(one, name)) for name in times_},
        "declared_by": one.declared_by,
        "suspected_flag": one.suspected_flag,
        "suspected_change": one.suspected_change,
        "root_cause": one.root_cause,
        "follow_ups": len(one.follow_ups),
        "follow_ups_open": sum(todo.done_at is None for todo in one.follow_ups),
    }


def _drill_row(one: Drill) -> dict[str, Any]:
    return {
        "id": one.id,
        "project": one.project,
        "environment": one.environment,
        "flag": one.flag,
        "result": one.status,
        "started_at": clock.text(one.started_at),
        "started_by": one.started_by,
        "target_ms": one.target_ms,
        "judged_by_ms": one.judged_by_ms,
        "commit_ms": one.commit_ms,
        "p50_ms": one.p50_ms,
        "p90_ms": one.p90_ms,
        "all_ms": one.all_ms,
        **{f"streaming_{n}": getattr(one.streaming, n) for n in ("instances", "running", "sent", "last_ms")},
        **{f"polling_{n}": getattr(one.polling, n) for n in ("instances", "running", "sent", "last_ms")},
        "interval_s": one.interval_s,
        "request": one.request,
        "restore": one.restore,
        "problem": one.problem,
    }


def _instant(at: datetime | None) -> str:
    return "" if at is None else clock.text(at)


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, spreadsheet: bool) -> bytes:
    """RFC 4180; without rows the names of the columns alone, so that nobody takes an empty file for a broken one. For
    spreadsheets, what would run as a formula is made inert.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value, spreadsheet) for name, value in row.items()} for row in rows)
    return buffer.getvalue().encode()


def _cell(value: object, spreadsheet: bool) -> object:
    if spreadsheet and isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
