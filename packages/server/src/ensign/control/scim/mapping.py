"""Between SCIM's resources and what Ensign keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max
from scim2_models import Meta, Reference, Resource

from ensign.control.audit.models import Entry
from ensign.control.identity.models import Group as GroupRow
from ensign.control.identity.models import Membership, Person
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid
from ensign.control.scim.domain import GONE, Email, Said
from ensign.control.scim.models import Departure, DirectoryUser
from ensign.control.scim.resources import Email as EmailValue
from ensign.control.scim.resources import (
    Employment,
    EnterpriseUser,
    FullUser,
    Group,
    GroupMember,
    Manager,
    Name,
)


def users(rows: Sequence[DirectoryUser]) -> list[Resource[Any]]:
    """Directory records as users, in four queries whatever their number."""
    ids = [row.pk for row in rows]
    people = {pk: (status, seq) for pk, status, seq in _in(Person, ids, "pk", "status", "ledger_seq")}
    leaving = {pk: (text, seq) for pk, text, seq in _departures(ids)}
    seqs = {row.pk: max(row.ledger_seq, people[row.pk][1], leaving.get(row.pk, (None, 0))[1]) for row in rows}
    times = _times(seqs.values())
    found: list[Resource[Any]] = []
    for row in rows:
        terminated_at = leaving.get(row.pk, (None, 0))[0]
        said = Said.from_state(row.state, active=people[row.pk][0] not in GONE, terminated_at=terminated_at)
        seq = seqs[row.pk]
        found.append(user(said, id=row.pk, seq=seq, created=clock.parse(row.state["created_at"]), changed=times[seq]))
    return found


def user(said: Said, *, id: str, seq: int, created: datetime, changed: datetime) -> Resource[Any]:
    """What the directory says of a person as a user. ``seq`` is the last entry that touched any of it: its version."""
    parts = (said.formatted, said.given_name, said.family_name)
    value = FullUser(
        id=id,
        external_id=said.external_id,
        user_name=said.user_name,
        display_name=said.display_name,
        title=said.title,
        active=said.active,
        name=Name(formatted=parts[0], given_name=parts[1], family_name=parts[2]) if any(parts) else None,
        emails=[EmailValue(value=e.value, type=e.type, primary=e.primary) for e in said.emails] or None,
        meta=Meta(resource_type="User", created=created, last_modified=changed, version=_version(seq)),
    )
    if said.department is not None or said.manager is not None:
        manager = None if said.manager is None else Manager(value=said.manager)
        value[EnterpriseUser] = EnterpriseUser(department=said.department, manager=manager)
    if said.terminated_at is not None:
        value[Employment] = Employment(termination_at=said.terminated_at)
    return value


def said(resource: Resource[Any]) -> Said:
    """What a user resource says.

    :raises Invalid: when an address is missing in one of ``emails``.
    """
    value: Any = resource
    enterprise, employment = value[EnterpriseUser], value[Employment]
    manager = None if enterprise is None or enterprise.manager is None else enterprise.manager.value
    emails = tuple(Email(value=e.value or "", type=e.type, primary=e.primary) for e in value.emails or ())
    if any(not email.value for email in emails):
        raise Invalid("One of the e-mail addresses has no value.", fields={"emails": "value is missing"})
    return Said(
        user_name=value.user_name or "",
        external_id=value.external_id or None,
        active=value.active,
        display_name=value.display_name or None,
        formatted=(value.name.formatted or None) if value.name else None,
        given_name=(value.name.given_name or None) if value.name else None,
        family_name=(value.name.family_name or None) if value.name else None,
        title=value.title or None,
        department=None if enterprise is None else enterprise.department or None,
        manager=manager or None,
        emails=emails,
        terminated_at=None if employment is None else employment.termination_at or None,
    )


def groups(rows: Sequence[GroupRow], *, members: bool) -> list[Resource[Any]]:
    """Groups of the directory, with who belongs to them or without."""
    ids = [row.pk for row in rows]
    all_of = Membership.objects.filter(group__in=ids)
    newest = dict(all_of.order_by().values_list("group").annotate(seq=Max("ledger_seq")))
    seqs = {row.pk: max(row.ledger_seq, newest.get(row.pk, 0)) for row in rows}
    times = _times(seqs.values())
    belongs: dict[str, list[str]] = {id: [] for id in ids}
    if members:
        for group_id, person in all_of.filter(status="active").order_by("pk").values_list("group", "person"):
            belongs[group_id].append(person)
    return [group(row, belongs[row.pk], seq=seqs[row.pk], changed=times[seqs[row.pk]]) for row in rows]


def group(row: GroupRow, members: Sequence[str], *, seq: int, changed: datetime) -> Resource[Any]:
    """A group as a resource."""
    kept = row.state["directory"]
    listed = [GroupMember(value=id, ref=Reference(f"Users/{id}"), type="User") for id in members]
    return Group(
        id=row.pk,
        external_id=kept["external_id"],
        display_name=row.name,
        members=listed or None,
        meta=Meta(
            resource_type="Group", created=clock.parse(kept["created_at"]), last_modified=changed, version=_version(seq)
        ),
    )


def members(resource: Resource[Any]) -> frozenset[str]:
    """Ids of the people that a group resource lists.

    :raises Invalid: for a group within a group, or a member without an id.
    """
    value: Any = resource
    for member in value.members or ():
        if (member.type or "User").lower() != "user":
            raise Invalid("Groups hold people, not groups.", fields={"members": "only members of type User"})
        if not member.value:
            raise Invalid("A member has no value.", fields={"members": "value is missing"})
    return frozenset(member.value for member in value.members or ())


def _version(seq: int) -> str:
    return f'W/"{seq}"'


def _times(seqs: Iterable[int]) -> dict[int, datetime]:
    found = Entry.objects.filter(pk__in=set(seqs)).values_list("seq", "ts")
    return {seq: clock.parse(ts) for seq, ts in found}


def _departures(ids: Sequence[str]) -> Iterable[tuple[str, str | None, int]]:
    for row in Departure.objects.filter(pk__in=ids):
        yield row.pk, row.state["text"], row.ledger_seq


def _in(model: type[Person], ids: Sequence[str], *columns: str) -> Iterable[tuple[Any, ...]]:
    return model.objects.filter(pk__in=ids).values_list(*columns)
