"""The API of joiners and movers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema

from ensign.control.api.pages import Page
from ensign.control.scim import movements
from ensign.control.scim.api import READ, PeriodIn, caller, utc

router = Router(tags=["directory"])


class MovementOut(Schema):
    """A joiner or a mover; times in UTC. See docs/reference/scim.md for every column."""

    person_id: str
    name: str
    email: str
    event: str
    way: str
    effective_at: datetime
    requested_by: str
    requested_at: datetime | None
    approved_by: list[str]
    approved_at: datetime | None
    provisioned_at: datetime | None
    first_use_at: datetime | None
    old_roles: list[str]
    new_roles: list[str]
    old_removed_at: datetime | None
    exceptions: list[str]
    seq: int | None


class MovementsOut(Page[MovementOut]):
    """The joiners and movers of a period, and the log that they were read from."""

    exceptions: int
    entries: int
    root: str


@router.get("/access/movements", response=MovementsOut)
def list_movements(
    request: HttpRequest, since: Annotated[datetime, Query()], until: Annotated[datetime, Query()]
) -> Any:
    """The joiners and movers of ``[since, until)``, newest first, all on one page."""
    _, at = caller(request, *READ)
    made = movements.report(since=utc(since), until=utc(until), at=at)
    items = [MovementOut(**{name: getattr(one, name) for name in MovementOut.model_fields}) for one in made.rows]
    return MovementsOut(items=items, exceptions=made.exceptions, entries=made.entries, root=made.root)


@router.post("/access/movements/export", response={200: Any})
def export_movements(request: HttpRequest, body: PeriodIn) -> HttpResponse:
    """The same as CSV (RFC 4180); an entry names its digest."""
    actor, at = caller(request)
    data = movements.export(actor=actor, at=at, since=utc(body.since), until=utc(body.until))
    return HttpResponse(data, content_type="text/csv; charset=utf-8")
