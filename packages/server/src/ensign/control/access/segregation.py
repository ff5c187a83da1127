"""Segregation of duties against the database: what somebody holds together, and whether a gain is let through.

Every way to a role asks :func:`check_gain`: giving, approving a request, joining a group, inviting, coming back, a
custom role that comes to mean more. What arises without anybody giving anything (an exception runs out) is a finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ensign.control.access.actions import DUTIES_CHECKED
from ensign.control.access.asked import ExceptionView, exception_of
from ensign.control.access.decisions import views
from ensign.control.access.domain import GrantView, Scope, subject_kind
from ensign.control.access.duties import Overlap, overlaps, uncovered, within
from ensign.control.access.models import DutyException, Grant
from ensign.control.access.permissions import Permission
from ensign.control.access.roles import Role
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Denied

#: How often everybody's roles are compared with the pairs, besides at every gain.
CHECK_INTERVAL: Final = timedelta(days=1)
#: How many of those whom no exception covers the entry names.
_NAMED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """An overlap of somebody's, and the exception in force that covers it (None: nothing does)."""

    subject: str
    overlap: Overlap
    exception: ExceptionView | None


def view(row: DutyException) -> ExceptionView:
    """An exception's row as a value."""
    return exception_of(row.pk, row.state, version=row.version, ledger_seq=row.ledger_seq)


def exceptions(*, subject: str | None = None) -> tuple[ExceptionView, ...]:
    """All exceptions, newest first, or those of one subject."""
    rows = DutyException.objects.order_by("-pk")
    if subject is not None:
        rows = rows.filter(subject=subject)
    return tuple(view(row) for row in rows)


def conflicts(*, at: datetime, subject: str | None = None) -> tuple[Conflict, ...]:
    """What people and service accounts that are not deactivated hold together at ``at``, by subject."""
    held = _held(at=at) if subject is None else {subject: _held_by(subject, at=at)}
    excepted: dict[str, list[ExceptionView]] = defaultdict(list)
    for one in exceptions(subject=subject):
        if one.in_force(at=at):
            excepted[one.subject].append(one)
    return tuple(
        Conflict(subject=who, overlap=overlap, exception=_covering(overlap, excepted[who]))
        for who, grants in sorted(held.items())
        for overlap in overlaps(grants)
    )


def check_gain(subject: str, gained: Sequence[GrantView], *, at: datetime) -> None:
    """Refuse what would let ``subject`` (for a group: any of its members) hold a pair that no exception covers.

    :raises Denied: code ``toxic-pair``, naming the pair; becomes an entry.
    """
    members = identity.group(subject).members if subject_kind(subject) == "group" else (subject,)
    for member in members:
        held = _held_by(member, at=at)
        _refuse_new(member, before=held, after=[*held, *gained], at=at)


def check_return(subject: str, grants: Sequence[GrantView], *, at: datetime) -> None:
    """Refuse that somebody comes back with grants that together make a pair which no exception covers.

    :raises Denied: code ``toxic-pair``.
    """
    _refuse_new(subject, before=(), after=[grant for grant in grants if not grant.over(at=at)], at=at)


def check_role(role: Role, *, at: datetime) -> None:
    """Refuse another meaning of a role that would let one of its holders hold a pair that no exception covers.

    :raises Denied: code ``toxic-pair``.
    """
    for subject, held in _held(at=at).items():
        if any(grant.role == role.key for grant in held):
            _refuse_new(subject, before=held, after=[_meaning(grant, role) for grant in held], at=at)


def check_everybody(*, at: datetime) -> bool:
    """Once a day: an entry with how many hold pairs, and how many of those no exception covers. Whether it was due."""
    last = Entry.objects.filter(action=DUTIES_CHECKED.code).order_by("-seq").values_list("ts", flat=True).first()
    if last is not None and at - clock.parse(last) < CHECK_INTERVAL:
        return False
    _record_check(actor=system("access"), at=at)
    return True


@operation
def _record_check(*, actor: Actor, at: datetime) -> None:
    held = conflicts(at=at)
    open_ = [one for one in held if one.exception is None]
    detail = {
        "count": len({one.subject for one in held}),
        "excepted": len(held) - len(open_),
        "conflicts": len(open_),
        "subjects": sorted({one.subject for one in open_})[:_NAMED],
    }
    record(action=DUTIES_CHECKED, actor=actor, at=at, detail=detail)


def wished(*, subject: str, role: Role, scope: Scope, at: datetime, ends_at: datetime | None = None) -> GrantView:
    """A grant that is not there yet, to ask what it would mean."""
    return GrantView(
        id="new",
        subject=subject,
        role=role.key,
        definition=role,
        scope=scope,
        granted_by="",
        starts_at=at,
        ends_at=ends_at,
        status="active",
        version=0,
        ledger_seq=0,
    )


def _refuse_new(subject: str, *, before: Iterable[GrantView], after: Iterable[GrantView], at: datetime) -> None:
    had = overlaps(before)
    new = [
        overlap
        for overlap in overlaps(after)
        if not any(one.pair is overlap.pair and within(overlap.scope, one.scope) for one in had)
    ]
    left = uncovered(new, exceptions(subject=subject), at=at) if new else ()
    if left:
        first = left[0]
        where = f"in {first.scope}" if first.scope.project else "in this organisation"
        more = f" ({len(left)} such pairs in all)" if len(left) > 1 else ""
        raise Denied(
            f"{identity.name(subject)} would hold what is kept apart {where}: {first.pair.title.lower()}."
            f" Together they let somebody {first.pair.risk}{more}.",
            permission=str(Permission.ORG_ACCESS_GRANT),
            scope=str(first.scope),
            remedy="End one of the two roles first, or propose an exception that a second person approves.",
            code="toxic-pair",
        )


def _covering(overlap: Overlap, live: Sequence[ExceptionView]) -> ExceptionView | None:
    covering = (one for one in live if overlap.pair.key in one.pairs and within(overlap.scope, one.scope))
    return max(covering, key=lambda one: one.expires_at, default=None)


def _meaning(grant: GrantView, role: Role) -> GrantView:
    if grant.role != role.key:
        return grant
    scope, ends_at = grant.scope, grant.ends_at
    return wished(subject=grant.subject, role=role, scope=scope, at=grant.starts_at, ends_at=ends_at)


def _held_by(subject: str, *, at: datetime) -> list[GrantView]:
    subjects = [subject]
    if subject_kind(subject) == "person":
        subjects += [group.id for group in identity.groups_of(subject)]
    rows = Grant.objects.filter(subject__in=subjects, status="active").order_by("pk")
    return [grant for grant in views(rows) if not grant.over(at=at)]


def _held(*, at: datetime) -> Mapping[str, list[GrantView]]:
    """Subject -> grants that are not over, of everybody who is not deactivated."""
    here = {person.id for person in identity.people() if person.status != "disabled"}
    here |= {account.id for account in identity.service_accounts() if account.status == "active"}
    groups = {group.id for group in identity.groups() if group.status == "active"}
    members = identity.members()
    found: dict[str, list[GrantView]] = defaultdict(list)
    for grant in views(Grant.objects.filter(status="active").order_by("pk")):
        if grant.over(at=at):
            continue
        holders = members.get(grant.subject, ()) if grant.subject in groups else (grant.subject,)
        for holder in here.intersection(holders):
            found[holder].append(grant)
    return found
