"""What a directory or identity provider may put somebody into by itself, and what waits for a person here.

Whoever fills groups over there thereby gives the roles that the groups hold here. Where such a role approves production
the provider's word is one of the two that it takes: a request opens, and somebody who may give the role confirms it. A
pair that is kept apart does not come about at all.
"""

from __future__ import annotations

from datetime import datetime

from ensign.control.access import segregation, two_people
from ensign.control.access.actions import ACCESS_REQUESTED
from ensign.control.access.decisions import views
from ensign.control.access.models import Grant
from ensign.control.audit.door import ACCESS_DENIED
from ensign.control.audit.ledger import record
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, Denied

#: Who asks in a provider's name.
DIRECTORY: Actor = system("sso")


def admit(managed_by: str, group_id: str, person_id: str, at: datetime) -> bool:
    """Whether the provider ``managed_by`` (its id) may put the person into the group now. Inside the write door.

    If not, a request waits for somebody's confirmation, or an entry says that a pair would have come about.
    """
    held = views(Grant.objects.filter(subject=group_id, status="active").order_by("pk"))
    if all(grant.over(at=at) for grant in held):
        return True
    try:
        segregation.check_gain(person_id, held, at=at)
    except Denied as denied:
        detail = {"permission": denied.permission, "code": denied.code.replace("-", "_"), "subject": person_id}
        record(action=ACCESS_DENIED, actor=DIRECTORY, at=at, detail={**detail, "group": group_id})
        return False
    if not two_people.any_needed(held, at=at):
        return True
    roles = two_people.roles_of(held, at=at)
    plan = two_people.Plan(kind="membership", subject=person_id, roles=roles, group=group_id, managed_by=managed_by)
    try:
        row = two_people.open_request(actor=DIRECTORY, at=at, plan=plan, reason="", needed=1)
    except Conflict:
        return False  # it waits already, since an earlier sign-in
    facts = {"kind": plan.kind, "subject": person_id, "roles": sorted({one.role for one in roles})}
    record(
        action=ACCESS_REQUESTED, actor=DIRECTORY, at=at, staged=[row], where=two_people.where_of(roles), detail=facts
    )
    return False
