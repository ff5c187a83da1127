"""Making, changing and archiving custom roles. Built-in ones are code and never change here.

Changing what a role allows gives and takes access of all who hold it, at once. So it says beforehand who gains and
loses what (``effects``), it takes the right to give the role to each of them, and nobody widens a role of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access import actions, places, segregation, two_people
from ensign.control.access.assigning import (
    check_not_oneself,
    gives_everything,
    require_another_granter,
    require_assigning,
)
from ensign.control.access.catalogue import definitions, role_of, roles
from ensign.control.access.decisions import held, require, views
from ensign.control.access.domain import ORGANISATION, GrantView, Scope
from ensign.control.access.models import CustomRole, Grant
from ensign.control.access.permissions import BY_CODE, Permission
from ensign.control.access.roles import (
    EVERY,
    ROLES,
    STANDING,
    Role,
    confers_approval,
    confers_granting,
    unfit_for_services,
)
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity.domain import clean_name
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.ids import new_id

DESCRIPTION_MAX = 500
_KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
#: Addresses of the pages about roles.
_RESERVED = frozenset({"new"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWish:
    """What a role should be called and allow. ``permissions`` are codes, ``assigns`` keys of roles or ``*``."""

    name: str
    permissions: Collection[str]
    description: str = ""
    assigns: Collection[str] = ()


@operation
def create(*, actor: Actor, at: datetime, key: str, wish: RoleWish, cloned_from: str | None = None) -> Role:
    """A role that nobody holds yet. ``cloned_from`` says of which role it began as a copy.

    :raises Denied: without ``org:roles:manage``.
    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when key or name are taken.
    """
    require(actor, Permission.ORG_ROLES_MANAGE, at=at)
    if len(key) > 50 or not _KEY.match(key) or key in _RESERVED:
        message = "Use 1 to 50 small letters and digits, with - between words."
        raise Invalid("This key cannot be used.", fields={"key": message})
    if key in ROLES or CustomRole.objects.filter(key=key).exists():
        raise Conflict("There is a role of this key.", fields={"key": "Taken, perhaps by an archived role."})
    role = wished(key, wish)
    if cloned_from is not None and not definitions([cloned_from])[cloned_from].permissions:
        raise Invalid("There is no such role to copy.", fields={"cloned_from": "Choose a role that is in use."})
    row = stage(CustomRole, id=new_id("rol", at=at), state=_state(role, cloned_from=cloned_from))
    record(action=actions.ROLE_CREATED, actor=actor, at=at, staged=[row], detail={"role": key, **_marks(role)})
    return definitions([key])[key]


@operation
def update(
    *, actor: Actor, at: datetime, key: str, wish: RoleWish, reason: str = "", expected_version: int | None = None
) -> Role:
    """Change what a role is called and allows. Whoever holds it gains and loses that at once.

    :raises Denied: without ``org:roles:manage``; for more permissions also without the right to give the role to each
        who holds it, and to who holds it themselves; where a holder would hold a pair that is kept apart.
    :raises Invalid: naming the field that is wrong.
    :raises Conflict: when it is built in or archived, at another version than ``expected_version``, its name is taken,
        a service account holds it and could not, or nobody could give roles any more; when somebody would come to
        approve production or to give that, which takes two people for each (code ``takes-two``).
    """
    require(actor, Permission.ORG_ROLES_MANAGE, at=at)
    row = _locked(key)
    if expected_version is not None and row.version != expected_version:
        raise Conflict("The role changed since you looked at it.", remedy="Look again.", code="version-conflict")
    before, after = role_of(row.state), wished(key, wish)
    grants = _grants(key, at=at)
    if widens(before, after):
        rights = held(actor, at=at)
        for grant in grants:
            decision = require_assigning(actor, after, grant.scope, at=at, holds=rights)
            check_not_oneself(actor, grant.subject, grant.scope, decision)
        _check_two_people(before, after, grants, at=at)
        segregation.check_role(after, at=at)
    if unfit_for_services(after) and any(grant.subject_kind == "service" for grant in grants):
        raise Conflict(
            "A service account holds this role, and no token could use what it would allow.",
            remedy="End the service account's grant first, or make another role.",
        )
    if gives_everything(before, ORGANISATION) and not gives_everything(after, ORGANISATION):
        require_another_granter(without_role=key, at=at)
    state = _state(after, cloned_from=row.state["cloned_from"])
    if state != row.state:
        gained, lost = after.permissions - before.permissions, before.permissions - after.permissions
        detail = {"role": key, "gained": sorted(gained), "lost": sorted(lost), "grants": len(grants), **_marks(after)}
        staged = stage(CustomRole, id=row.pk, state=state, current=row)
        record(action=actions.ROLE_UPDATED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return definitions([key])[key]


@operation
def archive(*, actor: Actor, at: datetime, key: str, reason: str = "") -> Role:
    """Archive a role: nobody can be given it any more. What was granted by it once keeps its name.

    :raises Denied: without ``org:roles:manage``.
    :raises Conflict: when it is built in or archived, or somebody holds it or will.
    """
    require(actor, Permission.ORG_ROLES_MANAGE, at=at)
    row = _locked(key)
    holding = len(_grants(key, at=at))
    if holding:
        raise Conflict(
            f"{row.state['name']} is held by {holding} grant{'s' if holding > 1 else ''}.",
            remedy="End these first; the role's page lists them.",
            code="role-held",
        )
    staged = stage(CustomRole, id=row.pk, state={**row.state, "status": "archived"}, current=row)
    record(action=actions.ROLE_ARCHIVED, actor=actor, at=at, staged=[staged], reason=reason, detail={"role": key})
    return definitions([key])[key]


def _check_two_people(before: Role, after: Role, grants: Sequence[GrantView], *, at: datetime) -> None:
    """Nobody comes to approve production, to decide how people sign in, nor to give that, by one person's change of
    what a role means.

    :raises Conflict: code ``takes-two``.
    """
    gained = {one for one in STANDING if after.confers(one) and not before.confers(one)}

    def more(scope: Scope) -> bool:
        """Whether it is more than what two people gave already."""
        here = gained if scope == ORGANISATION else gained & {Permission.CHANGE_APPROVE}
        gives = two_people.gives_approval(after, scope) and not two_people.gives_approval(before, scope)
        return bool(here) or gives or not two_people.needed(before, scope)

    reached = [g for g in grants if two_people.needed(after, g.scope) and more(g.scope)]
    if gained:  # who gives this role comes to give that
        giving = [
            grant
            for one in roles()
            if one.key != after.key and after.key in one.assigns
            for grant in _grants(one.key, at=at)
        ]
        reached += [
            g for g in giving if places.reaches_protected(g.scope) and not two_people.needed(g.definition, g.scope)
        ]
    if reached:
        raise Conflict(
            f"By {len(reached)} grant{'s' if len(reached) > 1 else ''} somebody would come to approve production,"
            " to decide who is who, or to give that.",
            remedy="Make another role with it and give that one: giving it takes two people.",
            code="takes-two",
        )


def widens(before: Role, after: Role) -> bool:
    """Whether holders of the role could do anything afterwards that they could not before."""
    more = after.assigns - before.assigns
    return bool(after.permissions - before.permissions) or (bool(more) and EVERY not in before.assigns)


def wished(key: str, wish: RoleWish) -> Role:
    """The role that a wish would make, after its rules; nothing is written.

    :raises Invalid: naming the field that is wrong. :raises Conflict: when the name is taken.
    """
    name = clean_name(wish.name)
    if any(one.name.casefold() == name.casefold() and one.key != key for one in roles()):
        raise Conflict("There is a role of this name.", fields={"name": "Choose another name."})
    description = " ".join(wish.description.split())
    if len(description) > DESCRIPTION_MAX:
        raise Invalid("The description is too long.", fields={"description": f"At most {DESCRIPTION_MAX} characters."})
    unknown = sorted(set(wish.permissions) - BY_CODE.keys())
    if unknown:
        raise Invalid("There is no such permission.", fields={"permissions": f"Unknown: {', '.join(unknown)[:200]}."})
    if not wish.permissions:
        raise Invalid("The role would allow nothing.", fields={"permissions": "Choose at least one."})
    role = Role(
        key=key,
        name=name,
        description=description,
        permissions=frozenset(BY_CODE[code] for code in wish.permissions),
        assigns=frozenset(wish.assigns),
        builtin=False,
    )
    _check_assigns(role)
    return role


def _check_assigns(role: Role) -> None:
    unknown = sorted(role.assigns - {EVERY, role.key, *(one.key for one in roles())})
    if unknown:
        raise Invalid("There is no such role to give.", fields={"assigns": f"Unknown: {', '.join(unknown)[:200]}."})
    if role.assigns and not confers_granting(role):
        raise Invalid(
            "Giving roles takes a permission to.",
            fields={"assigns": "Add org:access:grant or project:access:grant, or list no role."},
        )
    if confers_granting(role) and not role.assigns:
        raise Invalid("Nobody says which roles it gives.", fields={"assigns": "List the roles that its holders give."})


def _state(role: Role, *, cloned_from: str | None) -> dict[str, object]:
    return {
        "key": role.key,
        "name": role.name,
        "description": role.description,
        "permissions": sorted(map(str, role.permissions)),
        "assigns": sorted(role.assigns),
        "cloned_from": cloned_from,
        "status": "active",
    }


def _marks(role: Role) -> dict[str, object]:
    """What an auditor looks for first."""
    return {"approves": confers_approval(role), "gives_roles": confers_granting(role)}


def _locked(key: str) -> CustomRole:
    if key in ROLES:
        raise Conflict(f"{ROLES[key].name} is built in and never changes.", remedy="Make a copy and change that.")
    row = CustomRole.objects.select_for_update().filter(key=key).first()
    if row is None:
        raise NotFound("There is no such role.", remedy="See Roles.")
    if row.status != "active":
        raise Conflict("This role is archived.", remedy="Make a new one.")
    return row


def _grants(key: str, *, at: datetime) -> tuple[GrantView, ...]:
    """The grants of a role that are not over, those that begin later included."""
    found = views(Grant.objects.filter(role=key, status="active").order_by("pk"))
    return tuple(grant for grant in found if not grant.over(at=at))
