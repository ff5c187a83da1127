"""What a directory writes about people and groups: made from outside, by the same rows and entries as by hand.

Whether the actor may is decided by the caller, who has proved that the directory speaks; everything runs inside the
write door. A group that the directory manages says so in its state (``directory``); who belongs to it is the
directory's business alone, and what it confers is granted in Ensign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from ensign.control.access import staging
from ensign.control.access.actions import GRANT_ENDED
from ensign.control.access.assigning import gives_everything, require_another_granter
from ensign.control.access.decisions import views
from ensign.control.access.domain import GrantView, Scope
from ensign.control.access.models import Grant
from ensign.control.access.permissions import Permission
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import actions
from ensign.control.identity.domain import clean_name
from ensign.control.identity.models import Account, Group, Membership, Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import require_write_door

#: So many members stand in one entry: an entry holds at most 64 KiB.
MEMBERS_IN_ENTRY: Final = 100


def stage_new_person(*, id: str, email: str, name: str, active: bool, by: Actor) -> Staged:
    """A new person without an account, ``invited`` until they first sign in; deactivated from the start if need be.

    :raises Conflict: when somebody else has the address.
    """
    require_write_door()
    _require_free_address(email, but="")
    state: dict[str, Any] = {"email": email, "name": name, "status": "invited"}
    if not active:
        state |= {"status": "disabled", "disabled_by": by.id}
    return stage(Person, id=id, state=state)


def stage_person(*, id: str, email: str, name: str) -> Staged | None:
    """Another address and name of a person, and of the account they sign in with; None when nothing differs.

    :raises Conflict: when somebody else has the address.
    """
    require_write_door()
    row = Person.objects.select_for_update().get(pk=id)
    if (row.email, row.name) == (email, name):
        return None
    _require_free_address(email, but=id)
    Account.objects.filter(person_id=id).update(email=email)
    return stage(Person, id=id, state={**row.state, "email": email, "name": name}, current=row)


def hold(person_id: str) -> None:
    """Lock the person with roles and memberships, before the first entry is written: the log's lock comes last."""
    require_write_door()
    list(Person.objects.select_for_update().filter(pk=person_id))
    list(Grant.objects.select_for_update().filter(subject=person_id, status="active").order_by("pk"))
    list(Membership.objects.select_for_update().filter(person=person_id, status="active").order_by("pk"))


def end_roles(*, actor: Actor, at: datetime, person_id: str) -> None:
    """End every role and every membership of somebody who is gone for good, each by an entry."""
    require_write_door()
    rows = list(Grant.objects.select_for_update().filter(subject=person_id, status="active").order_by("pk"))
    for row, grant in zip(rows, views(rows), strict=True):
        record(
            action=GRANT_ENDED,
            actor=actor,
            at=at,
            staged=[staging.stage_grant_end(row, ended_by=actor.id)],
            where=Where(project=grant.scope.project, environment=grant.scope.environment),
            detail={"role": grant.role, "subject": person_id},
        )
    for membership in Membership.objects.select_for_update().filter(person=person_id, status="active").order_by("pk"):
        _record_members(actor, at, str(membership.group), [membership], added=False)


# --- Groups -----------------------------------------------------------------------------------------


def create_group(*, actor: Actor, at: datetime, name: str, external_id: str | None) -> str:
    """Make an empty group that the directory manages; returns its id.

    :raises Invalid: for a name that is empty, too long or unreadable. :raises Conflict: when the name is taken.
    """
    require_write_door()
    name = _free_name(name)
    kept = {"external_id": external_id, "created_at": clock.text(at)}
    state = {"name": name, "description": "", "status": "active", "directory": kept}
    row = stage(Group, id=new_id("grp", at=at), state=state)
    record(action=actions.GROUP_CREATED, actor=actor, at=at, staged=[row], detail={"directory": True})
    return row.id


def change_group(*, actor: Actor, at: datetime, group_id: str, name: str, external_id: str | None) -> None:
    """Change the name or the directory's own id of a group that it manages.

    :raises NotFound: when it manages none of this id. :raises Conflict: when the name is taken.
    """
    group = managed_group(group_id)
    state = dict(group.state)
    if name != group.name:
        state["name"] = _free_name(name, but=group_id)
    state["directory"] = {**state["directory"], "external_id": external_id}
    if state != group.state:
        row = stage(Group, id=group_id, state=state, current=group)
        record(action=actions.GROUP_UPDATED, actor=actor, at=at, staged=[row], detail={"directory": True})


