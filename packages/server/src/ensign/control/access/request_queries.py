"""Reading requests for access: all, one, and what is the reader's to answer."""

from __future__ import annotations

from ensign.control.access import two_people
from ensign.control.access.asked import RequestView
from ensign.control.access.assigning import assigning
from ensign.control.access.catalogue import definitions
from ensign.control.access.decisions import Held
from ensign.control.access.models import AccessRequest
from ensign.control.access.permissions import Permission
from ensign.control.kernel.errors import NotFound


def requests(*, status: str | None = None, subject: str | None = None) -> tuple[RequestView, ...]:
    """Requests, newest first: of one status, or of one person (who gets it or asked)."""
    rows = AccessRequest.objects.order_by("-pk")
    if status is not None:
        rows = rows.filter(status=status)
    found = (two_people.view(row) for row in rows)
    return tuple(one for one in found if subject is None or subject in {one.subject, one.requested_by})


def request(id: str) -> RequestView:
    """One request.

    :raises NotFound: when there is none.
    """
    row = AccessRequest.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such request.", remedy="See Requests for access.")
    return two_people.view(row)


def readable(request: RequestView, holds: Held) -> bool:
    """Whether somebody may see it: with ``org:read``, or because it is about them or theirs."""
    return holds.allows(Permission.ORG_READ) or holds.actor.id in {request.subject, request.requested_by}


def answerable(request: RequestView, holds: Held) -> bool:
    """Whether to offer an answer; the operation decides again."""
    approved = any(said.by == holds.actor.id for said in request.approvals)
    return request.open(at=holds.at) and not approved and _may_answer(request, holds)


def reviewable(request: RequestView, holds: Held) -> bool:
    """Whether to offer the review of what one person gave alone."""
    alone = request.sole and request.status == "granted" and request.reviewed_by is None
    return alone and not any(said.by == holds.actor.id for said in request.approvals) and _may_answer(request, holds)


def waits_for(holds: Held) -> list[RequestView]:
    """Open requests that this person could answer, newest first."""
    return [one for one in requests(status="open") if answerable(one, holds)]


def _may_answer(request: RequestView, holds: Held) -> bool:
    actor = holds.actor
    if not actor.interactive or actor.id == request.requested_by or actor.id in two_people.gets_it(request.subject):
        return False
    meaning = definitions(one.role for one in request.roles)
    return all(assigning(holds, meaning[one.role], one.scope).allowed for one in request.roles)
