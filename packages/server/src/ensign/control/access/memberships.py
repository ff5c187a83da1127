"""Joining a group, as a part of writes: adding somebody and confirming it stage the same row."""

from __future__ import annotations

from datetime import datetime

from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import accounts
from ensign.control.identity.models import Group, Membership
from ensign.control.kernel.errors import Conflict
from ensign.control.kernel.ids import new_id


def stage_joining(
    group_id: str, person_id: str, *, added_by: str, at: datetime, managed_by: str | None = None
) -> Staged:
    """The row of a person who joins a group, after its rules. ``managed_by``: the provider that may take it away again.

    :raises Conflict: when they belong to it already, or group or person are not active.
    """
    group = Group.objects.select_for_update().filter(pk=group_id, status="active").first()
    if group is None:
        raise Conflict("This group is archived.", remedy="Make a new one.")
    person = accounts.locked_person(person_id)
    if person.status in {"disabled", "erased"}:
        raise Conflict("This person is deactivated.", remedy="Reactivate them first.")
    current = Membership.objects.select_for_update().filter(group=group.pk, person=person.pk).first()
    if current is not None and current.status == "active":
        raise Conflict("This person belongs to the group already.", fields={"person": "Belongs to it already."})
    state = {"group": group.pk, "person": person.pk, "added_by": added_by, "status": "active"}
    if managed_by is not None:
        state["managed_by"] = managed_by
    return stage(Membership, id=new_id("mem", at=at) if current is None else current.pk, state=state, current=current)
