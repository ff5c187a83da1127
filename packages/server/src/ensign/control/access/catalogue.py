"""Which roles there are: the built-in ones, and the custom ones as they stand in the database.

Inside the write door a custom role that a decision read is locked FOR SHARE until the commit, like the grants that name
it: no act commits after the change of the role that allowed it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ensign.control.access.models import CustomRole
from ensign.control.access.permissions import BY_CODE
from ensign.control.access.roles import ROLES, Role, nothing
from ensign.control.audit.rows import rows
from ensign.control.kernel.errors import NotFound
from ensign.control.kernel.transactions import inside_write_door


def role_of(state: Mapping[str, Any]) -> Role:
    """A custom role from its state. A code that is no longer known confers nothing; nor does an archived role."""
    archived = state["status"] != "active"
    codes = () if archived else state["permissions"]
    return Role(
        key=state["key"],
        name=state["name"],
        description=state["description"],
        permissions=frozenset(BY_CODE[code] for code in codes if code in BY_CODE),
        assigns=frozenset() if archived else frozenset(state["assigns"]),
        builtin=False,
        archived=archived,
    )


def definitions(keys: Iterable[str]) -> Mapping[str, Role]:
    """What each of ``keys`` means; one query if some are not built in. An unknown key means nothing."""
    wanted = set(keys)
    found = {key: ROLES[key] for key in wanted if key in ROLES}
    custom = wanted - found.keys()
    if custom:
        found |= {str(row.key): role_of(row.state) for row in _rows(custom)}
    return {key: found.get(key) or nothing(key) for key in wanted}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """A role as it is kept. ``id`` and ``version`` are empty and 0 for a built-in one, which is code."""

    role: Role
    id: str = ""
    version: int = 0
    cloned_from: str | None = None


def role(key: str) -> RoleRow:
    """One role, archived ones included.

    :raises NotFound: when there is none.
    """
    if key in ROLES:
        return RoleRow(role=ROLES[key])
    row = CustomRole.objects.filter(key=key).first()
    if row is None:
        raise NotFound("There is no such role.", remedy="See Roles.")
    return _row(row)


def role_rows(*, archived: bool = False) -> tuple[RoleRow, ...]:
    """All roles: built-in ones least powerful first, then custom ones by name; archived ones only if asked for."""
    custom = sorted((_row(row) for row in CustomRole.objects.all()), key=lambda one: one.role.name.casefold())
    return (
        *(RoleRow(role=role) for role in ROLES.values()),
        *(one for one in custom if archived or not one.role.archived),
    )


def roles(*, archived: bool = False) -> tuple[Role, ...]:
    """:func:`role_rows`, what they mean alone."""
    return tuple(one.role for one in role_rows(archived=archived))


def _row(row: CustomRole) -> RoleRow:
    return RoleRow(role=role_of(row.state), id=row.pk, version=row.version, cloned_from=row.state["cloned_from"])


def _rows(keys: Collection[str]) -> list[CustomRole]:
    return rows(CustomRole, lock="share" if inside_write_door() else None, key=keys)
