"""What becomes of a leaver's part in change requests: their pending approvals are void, by an entry each.

A departure later than the apply changes nothing: what was applied stays applied. What they wrote stays open for its
other authors; who else edits it takes it over, and until somebody does, a finding says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ensign.control.access.findings import Finding
from ensign.control.access.leaving import Consequence, Leaver
from ensign.control.audit.ledger import Where
from ensign.control.audit.rows import rows
from ensign.control.audit.staging import stage
from ensign.control.changes import actions
from ensign.control.changes.domain import lifecycle
from ensign.control.changes.domain.requests import OPEN, ChangeRequest
from ensign.control.changes.domain.world import Ref
from ensign.control.changes.loading import judges, load, owners, policy_for, reached, signing_for
from ensign.control.changes.models import Request
from ensign.control.changes.pages import address
from ensign.control.identity import queries as identity


def hold(person_id: str) -> None:
    """Lock the requests that the person approved, before the person: an apply locks in the same order."""
    _approved_by(person_id)


def end(leaver: Leaver) -> Sequence[Consequence]:
    """Void the leaver's approvals of everything that is still open; what lacks them now is in review again."""
    return [_voided(row, leaver) for row in _approved_by(leaver.person_id)]


def _approved_by(person_id: str) -> list[Request]:
    """Open requests with an approval of theirs, locked, by id. The text is searched first: it is rarely there."""
    named = Request.objects.filter(status__in=sorted(OPEN), content__contains=person_id).values_list("pk", flat=True)
    found = rows(Request, lock="update", id=list(named))
    return [
        row
        for row in found
        if row.status in OPEN and any(given["person"] == person_id for given in row.state["approvals"])
    ]


def _voided(row: Request, leaver: Leaver) -> Consequence:
    request = ChangeRequest.from_state(row.pk, row.state)
    project, environment = request.project, request.environment
    keys = reached(project=project, environment=environment, operations=request.operations)
    loaded = load(project=project, environment=environment, refs=[Ref.parse(name) for name in request.base])
    people = judges(request, environments=keys, flags=loaded.world.flags, at=leaver.at)
    without = lifecycle.without_approvals_of(
        request,
        leaver.person_id,
        at=leaver.at,
        policy=policy_for(request, at=leaver.at),
        entitled=people.entitled,
        owners=owners(request),
        who=people.who,
        signing=signing_for(request),
    )
    return Consequence(
        action=actions.APPROVAL_VOIDED,
        staged=[stage(Request, id=request.id, state=without.to_state(), current=row)],
        counted="approvals",
        where=Where(project=project, environment=environment),
        detail={"request": request.id, "round": request.round, "status": without.status},
    )


def ownerless(_at: datetime) -> Sequence[Finding]:
    """Open requests all of whose authors have been deactivated: nobody who wrote them can submit or withdraw them."""
    waiting = [
        ChangeRequest.from_state(row.pk, row.state)
        for row in Request.objects.filter(status__in=sorted(OPEN - {"draft"}))
    ]
    left = left_among({author for request in waiting for author in request.authors})
    return [
        Finding(
            code="request-without-author",
            subject=request.id,
            title=f"“{request.title}” waits in {request.project}, {request.environment}, and who wrote it has left.",
            remedy="Edit it to take it over, or reject it.",
            since=None,
            url=address(request),
        )
        for request in waiting
        if request.authors <= left
    ]


def left_among(ids: set[str]) -> frozenset[str]:
    """Those of these people and service accounts that are not active any more."""
    return frozenset(id for id in ids if not identity.is_active(id))
