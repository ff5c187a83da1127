"""Endpoints of emergency changes. Breaking the glass and reviewing need a session: no token does either."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api.schemas import Input
from ensign.control.changes.applying import Applied
from ensign.control.changes.domain.base import from_json
from ensign.control.identity.web import caller
from ensign.control.incidents import incident_queries, opening
from ensign.control.incidents.emergency import HOURS_DEFAULT, Emergency

router = Router(tags=["emergency changes"])


class EmergencyIn(Input):
    """Where, for how many hours (1 to 4), and for which flags (none: all)."""

    project: str
    environment: str
    flags: list[str] = Field(default=[], max_length=50)
    reason: str
    hours: int = HOURS_DEFAULT


class ApplyIn(Input):
    """A request that is there, by id; or operations to write and apply in one act."""

    request: str = ""
    operations: list[dict[str, Any]] = Field(default=[], max_length=200)
    title: str = ""
    reason: str = ""


class EndIn(Input):
    """Why, at will."""

    reason: str = ""


class ReviewIn(Input):
    """``verdict``: justified, unjustified or process_gap; the latter two need a follow-up."""

    verdict: str
    finding: str
    follow_up: str = ""


class EmergencyOut(Schema):
    """One opening; ``open``: it still opens something."""

    id: str
    person: str
    project: str
    environment: str
    flags: list[str]
    incident: str
    reason: str
    open: bool
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    changes: list[str]
    due_at: datetime
    overdue: bool
    verdict: str | None
    finding: str
    follow_up: str
    reviewed_by: str | None
    reviewed_at: datetime | None

    @staticmethod
    def of(one: Emergency, *, at: datetime) -> EmergencyOut:
        """From its value."""
        names = [name for name in EmergencyOut.model_fields if name not in {"open", "overdue", "flags", "changes"}]
        return EmergencyOut(
            **{name: getattr(one, name) for name in names},
            open=one.open(at=at),
            overdue=one.overdue(at=at),
            flags=list(one.flags),
            changes=list(one.changes),
        )


class EmergenciesOut(Schema):
    """Newest first, at most five hundred."""

    items: list[EmergencyOut]


class AppliedOut(Schema):
    """What was applied."""

    request: str
    entry: int


@router.get("/emergencies", response=EmergenciesOut, summary="List emergency accesses")
def list_emergencies(request: HttpRequest, project: str = "") -> EmergenciesOut:
    """Newest first, of the projects that you may read."""
    actor, at = caller(request)
    rights = held(actor, at=at)
    keys = rights.projects(Permission.INCIDENT_READ)
    if project:
        rights.require(Permission.INCIDENT_READ, Scope(project))
        keys = frozenset({project})
    return EmergenciesOut(items=[EmergencyOut.of(one, at=at) for one in incident_queries.emergencies(projects=keys)])


@router.post("/incidents/{id}/emergencies", response={201: EmergencyOut}, summary="Break the glass")
def break_glass(request: HttpRequest, id: str, body: EmergencyIn) -> Status[EmergencyOut]:
    """For yourself, under an open incident. Needs a session with a recent second factor."""
    actor, at = caller(request)
    made = opening.break_glass(actor=actor, at=at, incident_id=id, **body.dict())
    return Status(201, EmergencyOut.of(made, at=at))


@router.get("/emergencies/{id}", response=EmergencyOut, summary="One emergency access")
def one(request: HttpRequest, id: str) -> EmergencyOut:
    """What was opened, applied and found."""
    actor, at = caller(request)
    found = incident_queries.emergency(id)
    require(actor, Permission.INCIDENT_READ, Scope(found.project), at=at)
    return EmergencyOut.of(found, at=at)


@router.post("/emergencies/{id}/apply", response=AppliedOut, summary="Apply an emergency change")
def apply(request: HttpRequest, id: str, body: ApplyIn) -> AppliedOut:
    """Without the approvals that it lacks, and through freezes. For who broke the glass, in a session."""
    actor, at = caller(request)
    done: Applied
    if body.request:
        done = opening.apply_emergency(actor=actor, at=at, emergency_id=id, request_id=body.request)
    else:
        steps = [from_json(value, f"operations[{n}]") for n, value in enumerate(body.operations)]
        done = opening.propose_emergency(
            actor=actor, at=at, emergency_id=id, operations=steps, title=body.title, reason=body.reason
        )
    return AppliedOut(request=done.request.id, entry=done.seq)


@router.post("/emergencies/{id}/end", response=EmergencyOut, summary="End an emergency access")
def end(request: HttpRequest, id: str, body: EndIn) -> EmergencyOut:
    """Before its time."""
    actor, at = caller(request)
    return EmergencyOut.of(opening.end(actor=actor, at=at, emergency_id=id, reason=body.reason), at=at)


@router.post("/emergencies/{id}/review", response=EmergencyOut, summary="Review an emergency access")
def review(request: HttpRequest, id: str, body: ReviewIn) -> EmergencyOut:
    """As somebody who had no part in it. Needs a session with a recent second factor."""
    actor, at = caller(request)
    return EmergencyOut.of(opening.review(actor=actor, at=at, emergency_id=id, **body.dict()), at=at)
