"""What becomes of a leaver's part in change requests: their pending approvals are void, by an entry each, and the times
that they set fail at once, so that somebody sees it before and not at the time.

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
from ensign.control.changes.domain import lifecycle, scheduling
from ensign.control.changes.domain.requests import OPEN, ChangeRequest
from ensign.control.changes.domain.world import Ref
from ensign.control.changes.loading import judges, load, policy_for, reached
from ensign.control.changes.models import Request
from ensign.control.changes.pages import address
from ensign.control.identity import queries as identity


def hold(person_id: str) -> None:
    """Lock the requests that the person approved or timed, before the person: an apply locks in the same order."""
    _with_part_of(person_id)


def end(leaver: Leaver) -> Sequence[Consequence]:
    """Void the leaver's approvals of everything that is still open; what lacks them now is in review again."""
    found = _with_part_of(leaver.person_id)
    return [_voided(row, leaver) if _approved(row, leaver.person_id) else _untimed(row, leaver) for row in found]


def _approved(row: Request, person_id: str) -> bool:
    return any(given["person"] == person_id for given in row.state["approvals"])


def _timed(request: ChangeRequest, person_id: str) -> bool:
    """Whether it would apply at a time as this person."""
    timed = scheduling.pending(request)
    return timed is not None and timed.by == person_id


def _with_part_of(person_id: str) -> list[Request]:
    """Open requests that they approved or timed, locked, by id. The text is searched first: it is rarely there."""
    named = Request.objects.filter(status__in=sorted(OPEN), content__contains=person_id).values_list("pk", flat=True)
    found = rows(Request, lock="update", id=list(named))
    return [
        row
        for row in found
        if row.status in OPEN
        and (_approved(row, person_id) or _timed(ChangeRequest.from_state(row.pk, row.state), person_id))
    ]


def _without_time(request: ChangeRequest, leaver: Leaver) -> ChangeRequest:
    if not _timed(request, leaver.person_id):
        return request
    return scheduling.failed(request, problem="Who it would have applied as has left.", at=leaver.at)


def _untimed(row: Request, leaver: Leaver) -> Consequence:
    request = ChangeRequest.from_state(row.pk, row.state)
    return Consequence(
        action=actions.SCHEDULE_FAILED,
        staged=[stage(Request, id=request.id, state=_without_time(request, leaver).to_state(), current=row)],
        counted="schedules",
        where=Where(project=request.project, environment=request.environment),
        detail={"request": request.id, "round": request.round, "code": "left"},
    )


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
        judges=people,
    )
    without = _without_time(without, leaver)
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
