"""The endpoint that says how far a change has come."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.changes import queries, reach
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.publishing.reach_api import ReachOut, said

router = Router(tags=["reach"])


@router.get("/changes/{id}/reach", response=list[ReachOut], summary="How far an applied change has come")
def of_change(request: HttpRequest, id: str) -> list[ReachOut]:
    """By environment: how many instances run it, and after how long. Empty when it is not applied."""
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    at = clock.now()
    row = queries.request(id, reader=actor.id)
    require(actor, Permission.PROJECT_READ, Scope(row.request.project), at=at)
    return [said(view) for view in reach.of_request(row, at=at)]
