"""The last person who can give roles stays so, whatever an identity provider says of their groups."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.assigning import require_another_granter
from ensign.control.access.decisions import view
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.models import Grant
from ensign.control.access.permissions import Permission
from ensign.control.kernel.errors import Conflict


def is_last_granter(group_id: str, person_id: str, at: datetime) -> bool:
    """Whether nobody could give roles any more if this person left this group."""
    for row in Grant.objects.filter(subject=group_id, status="active"):
        if view(row).covers(Permission.ORG_ACCESS_GRANT, ORGANISATION):
            try:
                require_another_granter(without_grant=None, without_person=person_id, at=at)
            except Conflict:
                return True
    return False
