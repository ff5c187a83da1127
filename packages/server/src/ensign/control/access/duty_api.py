"""The API of requests for access, exceptions from segregation of duties, and findings.

Asking is possible by token; answering is not: it takes a person in a session with a recent second factor.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from ensign.control.access import exceptions, findings, request_queries, requests, segregation
from ensign.control.access.decisions import Held, held, require
from ensign.control.access.domain import Narrowing
from ensign.control.access.duties import PAIRS
from ensign.control.access.duty_schemas import (
    AccessRequestOut,
    AnswerIn,
    AskIn,
    ExceptionIn,
    ExceptionOut,
    FindingOut,
    PairOut,
)
from ensign.control.access.permissions import Permission
from ensign.control.access.schemas import scope_of
from ensign.control.api import etag
from ensign.control.api.pages import Page
from ensign.control.identity import web
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound

router = Router(tags=["people and access"])

_Status = Literal["open", "granted", "refused", "withdrawn", "expired"]


def _caller(request: HttpRequest) -> tuple[Actor, datetime, Held]:
    actor, at = web.caller(request)
    return actor, at, held(actor, at=at)


# --- Requests ---------------------------------------------------------------------------------------


@router.get("/access/requests", response=Page[AccessRequestOut])
def list_access_requests(
    request: HttpRequest, status: _Status | None = None, waiting: bool = False
) -> Page[AccessRequestOut]:
    """Requests for access, newest first: all with `org:read`, else one's own; `waiting`: only what one could answer."""
    _, _, holds = _caller(request)
    found = request_queries.waits_for(holds) if waiting else request_queries.requests(status=status)
    return Page[AccessRequestOut](
        items=[AccessRequestOut.of(one) for one in found if request_queries.readable(one, holds)]
    )


@router.post("/access/requests", response={201: AccessRequestOut})
def ask_for_access(request: HttpRequest, body: AskIn) -> Status[AccessRequestOut]:
    """Ask for a role for oneself, for a while from its approval on."""
    actor, at, _ = _caller(request)
    asked = requests.ask(
        actor=actor,
        at=at,
        role=body.role,
        scope=scope_of(body.project, body.environment),
        narrowing=Narrowing(types=frozenset(body.flag_types), tags=frozenset(body.tags)),
        lasts=timedelta(minutes=body.minutes),
        reason=body.reason,
    )
    return Status(201, AccessRequestOut.of(asked))


@router.get("/access/requests/{request_id}", response=AccessRequestOut)
def get_access_request(request: HttpRequest, response: HttpResponse, request_id: str) -> AccessRequestOut:
    """One request; somebody else's needs `org:read`."""
    _, _, holds = _caller(request)
    found = request_queries.request(request_id)
    if not request_queries.readable(found, holds):
        raise NotFound("There is no such request.", remedy="See Requests for access.")
    etag.give(response, version=found.version)
    return AccessRequestOut.of(found)


@router.post("/access/requests/{request_id}/approve", response=AccessRequestOut)
def approve_access_request(request: HttpRequest, request_id: str, body: AnswerIn) -> AccessRequestOut:
    """Approve it. Needs a session with a recent second factor."""
    actor, at, _ = _caller(request)
    return AccessRequestOut.of(requests.approve(actor=actor, at=at, request_id=request_id, reason=body.reason))


@router.post("/access/requests/{request_id}/refuse", response=AccessRequestOut)
def refuse_access_request(request: HttpRequest, request_id: str, body: AnswerIn) -> AccessRequestOut:
    """Refuse it, with a reason. Needs a session."""
    actor, at, _ = _caller(request)
    return AccessRequestOut.of(requests.refuse(actor=actor, at=at, request_id=request_id, reason=body.reason))


@router.post("/access/requests/{request_id}/withdraw", response=AccessRequestOut)
def withdraw_access_request(request: HttpRequest, request_id: str) -> AccessRequestOut:
    """Take back one's own."""
    actor, at, _ = _caller(request)
    return AccessRequestOut.of(requests.withdraw(actor=actor, at=at, request_id=request_id))


