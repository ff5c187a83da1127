"""The API of the directory's connection and of leavers.

Reading takes ``org:scim:manage`` or ``org:ledger:read``; tokens are made signed in, as no token makes another.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import denied, held
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.permissions import Permission
from ensign.control.api.pages import Page
from ensign.control.api.schemas import Input
from ensign.control.identity import web
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.scim import departures, leavers, queries, refusals, tokens
from ensign.control.scim.tokens import DAYS, DAYS_MAX, OVERLAP_HOURS, OVERLAP_HOURS_MAX, DirectoryTokenView

router = Router(tags=["directory"])

READ = (Permission.ORG_SCIM_MANAGE, Permission.ORG_LEDGER_READ)
_Id = Annotated[str, Field(max_length=64)]


class DirectoryOut(Schema):
    """The directory (SCIM): where it finds Ensign, and what it has made of it."""

    address: str
    connected: bool
    users: int
    active: int
    groups: int
    heard_at: datetime | None
    changed_at: datetime | None


class DirectoryTokenOut(Schema):
    """A token of the directory, without its secret."""

    id: str
    name: str
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    replaces: str | None
    status: str
    last_used_at: datetime | None


class NewDirectoryTokenOut(DirectoryTokenOut):
    """The same with its secret, which is shown in this answer only."""

    token: str


class DirectoryTokenIn(Input):
    """A token to make."""

    name: str = Field(max_length=200)
    days: int = Field(DAYS, ge=1, le=DAYS_MAX)


class RotateIn(Input):
    """How long the next token lasts, and how long the present one goes on."""

    days: int = Field(DAYS, ge=1, le=DAYS_MAX)
    overlap_hours: int = Field(OVERLAP_HOURS, ge=0, le=OVERLAP_HOURS_MAX)


class WhyIn(Input):
    """Why; it stands in the log as a commitment."""

    reason: str = Field("", max_length=1000)


class RefusalOut(Schema):
    """A request of the directory that was refused, without what was sent."""

    at: datetime
    method: str
    place: str
    subject: str
    status: int
    kind: str
    message: str


class PeriodIn(Input):
    """``[since, until)``, RFC 3339."""

    since: datetime
    until: datetime


class LeaverOut(Schema):
    """One leaving; times in UTC. See docs/reference/scim.md for every column."""

    person_id: str
    name: str
    email: str
    termination_at: datetime | None
    idp_disabled_at: datetime | None
    platform_disabled_at: datetime | None
    disabled_by: str
    sessions_revoked_at: datetime | None
    sessions: int
    tokens_revoked_at: datetime | None
    tokens: int
    approvals: int
    requests: int
    latency_h: float | None
    activity_after_termination: int
    refused_after_termination: int
    service_tokens: int
    client_tokens: int
    exceptions: list[str]
    seq: int | None


class LeaversOut(Page[LeaverOut]):
    """The leavers of a period as of now, and how many hours the organisation allows."""

    limit_hours: int
    exceptions: int
    entries: int


class LimitIn(Input):
    """Within how many hours a leaver must be out."""

    hours: int = Field(ge=1, le=departures.HOURS_MAX)
    reason: str = Field("", max_length=1000)


class DepartureIn(Input):
    """When somebody's employment ends or ended; null takes it back."""

    terminated_at: datetime | None
    reason: str = Field("", max_length=1000)


class DepartureOut(Schema):
    """When somebody's employment ends or ended, if anybody said so."""

    person_id: str
    terminated_at: datetime | None


def caller(request: HttpRequest, *needs: Permission) -> tuple[Actor, datetime]:
    """Who calls, and when; after checking that they hold one of ``needs``."""
    actor, at = web.caller(request)
    holds = held(actor, at=at)
    if needs and not any(holds.allows(need) for need in needs):
        raise denied(holds.decide(needs[-1]), needs[-1], ORGANISATION)
    return actor, at


def _token(view: DirectoryTokenView) -> dict[str, Any]:
    return {name: getattr(view, name) for name in DirectoryTokenOut.model_fields}


def _new(made: tokens.NewDirectoryToken) -> NewDirectoryTokenOut:
    return NewDirectoryTokenOut(**_token(made.token), token=made.text)


@router.get("/directory", response=DirectoryOut)
def get_directory(request: HttpRequest) -> queries.DirectoryView:
    """Whether a directory is connected, and what it has made."""
    _, at = caller(request, *READ)
    return queries.directory(at=at)


