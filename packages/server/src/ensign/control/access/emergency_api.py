"""The API of emergency access. Codes are drawn and given on pages alone."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access import emergency
from ensign.control.access.schemas import ReasonIn
from ensign.control.api.schemas import Input
from ensign.control.identity.emergency import queries
from ensign.control.identity.emergency.domain import SealView
from ensign.control.identity.web import caller

router = Router(tags=["emergency access"])


class HolderOut(Schema):
    """A holder: the id of a person, and when they drew their code."""

    person: str
    drawn_at: datetime | None


class SealOut(Schema):
    """A seal. ``open``: holders sign in by it now; ``ready``: it is sealed and two of its holders are here."""

    id: str
    status: str
    open: bool
    ready: bool
    holders: list[HolderOut]
    hours: int
    named_by: str
    named_at: datetime
    unsealed_at: datetime | None
    unsealed_by: list[str]
    ends_at: datetime | None
    reviewed_by: str
    reviewed_at: datetime | None
    verdict: str

    @staticmethod
    def of(seal: SealView, *, at: datetime) -> SealOut:
        """From its value; never a code or its hash."""
        current = queries.current()
        return SealOut(
            id=seal.id,
            status=seal.status,
            open=seal.open(at=at),
            ready=current is not None and current.id == seal.id and queries.sealed(at),
            holders=[HolderOut(person=one.person, drawn_at=one.drawn_at) for one in seal.holders],
            hours=seal.hours,
            named_by=seal.named_by,
            named_at=seal.named_at,
            unsealed_at=seal.unsealed_at,
            unsealed_by=list(seal.unsealed_by),
            ends_at=seal.ends_at,
            reviewed_by=seal.reviewed_by,
            reviewed_at=seal.reviewed_at,
            verdict=seal.verdict,
        )


class SealsOut(Schema):
    """All seals, newest first; the first counts."""

    items: list[SealOut]


class NamingIn(Input):
    """Who is to hold it, by id, and for how many hours it opens."""

    people: list[str] = Field(max_length=50)
    hours: int = 2
    reason: str = ""


class ReviewIn(Input):
    """A verdict and what it rests on."""

    verdict: Literal["justified", "unjustified", "process_gap"]
    reason: str


@router.get("/emergency", response=SealsOut)
def list_seals(request: HttpRequest) -> SealsOut:
    """Every seal of the emergency access, newest first."""
    actor, at = caller(request)
    emergency.require_reading(actor, at=at)
    return SealsOut(items=[SealOut.of(one, at=at) for one in queries.seals()])


@router.post("/emergency/holders", response={201: SealOut})
def name_holders(request: HttpRequest, body: NamingIn) -> Status[SealOut]:
    """Name who holds it; earlier codes are void. Needs a session with a recent second factor."""
    actor, at = caller(request)
    made = emergency.name_holders(actor=actor, at=at, people=body.people, hours=body.hours, reason=body.reason)
    return Status(201, SealOut.of(made, at=at))


@router.post("/emergency/close", response=SealOut)
def close(request: HttpRequest, body: ReasonIn) -> SealOut:
    """Close it before its time; sessions that came in by it end."""
    actor, at = caller(request)
    return SealOut.of(emergency.close(actor=actor, at=at, reason=body.reason), at=at)


@router.post("/emergency/review", response=SealOut)
def review(request: HttpRequest, body: ReviewIn) -> SealOut:
    """Judge a use that is over, as somebody who holds no code. Needs a session."""
    actor, at = caller(request)
    done = emergency.review(actor=actor, at=at, verdict=body.verdict, reason=body.reason)
    return SealOut.of(done, at=at)