@router.post("/access/requests/{request_id}/review", response=AccessRequestOut)
def review_sole_grant(request: HttpRequest, request_id: str, body: AnswerIn) -> AccessRequestOut:
    """Review what one person gave alone. Needs a session with a recent second factor."""
    actor, at, _ = _caller(request)
    return AccessRequestOut.of(requests.review(actor=actor, at=at, request_id=request_id, reason=body.reason))


# --- Segregation of duties --------------------------------------------------------------------------


@router.get("/access/duties", response=Page[PairOut])
def list_duty_pairs(request: HttpRequest) -> Page[PairOut]:
    """What nobody holds together."""
    actor, at, _ = _caller(request)
    require(actor, Permission.ORG_READ, at=at)
    return Page[PairOut](
        items=[
            PairOut(key=p.key, title=p.title, one=sorted(p.one), other=sorted(p.other), risk=p.risk)
            for p in PAIRS.values()
        ]
    )


@router.get("/access/exceptions", response=Page[ExceptionOut])
def list_duty_exceptions(request: HttpRequest, subject: str | None = None) -> Page[ExceptionOut]:
    """Exceptions, newest first, ended ones included."""
    actor, at, _ = _caller(request)
    require(actor, Permission.ORG_READ, at=at)
    return Page[ExceptionOut](items=[ExceptionOut.of(one, at=at) for one in segregation.exceptions(subject=subject)])


@router.post("/access/exceptions", response={201: ExceptionOut})
def propose_duty_exception(request: HttpRequest, body: ExceptionIn) -> Status[ExceptionOut]:
    """Propose an exception; a second person approves it. Needs a session."""
    actor, at, _ = _caller(request)
    if body.expires_at.tzinfo is None:
        raise Invalid("The end needs a time zone.", fields={"expires_at": "Write it with a zone, such as …Z."})
    proposed = exceptions.propose(
        actor=actor,
        at=at,
        subject=body.subject,
        pairs=body.pairs,
        scope=scope_of(body.project, body.environment),
        reason=body.reason,
        control=body.control,
        expires_at=body.expires_at,
    )
    return Status(201, ExceptionOut.of(proposed, at=at))


@router.post("/access/exceptions/{exception_id}/approve", response=ExceptionOut)
def approve_duty_exception(request: HttpRequest, exception_id: str, body: AnswerIn) -> ExceptionOut:
    """Approve it. Needs a session with a recent second factor."""
    actor, at, _ = _caller(request)
    done = exceptions.approve(actor=actor, at=at, exception_id=exception_id, reason=body.reason)
    return ExceptionOut.of(done, at=at)


@router.post("/access/exceptions/{exception_id}/refuse", response=ExceptionOut)
def refuse_duty_exception(request: HttpRequest, exception_id: str, body: AnswerIn) -> ExceptionOut:
    """Refuse it, or take back one's own proposal. Needs a session."""
    actor, at, _ = _caller(request)
    done = exceptions.refuse(actor=actor, at=at, exception_id=exception_id, reason=body.reason)
    return ExceptionOut.of(done, at=at)


@router.post("/access/exceptions/{exception_id}/end", response=ExceptionOut)
def end_duty_exception(request: HttpRequest, exception_id: str, body: AnswerIn) -> ExceptionOut:
    """End it before its time. Needs a session."""
    actor, at, _ = _caller(request)
    return ExceptionOut.of(exceptions.end(actor=actor, at=at, exception_id=exception_id, reason=body.reason), at=at)


# --- Findings ---------------------------------------------------------------------------------------


@router.get("/access/findings", response=Page[FindingOut])
def list_findings(request: HttpRequest) -> Page[FindingOut]:
    """What somebody has to put right, as it is now."""
    actor, at, _ = _caller(request)
    require(actor, Permission.ORG_READ, at=at)
    return Page[FindingOut](items=[FindingOut.of(one) for one in findings.findings(at=at)])
