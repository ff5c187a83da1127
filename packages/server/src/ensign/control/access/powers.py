"""What identity asks about a person before it lets them go without a second factor."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.decisions import Held, held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import ADMINISTRATIVE, Permission
from ensign.control.identity.enforcing import Powers
from ensign.control.kernel.actor import Actor


def powers(person_id: str, at: datetime) -> Powers:
    """Whether a person administers or approves anything anywhere, by grants in force at ``at``."""
    holds = held(Actor(kind="person", id=person_id, via="session"), at=at)
    return Powers(
        administers=any(_anywhere(holds, permission) for permission in ADMINISTRATIVE),
        approves=_anywhere(holds, Permission.CHANGE_APPROVE),
    )


def _anywhere(holds: Held, permission: Permission) -> bool:
    scopes = (Scope(grant.scope.project or "*", grant.scope.environment or "*") for grant in holds.grants)
    return any(holds.allows(permission, scope) for scope in scopes)
