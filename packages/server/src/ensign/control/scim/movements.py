"""Who came and who moved: worked out from the log, for samples of joiners and movers (CC6.2, CC6.3).

A joiner is a person who was made, or was let in again, in the period. A mover was active at both of its ends and holds
other roles at the second than at the first. Whoever joined has a row as a joiner only.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.access import as_of
from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.access.standing import Difference, Line, Standing, compare
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import FORMER
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.scim import actions
from ensign.control.scim.movement_log import Came, Given, MovementLog

Event = Literal["joined", "returned", "moved"]

KEPT_ALL: Final = "old-roles-kept"
_TICK: Final = timedelta(microseconds=1)
_EARLIEST: Final = datetime(2, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One joiner or mover. Times are UTC; roles as ``role in project/environment``, ``via`` a group.

    ``effective_at``: when they were made or let in again; of a mover the first change of roles. ``requested_by``: who
    made them or asked for the first role that came; ``approved_by``: who gave it, and whoever confirmed it.
    ``provisioned_at``: when the first role came (to somebody back: when those of before counted again).
    ``first_use_at``: the first sign-in since. ``old_removed_at``: when the last of the roles that a mover lost ended.
    ``seq``: the entry that made them, or that gave the first role.
    """

    person_id: str
    name: str
    email: str
    event: Event
    way: str
    effective_at: datetime
    requested_by: str
    requested_at: datetime | None
    approved_by: tuple[str, ...]
    approved_at: datetime | None
    provisioned_at: datetime | None
    first_use_at: datetime | None
    old_roles: tuple[str, ...]
    new_roles: tuple[str, ...]
    old_removed_at: datetime | None
    exceptions: tuple[str, ...]
    seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Joiners and movers of ``[since, until)``. ``entries``: how many the log held at its end; ``root``: over them."""

    since: datetime
    until: datetime
    entries: int
    root: str
    rows: tuple[Movement, ...]

    @property
    def exceptions(self) -> int:
        """How many stand out."""
        return sum(1 for one in self.rows if one.exceptions)


def report(*, since: datetime, until: datetime, at: datetime) -> Report:
    """The joiners and movers of a period, newest first.

    :raises Invalid: when it ends before it begins, or lies in the future.
    """
    if since >= until:
        raise Invalid("The period ends before it begins.", fields={"until": "Choose a later end."})
    if since > at:
        raise Invalid("Nobody knows the future.", fields={"since": "Choose a day that has come."})
    first = max(since, _EARLIEST)
    before, after = as_of.at_moment(first - _TICK), as_of.at_moment(min(until - _TICK, at))
    known = _Known(before, after, MovementLog(since=since, until=until))
    rows = [_joiner(one, known) for one in known.log.came]
    rows += _movers(known)
    rows.sort(key=lambda one: (one.effective_at, one.person_id), reverse=True)
    root = as_of.root(after.size)
    return Report(since=since, until=until, entries=after.size, root=root, rows=tuple(rows))


class _Known:
    """What is read once for all rows."""

    def __init__(self, before: Standing, after: Standing, log: MovementLog) -> None:
        self.before, self.after, self.log = before, after, log
        self.people = {person.id: person for person in identity.people()}
        groups = {line.via for standing in (before, after) for line in standing.lines if line.via}
        self.names = identity.names(groups)

    def who(self, person: str) -> dict[str, str]:
        found = self.people.get(person)
        name, email = (FORMER, "") if found is None else (found.name or "", found.email or "")
        return {"person_id": person, "name": name, "email": email}

    def roles(self, lines: Iterable[Line]) -> tuple[str, ...]:
        return tuple(sorted({self._role(line) for line in lines}))

    def _role(self, line: Line) -> str:
        place = str(line.grant.scope)
        words = [line.grant.role, f"in {place}" if place else "", str(line.grant.narrowing)]
        words.append(f"via {self.names[line.via]}" if line.via else "")
        return " ".join(word for word in words if word)


def _joiner(came: Came, known: _Known) -> Movement:
    lines = known.after.what(came.person)
    first = known.log.first_given(came.person, came.at)
    provisioned = [max(line.since, came.at) for line in lines] + ([first.at] if first else [])
    return Movement(
        **known.who(came.person),
        event="returned" if came.again else "joined",
        way=came.way,
        effective_at=came.at,
        requested_by=came.by,
        requested_at=came.at,
        approved_by=first.approved_by if first else (),
        approved_at=first.at if first else None,
        provisioned_at=min(provisioned, default=None),
        first_use_at=known.log.first_use(came.person, came.at),
        old_roles=(),
        new_roles=known.roles(lines),
        old_removed_at=None,
        exceptions=(),
        seq=came.seq,
    )


def _movers(known: _Known) -> list[Movement]:
    joined = {one.person for one in known.log.came}
    found: dict[str, list[Difference]] = {}
    for one in compare(known.before, known.after):
        person = one.line.subject
        here = known.before.people.get(person) == known.after.people.get(person) == "active"
        if here and person not in joined and one.change != "altered":
            found.setdefault(person, []).append(one)
    return [_mover(person, differences, known) for person, differences in found.items()]


def _mover(person: str, differences: list[Difference], known: _Known) -> Movement:
    gained = [one.line for one in differences if one.change == "gained"]
    removed = [_removed_at(one.line, known) for one in differences if one.change == "lost"]
    old, new = known.before.what(person), known.after.what(person)
    first = min((given for line in gained if (given := _given(line, known))), key=lambda one: one.seq, default=None)
    ends = [when for when in removed if when is not None]
    times = [line.since for line in gained] + ends
    provisioned = min((line.since for line in gained), default=None)
    return Movement(
        **known.who(person),
        event="moved",
        way="",
        effective_at=min(times, default=known.after.at),
        requested_by=first.requested_by if first else "",
        requested_at=first.requested_at if first else None,
        approved_by=first.approved_by if first else (),
        approved_at=first.at if first else None,
        provisioned_at=provisioned,
        first_use_at=None if provisioned is None else known.log.first_use(person, provisioned),
        old_roles=known.roles(old),
        new_roles=known.roles(new),
        old_removed_at=max(ends, default=None),
        exceptions=(KEPT_ALL,) if gained and old and not removed else (),
        seq=first.seq if first else None,
    )


def _given(line: Line, known: _Known) -> Given | None:
    """The entry by which the line came: the grant's, or that of joining the group, whichever is later."""
    entries = [known.log.granted(line.grant.id)]
    if line.via is not None:
        entries.append(known.log.joined(line.via, line.subject))
    return max((one for one in entries if one is not None), key=lambda one: one.seq, default=None)


