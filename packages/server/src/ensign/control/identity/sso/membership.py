"""Groups that a provider manages: who has the mapped value there belongs to the group here, and leaves it with it.

Only memberships that a provider gave are taken away by it; what somebody added here by hand stays. A group that the
directory (SCIM) manages is the directory's alone: a mapping to it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity.actions import MEMBER_ADDED, MEMBER_REMOVED
from ensign.control.identity.models import Group, Membership
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.sessions import SSO
from ensign.control.kernel.ids import new_id

#: Whether somebody must stay in a group because nobody could give roles otherwise: (group, person, at).
Keep = Callable[[str, str, datetime], bool]
_keep: Keep | None = None


def register_keep(keep: Keep) -> None:
    """Let ``keep`` (of access) hold on to the last people who can give roles. Once, while Django starts."""
    global _keep
    _keep = keep


#: Whether somebody may join a group because a provider says so: (provider, group, person, at).
Admit = Callable[[str, str, str, datetime], bool]
_admit: Admit | None = None


def register_admit(admit: Admit) -> None:
    """Let ``admit`` (of access) hold back what takes a second person. Once, while Django starts."""
    global _admit
    _admit = admit


def wanted(provider: ProviderView, person_id: str, values: Iterable[str]) -> frozenset[str]:
    """Ids of the groups that the mapping gives to a person with these values.

    Nobody gives a role to themselves, through a mapping neither: what the person mapped themselves does not count.
    """
    held = set(values)
    return frozenset(one.group for one in provider.group_mapping if one.value in held and one.by != person_id)


def sync(provider: ProviderView, person_id: str, values: Iterable[str], *, at: datetime) -> None:
    """Add and remove the memberships that differ, each with its entry. Inside the write door."""
    rows = {row.group: row for row in Membership.objects.select_for_update().filter(person=person_id).order_by("pk")}
    groups = wanted(provider, person_id, values)
    found = Group.objects.filter(pk__in=[*groups, *rows], status="active")
    directorys = {group.pk for group in found if group.state.get("directory") is not None}
    active = {group.pk for group in found} & groups
    for group in sorted(active - directorys):
        if group not in rows or rows[group].status != "active":
            if _admit is not None and not _admit(provider.id, group, person_id, at):
                continue
            _add(provider, group, person_id, rows.get(group), at=at)
    for group, row in sorted(rows.items()):
        managed = row.status == "active" and row.state.get("managed_by") == provider.id
        if managed and group not in groups | directorys and not (_keep is not None and _keep(group, person_id, at)):
            _remove(provider, row, at=at)


def _add(provider: ProviderView, group: str, person_id: str, current: Membership | None, *, at: datetime) -> None:
    state = {"group": group, "person": person_id, "added_by": SSO.id, "managed_by": provider.id, "status": "active"}
    id = new_id("mem", at=at) if current is None else current.pk
    staged = stage(Membership, id=id, state=state, current=current)
    detail = {"group": group, "person": person_id, "provider": provider.id}
    record(action=MEMBER_ADDED, actor=SSO, at=at, staged=[staged], detail=detail)


def _remove(provider: ProviderView, row: Membership, *, at: datetime) -> None:
    staged = stage(Membership, id=row.pk, state={**row.state, "status": "removed"}, current=row)
    detail = {"group": row.group, "person": row.person, "provider": provider.id}
    record(action=MEMBER_REMOVED, actor=SSO, at=at, staged=[staged], detail=detail)
