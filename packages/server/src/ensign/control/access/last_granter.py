"""The last person who can give roles stays so, whatever an identity provider says of their groups."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.assigning import gives_everything, require_another_granter
from ensign.control.access.decisions import views
from ensign.control.access.models import Grant
from ensign.control.kernel.errors import Conflict


def is_last_granter(group_id: str, person_id: str, at: datetime) -> bool:
    """Whether nobody could give roles any more if this person left this group."""
    grants = views(Grant.objects.filter(subject=group_id, status="active").order_by("pk"))
    if not any(gives_everything(grant.definition, grant.scope) for grant in grants):
        return False
    try:
        require_another_granter(without_person=person_id, at=at)
    except Conflict:
        return True
    return False
