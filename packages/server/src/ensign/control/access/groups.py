"""Groups and who belongs to them. Whoever joins a group gets its roles, so joining one is like being granted them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ensign.control.access import provisioning, segregation, two_people
from ensign.control.access.assigning import (
    check_not_oneself,
    gives_everything,
    require_another_granter,
    require_assigning_all,
)
from ensign.control.access.decisions import require, views
from ensign.control.access.domain import ORGANISATION, GrantView
from ensign.control.access.grants import clean_reason
from ensign.control.access.memberships import stage_joining
from ensign.control.access.models import Grant
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import actions, queries
from ensign.control.identity.domain import GroupView, clean_name
from ensign.control.identity.models import Group, Membership
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.ids import new_id

DESCRIPTION_MAX = 500


@operation
def create(*, actor: Actor, at: datetime, name: str, description: str = "") -> GroupView:
    """Make an empty group.

    :raises Denied: without ``org:groups:manage``.
    :raises Conflict: when the name is taken.
    """
    require(actor, Permission.ORG_GROUPS_MANAGE, at=at)
    state = {"name": _free_name(name), "description": _description(description), "status": "active"}
    row = stage(Group, id=new_id("grp", at=at), state=state)
    record(action=actions.GROUP_CREATED, actor=actor, at=at, staged=[row])
    return queries.group(row.id)


@operation
def update(*, actor: Actor, at: datetime, group_id: str, name: str, description: str) -> GroupView:
    """Change a group's name and description.

    :raises Denied: without ``org:groups:manage``.
    :raises Conflict: when the name is taken or the group is archived.
    """
    require(actor, Permission.ORG_GROUPS_MANAGE, at=at)
    group = _locked(group_id)
    if name != group.name:
        _require_by_hand(group_id)
    state = {**group.state, "name": _free_name(name, but=group_id), "description": _description(description)}
    if state != group.state:
        row = stage(Group, id=group.pk, state=state, current=group)
        record(action=actions.GROUP_UPDATED, actor=actor, at=at, staged=[row])
    return queries.group(group_id)


@operation
def archive(*, actor: Actor, at: datetime, group_id: str, reason: str = "") -> GroupView:
    """Archive a group: nobody gets anything through it any more. Of one that the directory manages the name becomes
    free: the directory finds it no more, and can make it anew, without roles.

    :raises Denied: without ``org:groups:manage``.
    :raises Conflict: when it is archived already, or nobody could give roles any more.
    """
    require(actor, Permission.ORG_GROUPS_MANAGE, at=at)
    group = _locked(group_id)
    for grant in _grants(group_id):
        if gives_everything(grant.definition, grant.scope):
            require_another_granter(without_grant=grant.id, at=at)
    managed = group.state.get("directory") is not None
    state = provisioning.archived_state(group, at=at) if managed else {**group.state, "status": "archived"}
    staged = stage(Group, id=group.pk, state=state, current=group)
    record(action=actions.GROUP_ARCHIVED, actor=actor, at=at, staged=[staged], reason=reason)
    return queries.group(group_id)


@operation
def add_member(*, actor: Actor, at: datetime, group_id: str, person_id: str, reason: str = "") -> GroupView:
    """Add a person to a group; never oneself. Where a role of the group takes two people to give, they join once the
    second has confirmed it, and are not among the members of the answer yet.

    :raises Denied: without ``org:groups:members``; also unless they could give each role that the group holds; for a
        pair of permissions that is kept apart.
    :raises Invalid: without a reason, where it takes two people and there is no second one.
    :raises Conflict: when they belong to it already, or group or person are not active.
    """
    decision = require(actor, Permission.ORG_GROUPS_MEMBERS, at=at)
    check_not_oneself(actor, person_id, ORGANISATION, decision)
    group = _locked(group_id)
    _require_by_hand(group_id)
    held = _grants(group_id)
    require_assigning_all(actor, held, at=at)
    segregation.check_gain(person_id, held, at=at)
    rows = [stage_joining(group.pk, person_id, added_by=actor.id, at=at)]
    detail: dict[str, Any] = {"group": group.pk, "person": person_id}
    if two_people.any_needed(held, at=at):
        roles = two_people.roles_of(held, at=at)
        plan = two_people.Plan(kind="membership", subject=person_id, roles=roles, group=group.pk)
        if two_people.begin(actor=actor, at=at, plan=plan, reason=clean_reason(reason)) is not None:
            return queries.group(group_id)
        row, facts = two_people.sole(actor=actor, at=at, plan=plan, reason=reason, grant=None)
        rows.append(row)
        detail |= facts
    record(action=actions.MEMBER_ADDED, actor=actor, at=at, staged=rows, reason=reason, detail=detail)
    return queries.group(group_id)


@operation
def remove_member(*, actor: Actor, at: datetime, group_id: str, person_id: str, reason: str = "") -> GroupView:
    """Remove a person from a group; everybody may leave one themselves.

    :raises Denied: without ``org:groups:members``, except to leave.
    :raises NotFound: when they do not belong to it.
    :raises Conflict: when nobody could give roles any more.
    """
    if actor.id != person_id or not actor.interactive:
        require(actor, Permission.ORG_GROUPS_MEMBERS, at=at)
    row = Membership.objects.select_for_update().filter(group=group_id, person=person_id, status="active").first()
    if row is None:
        raise NotFound("This person does not belong to the group.")
    _require_by_hand(group_id)
    if any(gives_everything(grant.definition, grant.scope) for grant in _grants(group_id)):
        require_another_granter(without_person=person_id, at=at)
    staged = stage(Membership, id=row.pk, state={**row.state, "status": "removed"}, current=row)
    detail = {"group": group_id, "person": person_id}
    record(action=actions.MEMBER_REMOVED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.group(group_id)


def _grants(group_id: str) -> tuple[GrantView, ...]:
    return views(Grant.objects.filter(subject=group_id, status="active").order_by("pk"))


def _locked(group_id: str) -> Group:
    row = Group.objects.select_for_update().filter(pk=group_id).first()
    if row is None:
        raise NotFound("There is no such group.", remedy="See Groups.")
    if row.status != "active":
        raise Conflict("This group is archived.", remedy="Make a new one.")
    return row


def _require_by_hand(group_id: str) -> None:
    if queries.group(group_id).managed:
        raise Conflict(
            "The directory manages this group: who belongs to it and what it is called are changed there.",
            remedy="Change it in your identity provider, or make a group of your own. Roles are given to it here.",
            code="managed-by-directory",
        )


def _free_name(name: str, *, but: str = "") -> str:
    name = clean_name(name)
    if Group.objects.filter(name=name).exclude(pk=but).exists():
        raise Conflict("There is a group of this name.", fields={"name": "Taken, perhaps by an archived group."})
    return name


def _description(text: str) -> str:
    text = text.strip()
    if len(text) > DESCRIPTION_MAX:
        raise Invalid("The description is too long.", fields={"description": f"At most {DESCRIPTION_MAX} characters."})
    return text
