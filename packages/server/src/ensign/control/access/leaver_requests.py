"""What becomes of a leaver's part in requests for access and in proposed exceptions: nothing of it waits any longer.

What they asked for, began for others or would get is withdrawn. An approval of theirs of what somebody else asked for
is void, and does not come back with them. What was given already stays given.
"""

from __future__ import annotations

from collections.abc import Sequence

from ensign.control.access import segregation, two_people
from ensign.control.access.actions import (
    ACCESS_REQUEST_APPROVAL_VOIDED,
    ACCESS_REQUEST_WITHDRAWN,
    EXCEPTION_REFUSED,
)
from ensign.control.access.leaving import Consequence, Leaver
from ensign.control.access.models import AccessRequest, DutyException
from ensign.control.audit.ledger import Where
from ensign.control.audit.staging import stage
from ensign.control.kernel import clock


def hold(person_id: str) -> None:
    """Lock the requests and proposals before the person: an approval locks in the same order."""
    _requests(person_id)
    _proposals(person_id)


def end(leaver: Leaver) -> Sequence[Consequence]:
    """Withdraw what is theirs, void what they approved, refuse what they proposed or what is about them."""
    found = [_ended(row, leaver) for row in _requests(leaver.person_id)]
    return [*found, *(_refused(row, leaver) for row in _proposals(leaver.person_id))]


def _requests(person_id: str) -> list[AccessRequest]:
    """Open requests in which they have a part, locked, by id."""
    waiting = AccessRequest.objects.select_for_update().filter(status="open", content__contains=person_id)
    return [row for row in waiting.order_by("pk") if _theirs(row, person_id) or person_id in _approvers(row)]


def _proposals(person_id: str) -> list[DutyException]:
    waiting = DutyException.objects.select_for_update().filter(status="proposed", content__contains=person_id)
    rows = waiting.order_by("pk")
    return [row for row in rows if person_id in {row.state["subject"], row.state["requested_by"]}]


def _theirs(row: AccessRequest, person_id: str) -> bool:
    return person_id in {row.state["subject"], row.state["requested_by"]}


def _approvers(row: AccessRequest) -> set[str]:
    return {str(given["by"]) for given in row.state["approvals"]}


def _ended(row: AccessRequest, leaver: Leaver) -> Consequence:
    request = two_people.view(row)
    state, action, counted = dict(row.state), ACCESS_REQUEST_APPROVAL_VOIDED, "approvals"
    if _theirs(row, leaver.person_id):
        decided = {"decided_by": leaver.actor.id, "decided_at": clock.text(leaver.at)}
        state |= {"status": "withdrawn", **decided}
        action, counted = ACCESS_REQUEST_WITHDRAWN, "requests"
    else:
        state["approvals"] = [given for given in state["approvals"] if given["by"] != leaver.person_id]
    roles = sorted({one.role for one in request.roles})
    return Consequence(
        action=action,
        staged=[stage(AccessRequest, id=row.pk, state=state, current=row)],
        counted=counted,
        where=two_people.where_of(request.roles),
        detail={"request": row.pk, "subject": request.subject, "roles": roles},
    )


def _refused(row: DutyException, leaver: Leaver) -> Consequence:
    exception = segregation.view(row)
    state = {**row.state, "status": "refused", "ended_by": leaver.actor.id}
    until = row.state["expires_at"]
    return Consequence(
        action=EXCEPTION_REFUSED,
        staged=[stage(DutyException, id=row.pk, state=state, current=row)],
        counted="requests",
        where=Where(project=exception.scope.project, environment=exception.scope.environment),
        detail={"subject": exception.subject, "pairs": list(exception.pairs), "until": until},
    )
