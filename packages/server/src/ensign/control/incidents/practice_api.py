"""Endpoints of addresses that switch flags off, and of drills."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api.schemas import Input
from ensign.control.identity.web import caller
from ensign.control.incidents import drilling, drills, triggering, triggers
from ensign.control.kernel import clock

router = Router(tags=["incidents"])


class TriggerIn(Input):
    """An address for one flag in one environment. ``mode``: signed, or secret, which is weaker."""

    name: str
    project: str
    environment: str
    flag: str
    mode: str = "signed"
    days: int = triggering.DAYS_DEFAULT


class TriggerOut(Schema):
    """An address, without its secret."""

    id: str
    name: str
    project: str
    environment: str
    flag: str
    mode: str
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    status: str
    revoked_by: str | None
    revoked_at: datetime | None
    url: str

    @staticmethod
    def of(one: triggering.TriggerView) -> TriggerOut:
        """From its value."""
        names = [name for name in TriggerOut.model_fields if name not in {"url", "secret"}]
        return TriggerOut(**{name: getattr(one, name) for name in names}, url=triggers.address(one.id))


class NewTriggerOut(TriggerOut):
    """With its secret, which is shown this once."""

    secret: str


class TriggersOut(Schema):
    """Newest first; ended ones, too."""

    items: list[TriggerOut]


class PlanIn(Input):
    """A drill. ``automatic``: Ensign runs it when it is due. ``target_ms``: by when everybody on a stream has it."""

    project: str
    environment: str
    flag: str
    every_days: int = 90
    target_ms: int = drilling.TARGET_DEFAULT
    automatic: bool = False
    first_at: datetime | None = None


class PlanOut(Schema):
    """A plan."""

    id: str
    project: str
    environment: str
    flag: str
    every_days: int
    target_ms: int
    automatic: bool
    planned_by: str
    planned_at: datetime
    next_at: datetime
    last_at: datetime | None
    status: str
    overdue: bool

    @staticmethod
    def of(one: drilling.Plan, *, at: datetime) -> PlanOut:
        """From its value."""
        names = [name for name in PlanOut.model_fields if name != "overdue"]
        return PlanOut(**{name: getattr(one, name) for name in names}, overdue=one.overdue(at=at))


class PlansOut(Schema):
    """Newest first; ended ones, too."""

    items: list[PlanOut]


class CountedOut(Schema):
    """Instances of one mode."""

    instances: int
    running: int
    sent: int
    last_ms: int | None = Field(description="From the press to the last of those that run it.")


class DrillOut(Schema):
    """A rehearsal; docs/howto/drills says what each number means."""

    id: str
    plan: str
    project: str
    environment: str
    flag: str
    status: str
    started_by: str
    started_at: datetime
    measured_at: datetime | None
    target_ms: int
    judged_by_ms: int | None
    commit_ms: int | None
    p50_ms: int | None
    p90_ms: int | None
    all_ms: int | None
    streaming: CountedOut
    polling: CountedOut
    interval_s: int
    request: str
    restore: str
    problem: str


class DrillsOut(Schema):
    """Newest first, at most five hundred."""

    items: list[DrillOut]


@router.get("/kill-triggers", response=TriggersOut, summary="List addresses that switch flags off")
def list_triggers(request: HttpRequest) -> TriggersOut:
    """Of the projects that you may read."""
    actor, at = caller(request)
    keys = held(actor, at=at).projects(Permission.INCIDENT_READ)
    return TriggersOut(items=[TriggerOut.of(one) for one in triggers.triggers(projects=keys)])


@router.post("/kill-triggers", response={201: NewTriggerOut}, summary="Make an address that switches a flag off")
def make_trigger(request: HttpRequest, body: TriggerIn) -> Status[NewTriggerOut]:
    """Its secret is shown this once."""
    actor, at = caller(request)
    made = triggers.make(actor=actor, at=at, **body.dict())
    return Status(201, NewTriggerOut(**TriggerOut.of(made.trigger).dict(), secret=made.secret))


@router.post("/kill-triggers/{id}/revoke", response=TriggerOut, summary="Revoke an address")
def revoke_trigger(request: HttpRequest, id: str) -> TriggerOut:
    """It does nothing from now on."""
    actor, at = caller(request)
    return TriggerOut.of(triggers.revoke(actor=actor, at=at, trigger_id=id))


@router.get("/drill-plans", response=PlansOut, summary="List plans of drills")
def list_plans(request: HttpRequest) -> PlansOut:
    """Of the projects that you may read."""
    actor, at = caller(request)
    keys = held(actor, at=at).projects(Permission.INCIDENT_READ)
    return PlansOut(items=[PlanOut.of(one, at=at) for one in drills.plans(projects=keys)])


@router.post("/drill-plans", response={201: PlanOut}, summary="Plan drills of a kill switch")
def plan(request: HttpRequest, body: PlanIn) -> Status[PlanOut]:
    """For a flag of its own, at best: a drill switches it off for everybody."""
    actor, at = caller(request)
    return Status(201, PlanOut.of(drills.plan(actor=actor, at=at, **body.dict()), at=at))


@router.post("/drill-plans/{id}/end", response=PlanOut, summary="End a plan")
def end_plan(request: HttpRequest, id: str) -> PlanOut:
    """No drill is due from now on."""
    actor, at = caller(request)
    return PlanOut.of(drills.end(actor=actor, at=at, plan_id=id), at=at)


@router.post("/drill-plans/{id}/run", response={201: DrillOut}, summary="Run a drill now")
def run(request: HttpRequest, id: str) -> Status[DrillOut]:
    """The flag goes off; the result is there within six minutes."""
    actor, at = caller(request)
    return Status(201, DrillOut.from_orm(drills.run(actor=actor, at=at, plan_id=id, now=clock.now)))


@router.get("/drills", response=DrillsOut, summary="List drills")
def list_drills(request: HttpRequest, plan: str = "") -> DrillsOut:
    """Newest first, of the projects that you may read."""
    actor, at = caller(request)
    keys = held(actor, at=at).projects(Permission.INCIDENT_READ)
    found = drills.drills(projects=keys, plan=plan)
    return DrillsOut(items=[DrillOut.from_orm(one) for one in found])


@router.get("/drills/{id}", response=DrillOut, summary="One drill")
def one(request: HttpRequest, id: str) -> DrillOut:
    """What was measured, and against what it was held."""
    actor, at = caller(request)
    found = drills.drill(id)
    require(actor, Permission.INCIDENT_READ, Scope(found.project), at=at)
    return DrillOut.from_orm(found)
