"""The way from a request's page to an emergency change, for who may break the glass while an incident goes on there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ensign.control.access.decisions import Held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.changes.domain.emergency import never_in_a_hurry
from ensign.control.changes.domain.requests import OPEN, ChangeRequest
from ensign.control.changes.panels import Panel
from ensign.control.incidents import incident_queries
from ensign.control.incidents.emergency import Emergency


def request_panels(request: ChangeRequest, rights: Held, at: datetime) -> Sequence[Panel]:
    """The panel of an open request: nothing without an incident there, for who may not, or where it never could."""
    place = (request.project, request.environment)
    draft_of_another = request.status == "draft" and rights.actor.id not in request.authors
    if request.status not in OPEN or draft_of_another or any(map(never_in_a_hurry, request.operations)):
        return ()
    found = [one for one in incident_queries.going_on(*place) if request.incident in {None, one.id}]
    if not found or not rights.actor.interactive:
        return ()
    if not rights.allows_some(Permission.CHANGE_BREAK_GLASS, Scope(*place)):
        return ()
    named = {one.id for one in found}
    own = [one for one in incident_queries.open_now(at=at) if one.incident in named and _covers(one, request, rights)]
    value = {"request": request, "incidents": found, "opening": own[-1] if own else None}
    return (Panel(template="incidents/_hurry.html", value=value),)


def _covers(one: Emergency, request: ChangeRequest, rights: Held) -> bool:
    """Whether it is the reader's opening, of this place and of all that the request touches."""
    here = (one.person, one.project, one.environment) == (rights.actor.id, request.project, request.environment)
    flags = {getattr(operation, "flag", None) for operation in request.operations}
    return here and (not one.flags or flags <= set(one.flags))