def _removed_at(line: Line, known: _Known) -> datetime | None:
    """When a line that is gone at the end ended: with the grant, the membership or the group, whichever came first."""
    grant = next((one for one in known.after.grants if one.id == line.grant.id), None)
    ends: list[datetime | None] = []
    if grant is not None:
        ends.append(grant.ends_at if grant.ends_at is not None and grant.ends_at <= known.after.at else None)
        ends.append(known.log.grant_ended(grant.id))
    if line.via is not None:
        ends += [known.log.left(line.via, line.subject), known.log.archived(line.via)]
    return min((end for end in ends if end is not None), default=None)


# --- The file ---------------------------------------------------------------------------------------

COLUMNS: Final = tuple(field.name for field in fields(Movement))


@operation
def export(*, actor: Actor, at: datetime, since: datetime, until: datetime) -> bytes:
    """The report as CSV (RFC 4180), lists joined by ``; ``; the export is an entry that names its digest.

    :raises Denied: without ``org:ledger:export``. :raises Invalid: as :func:`report`.
    """
    require(actor, Permission.ORG_LEDGER_EXPORT, at=at)
    made = report(since=since, until=until, at=at)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in made.rows:
        writer.writerow([_cell(getattr(one, name)) for name in COLUMNS])
    data = text.getvalue().encode()
    detail = {
        "since": clock.text(since),
        "until": clock.text(until),
        "rows": len(made.rows),
        "exceptions": made.exceptions,
        "size": made.entries,
        "root": made.root,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    record(action=actions.MOVEMENTS_EXPORTED, actor=actor, at=at, detail=detail)
    return data


def _cell(value: Any) -> str | int:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return clock.text(value)
    return "; ".join(value) if isinstance(value, tuple) else value
