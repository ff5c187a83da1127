"""What identity asks about people before it lets them go without a second factor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from ensign.control.access import queries
from ensign.control.access.domain import GrantView, Scope
from ensign.control.access.permissions import ADMINISTRATIVE, Permission
from ensign.control.identity import queries as identity
from ensign.control.identity.enforcing import Powers

_NONE = Powers(administers=False, approves=False)


def powers(person_id: str, at: datetime) -> Powers:
    """Whether a person administers or approves anything anywhere, for some flag at least, by grants in force."""
    return _of(queries.grants_of(person_id), at=at)


def everybodys(*, at: datetime) -> Mapping[str, Powers]:
    """:func:`powers` of everybody who has any, in a few queries whatever their number."""
    groups = {group.id: group.members for group in identity.groups() if group.status == "active"}
    held: dict[str, list[GrantView]] = defaultdict(list)
    for grant in queries.grants():
        for person_id in groups.get(grant.subject, ()) if grant.subject_kind == "group" else (grant.subject,):
            held[person_id].append(grant)
    found = {person_id: _of(grants, at=at) for person_id, grants in held.items()}
    return {person_id: has for person_id, has in found.items() if has != _NONE}


def _of(grants: Iterable[GrantView], *, at: datetime) -> Powers:
    live = [grant for grant in grants if grant.in_force(at=at)]
    return Powers(
        administers=any(_confers(grant, permission) for grant in live for permission in ADMINISTRATIVE),
        approves=any(_confers(grant, Permission.CHANGE_APPROVE) for grant in live),
    )


def _confers(grant: GrantView, permission: Permission) -> bool:
    inside = Scope(grant.scope.project or "*", grant.scope.environment or "*")
    return grant.covers_some(permission, inside)
