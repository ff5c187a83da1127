"""The API of rotation, and of taking over a service account."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import Field

from ensign.control.access import rotation, service_accounts
from ensign.control.access.schemas import NewTokenOut, ReasonIn, ServiceAccountOut, TokenOut
from ensign.control.api.schemas import Input
from ensign.control.identity.domain import OVERLAP
from ensign.control.identity.web import caller

router = Router(tags=["people and access"])

OVERLAP_MINUTES = int(OVERLAP.total_seconds() // 60)


class RotateIn(Input):
    """How to rotate. ``overlap_minutes``: 0 (at once) to 10,080 (seven days); ``days``: lifetime of the successor."""

    overlap_minutes: int = Field(default=OVERLAP_MINUTES, ge=0, le=10_080)
    days: int | None = None
    reason: str = ""


class RotatedOut(NewTokenOut):
    """The successor with its text, shown in this answer only, and the token that it takes the place of."""

    rotated: TokenOut


@router.post("/tokens/{token_id}/rotate", response={201: RotatedOut})
def rotate_token(request: HttpRequest, response: HttpResponse, token_id: str, body: RotateIn) -> Status[RotatedOut]:
    """Make a successor of a service account's token, or of one's own; the token itself ends after the overlap.

    Needs a session, but for a service account's token that may rotate itself: that one asks with itself.
    """
    actor, at = caller(request)
    done = rotation.rotate(
        actor=actor,
        at=at,
        token_id=token_id,
        overlap=timedelta(minutes=body.overlap_minutes),
        days=body.days,
        reason=body.reason,
    )
    response["Cache-Control"] = "no-store"
    new = NewTokenOut.made(done.new)
    return Status(201, RotatedOut(**new.dict(), rotated=TokenOut.of(done.predecessor)))


@router.post("/service-accounts/{service_account_id}/take-over", response=ServiceAccountOut)
def take_over_service_account(request: HttpRequest, service_account_id: str, body: ReasonIn) -> ServiceAccountOut:
    """Become the owner of a service account, for one whose owner has left. Needs a session."""
    actor, at = caller(request)
    account = service_accounts.take_over(actor=actor, at=at, service_account_id=service_account_id, reason=body.reason)
    return ServiceAccountOut.of(account)
