"""Who left, and how soon they were out: worked out from the log, the times side by side (CC6.2).

A leaver is a person who was deactivated in the period, whoever did it; or whose employment ended in it and who is not
deactivated yet. Their clock starts when the employment ended, or, if nobody said when, as the directory's word came.
A rehire begins anew: what lies before the last reactivation counts to the leaving before.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import FORMER
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import queries as projects
from ensign.control.scim import actions, departures
from ensign.control.scim.leaver_log import LeavingLog, Left, entries_by, refusals, within
from ensign.control.scim.models import Departure

LATE: Final = "late"
STILL_ACTIVE: Final = "still-active"
ACTIVE_AFTER: Final = "active-after-termination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaver:
    """One leaving. Times are UTC; ``latency_h`` in hours, negative when access ended before the employment.

    ``sessions``, ``tokens``, ``approvals``, ``requests`` (for access, exceptions, erasures): how many ended with it, in
    the entry ``seq``.
    ``activity_after_termination`` counts entries by them after their clock started, ``refused_after_termination``
    refused sign-ins.
    ``service_tokens`` and ``client_tokens`` are those that they made and that still work: rotate them.
    """

    person_id: str
    name: str
    email: str
    termination_at: datetime | None
    idp_disabled_at: datetime | None
    platform_disabled_at: datetime | None
    disabled_by: str
    sessions_revoked_at: datetime | None
    sessions: int
    tokens_revoked_at: datetime | None
    tokens: int
    approvals: int
    requests: int
    latency_h: float | None
    activity_after_termination: int
    refused_after_termination: int
    service_tokens: int
    client_tokens: int
    exceptions: tuple[str, ...]
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The leavers of ``[since, until)`` as of ``at``. ``entries``: how many the log held."""

    since: datetime
    until: datetime
    at: datetime
    limit_hours: int
    entries: int
    leavers: tuple[Leaver, ...]

    @property
    def exceptions(self) -> int:
        """How many leavers stand out."""
        return sum(1 for one in self.leavers if one.exceptions)


def report(*, since: datetime, until: datetime, at: datetime) -> Report:
    """The leavers of a period.

    :raises Invalid: when it ends before it begins.
    """
    if since >= until:
        raise Invalid("The period ends before it begins.", fields={"until": "Choose a later end."})
    log = LeavingLog()
    found: list[tuple[str, Left | None]] = [(one.person, one) for one in log.left if since <= one.at < until]
    found += [(person, None) for person in _still_here(since, until, at) if person not in {one for one, _ in found}]
    known = _Known(at, {person for person, _ in found})
    rows = [_row(person, left, log, known) for person, left in found]
    rows.sort(key=lambda one: (one.platform_disabled_at or at, one.person_id), reverse=True)
    return Report(
        since=since, until=until, at=at, limit_hours=known.limit, entries=Entry.objects.count(), leavers=tuple(rows)
    )


class _Known:
    """What is read once for all rows."""

    def __init__(self, at: datetime, people: set[str]) -> None:
        self.at = at
        self.limit = departures.hours()
        self.people = {person.id: person for person in identity.people()}
        self.refused = refusals(people)
        self.services, self.clients = _service_tokens(at), _client_tokens(at)


def _still_here(since: datetime, until: datetime, at: datetime) -> list[str]:
    """People whose employment ended in the period and who were never deactivated."""
    found = []
    for row in Departure.objects.order_by("pk"):
        text = row.state["terminated_at"]
        when = None if text is None else clock.parse(text)
        if when is not None and since <= when < until and when <= at and departures.still_here(row.pk):
            found.append(row.pk)
    return found


def _row(person: str, left: Left | None, log: LeavingLog, known: _Known) -> Leaver:
    after, before = log.window(person, known.at if left is None else left.at)
    ended, signal = log.end(person, after, before), log.signal(person, after, before)
    start, over = ended or signal, None if left is None else left.at
    latency = None if start is None else round(((over or known.at) - start) / timedelta(hours=1), 2)
    activity = 0 if start is None else entries_by(person, start, before)
    refused = 0 if start is None else sum(1 for one in known.refused.get(person, ()) if within(one, start, before))
    counts: Mapping[str, Any] = {} if left is None else left.detail
    who = known.people.get(person)
    return Leaver(
        person_id=person,
        name=FORMER if who is None else who.name or "",
        email="" if who is None else who.email or "",
        termination_at=ended,
        idp_disabled_at=signal,
        platform_disabled_at=over,
        disabled_by="" if left is None else left.by,
        sessions_revoked_at=over,
        sessions=int(counts.get("sessions", 0)),
        tokens_revoked_at=over,
        tokens=int(counts.get("tokens", 0)),
        approvals=int(counts.get("approvals", 0)),
        requests=int(counts.get("requests", 0)),
        latency_h=latency,
        activity_after_termination=activity,
        refused_after_termination=refused,
        service_tokens=known.services[person],
        client_tokens=known.clients[person],
        exceptions=_exceptions(latency, known.limit, over, activity),
        seq=None if left is None else left.seq,
    )


def _service_tokens(at: datetime) -> Counter[str]:
    """Person -> how many tokens of service accounts they made that still work."""
    found = (token for account in identity.service_accounts() for token in identity.tokens_of(account.id))
    return Counter(token.created_by for token in found if token.usable(at=at))


def _client_tokens(at: datetime) -> Counter[str]:
    """The same of applications' tokens."""
    return Counter(row.created_by for row in projects.tokens() if row.live(at=at))


def _exceptions(latency: float | None, limit: int, over: datetime | None, activity: int) -> tuple[str, ...]:
    found = []
    if over is None:
        found.append(STILL_ACTIVE)
    if latency is not None and latency > limit:
        found.append(LATE)
    if activity:
        found.append(ACTIVE_AFTER)
    return tuple(found)


# --- The file ---------------------------------------------------------------------------------------

COLUMNS: Final = tuple(field.name for field in fields(Leaver))


def to_json(one: Leaver) -> dict[str, Any]:
    """A row as JSON holds it: times as RFC 3339 in UTC."""
    return {name: _plain(getattr(one, name)) for name in COLUMNS}


@operation
def export(*, actor: Actor, at: datetime, since: datetime, until: datetime) -> bytes:
    """The report as CSV (RFC 4180); the export is an entry that names its digest.

    :raises Denied: without ``org:ledger:export``. :raises Invalid: as :func:`report`.
    """
    require(actor, Permission.ORG_LEDGER_EXPORT, at=at)
    made = report(since=since, until=until, at=at)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in made.leavers:
        row = to_json(one)
        writer.writerow(["" if v is None else " ".join(v) if isinstance(v, list) else v for v in row.values()])
    data = text.getvalue().encode()
    detail = {
        "since": clock.text(since),
        "until": clock.text(until),
        "rows": len(made.leavers),
        "exceptions": made.exceptions,
        "size": made.entries,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    record(action=actions.LEAVERS_EXPORTED, actor=actor, at=at, detail=detail)
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.text(value)
    return list(value) if isinstance(value, tuple) else value