def archive_group(*, actor: Actor, at: datetime, group_id: str) -> None:
    """Archive a group that the directory gave up: its roles end, its name is free for another.

    :raises NotFound: when it manages none of this id. :raises Conflict: when nobody could give roles any more.
    """
    group = managed_group(group_id)
    grants = list(Grant.objects.select_for_update().filter(subject=group_id, status="active").order_by("pk"))
    for grant in views(grants):
        if gives_everything(grant.definition, grant.scope):
            require_another_granter(without_grant=grant.id, at=at)
    staged = [stage(Group, id=group_id, state=archived_state(group, at=at), current=group)]
    staged += [staging.stage_grant_end(row, ended_by=actor.id) for row in grants]
    detail = {"directory": True, "grants": len(grants)}
    record(action=actions.GROUP_ARCHIVED, actor=actor, at=at, staged=staged, detail=detail)


def archived_state(group: Group, *, at: datetime) -> dict[str, Any]:
    """The state of a group of the directory that is archived: its name is free, so that the directory can make it
    anew."""
    name = f"{group.name[:60]} (removed {at:%Y-%m-%d}, {group.pk[-6:]})"
    return {**group.state, "name": name, "status": "archived"}


def set_members(*, actor: Actor, at: datetime, group_id: str, wanted: frozenset[str]) -> None:
    """Let exactly these people belong to a group that the directory manages; every change of it names them.

    :raises NotFound: when it manages none of this id, or a person is unknown.
    :raises Conflict: when nobody could give roles any more.
    """
    group = managed_group(group_id)
    rows = {row.person: row for row in Membership.objects.select_for_update().filter(group=group_id).order_by("pk")}
    present = {person for person, row in rows.items() if row.status == "active"}
    joining, leaving = sorted(wanted - present), sorted(present - wanted)
    known = set(Person.objects.filter(pk__in=joining).values_list("pk", flat=True))
    if not known.issuperset(joining):
        raise NotFound("Somebody among the members is unknown here.", code="member-unknown")
    grants = _grants(group_id)
    for some in _some(joining):
        _record_members(actor, at, group.pk, some, added=True, rows=rows, approves=_approves(grants))
    for some in _some(leaving):
        _record_members(actor, at, group.pk, [rows[person] for person in some], added=False)
    if leaving and any(gives_everything(grant.definition, grant.scope) for grant in grants):
        require_another_granter(at=at)


def managed_group(group_id: str) -> Group:
    """The row of an active group that the directory manages, locked until the commit.

    :raises NotFound: when there is none.
    """
    require_write_door()
    row = Group.objects.select_for_update().filter(pk=group_id, status="active").first()
    if row is None or row.state.get("directory") is None:
        raise NotFound("The directory manages no such group.")
    return row


def _record_members(
    actor: Actor,
    at: datetime,
    group_id: str,
    who: Sequence[Any],
    *,
    added: bool,
    rows: dict[str, Membership] | None = None,
    approves: bool = False,
) -> None:
    """One entry for these: ids of people who join (``rows`` are the memberships there ever were), or rows that end."""
    if added:
        people = [str(person) for person in who]
        staged = [_joining(group_id, person, (rows or {}).get(person), by=actor, at=at) for person in people]
    else:
        people = [str(row.person) for row in who]
        staged = [stage(Membership, id=row.pk, state={**row.state, "status": "removed"}, current=row) for row in who]
    named: dict[str, Any] = {"person": people[0]} if len(people) == 1 else {"people": people}
    if approves:
        named["approves"] = True
    action = actions.MEMBER_ADDED if added else actions.MEMBER_REMOVED
    record(action=action, actor=actor, at=at, staged=staged, detail={"group": group_id, "directory": True, **named})


def _joining(group_id: str, person: str, current: Membership | None, *, by: Actor, at: datetime) -> Staged:
    state = {"group": group_id, "person": person, "added_by": by.id, "status": "active"}
    return stage(Membership, id=new_id("mem", at=at) if current is None else current.pk, state=state, current=current)


def _grants(group_id: str) -> list[GrantView]:
    return list(views(Grant.objects.filter(subject=group_id, status="active")))


def _approves(grants: Iterable[GrantView]) -> bool:
    """Whether whoever belongs to the group may approve changes somewhere."""
    places = ((grant, Scope(grant.scope.project or "*", grant.scope.environment or "*")) for grant in grants)
    return any(grant.covers(Permission.CHANGE_APPROVE, place) for grant, place in places)


def _some(ids: Sequence[str]) -> Iterable[list[str]]:
    left = iter(ids)
    while some := list(islice(left, MEMBERS_IN_ENTRY)):
        yield some


def _require_free_address(email: str, *, but: str) -> None:
    if Person.objects.filter(email=email).exclude(pk=but).exists():
        raise Conflict("Somebody else here has this e-mail address.", code="email-taken")


def _free_name(name: str, *, but: str = "") -> str:
    name = clean_name(name, field="displayName")
    if Group.objects.filter(name=name).exclude(pk=but).exists():
        raise Conflict(
            "There is a group of this name here.",
            remedy="Rename the one in Ensign, if it was made by hand and not archived; else call this one otherwise.",
            code="name-taken",
        )
    return name