@router.get("/directory/tokens", response=Page[DirectoryTokenOut])
def list_directory_tokens(request: HttpRequest) -> Page[DirectoryTokenOut]:
    """The directory's tokens, newest first."""
    caller(request, *READ)
    return Page[DirectoryTokenOut](items=[DirectoryTokenOut(**_token(one)) for one in tokens.tokens()])


@router.post("/directory/tokens", response={201: NewDirectoryTokenOut})
def create_directory_token(request: HttpRequest, body: DirectoryTokenIn) -> Status[NewDirectoryTokenOut]:
    """Make a token. Needs a session."""
    actor, at = caller(request)
    return Status(201, _new(tokens.create(actor=actor, at=at, name=body.name, days=body.days)))


@router.post("/directory/tokens/{token_id}/rotate", response={201: NewDirectoryTokenOut})
def rotate_directory_token(request: HttpRequest, token_id: _Id, body: RotateIn) -> Status[NewDirectoryTokenOut]:
    """Make the next token; the present one ends after the overlap. Needs a session."""
    actor, at = caller(request)
    made = tokens.rotate(actor=actor, at=at, token_id=token_id, days=body.days, overlap_hours=body.overlap_hours)
    return Status(201, _new(made))


@router.post("/directory/tokens/{token_id}/revoke", response=DirectoryTokenOut)
def revoke_directory_token(request: HttpRequest, token_id: _Id, body: WhyIn) -> DirectoryTokenOut:
    """Revoke a token at once. Needs a session."""
    actor, at = caller(request)
    return DirectoryTokenOut(**_token(tokens.revoke(actor=actor, at=at, token_id=token_id, reason=body.reason)))


@router.get("/directory/refusals", response=Page[RefusalOut])
def list_refusals(request: HttpRequest) -> Page[RefusalOut]:
    """The last errors answered to the directory, newest first, at most 200."""
    caller(request, *READ)
    names = list(RefusalOut.model_fields)
    found = [RefusalOut(**{name: getattr(row, name) for name in names}) for row in refusals.last(refusals.KEPT)]
    return Page[RefusalOut](items=found)


@router.get("/access/leavers", response=LeaversOut)
def list_leavers(request: HttpRequest, since: Annotated[datetime, Query()], until: Annotated[datetime, Query()]) -> Any:
    """The leavers of ``[since, until)``, newest first, all on one page."""
    _, at = caller(request, *READ)
    made = leavers.report(since=utc(since), until=utc(until), at=at)
    items = [LeaverOut(**{name: getattr(one, name) for name in LeaverOut.model_fields}) for one in made.leavers]
    return LeaversOut(items=items, limit_hours=made.limit_hours, exceptions=made.exceptions, entries=made.entries)


@router.post("/access/leavers/export", response={200: Any})
def export_leavers(request: HttpRequest, body: PeriodIn) -> HttpResponse:
    """The same as CSV (RFC 4180); an entry names its digest."""
    actor, at = caller(request)
    data = leavers.export(actor=actor, at=at, since=utc(body.since), until=utc(body.until))
    return HttpResponse(data, content_type="text/csv; charset=utf-8")


@router.put("/access/leavers/limit", response={204: None})
def set_leaver_limit(request: HttpRequest, body: LimitIn) -> Status[None]:
    """Set within how many hours a leaver must be out. Needs a session."""
    actor, at = caller(request)
    departures.set_hours(actor=actor, at=at, hours=body.hours, reason=body.reason)
    return Status(204, None)


@router.put("/people/{person_id}/departure", response=DepartureOut)
def set_departure(request: HttpRequest, person_id: _Id, body: DepartureIn) -> DepartureOut:
    """Note when somebody's employment ends or ended. It deactivates nobody. Needs a session."""
    actor, at = caller(request)
    when = None if body.terminated_at is None else utc(body.terminated_at)
    departures.set_by_hand(actor=actor, at=at, person_id=person_id, terminated_at=when, reason=body.reason)
    return DepartureOut(person_id=person_id, terminated_at=departures.terminated_at(person_id))


def utc(at: datetime) -> datetime:
    """A moment of the query in UTC, which it is in unless it says otherwise.

    :raises Invalid: where the calendar ends.
    """
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise Invalid("This is no time that a log could know.", fields={"since": "Choose a nearer one."}) from None
