"""Drills: planned, run, measured, filed. A drill switches off by the way that everybody uses, and asks for on by the
way that everybody must use (ADR 0034).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from ensign.control.access.decisions import held
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.rows import row as governed_row
from ensign.control.audit.staging import Staged, stage
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.operations import propose
from ensign.control.changes.reach import of_requests
from ensign.control.flags import queries as flags
from ensign.control.flags.models import Flag
from ensign.control.incidents import actions, drilling, operations
from ensign.control.incidents.drilling import Drill, Plan
from ensign.control.incidents.models import Drill as DrillRow
from ensign.control.incidents.models import DrillPlan
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, EnsignError, Invalid, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import queries as projects
from ensign.control.publishing.reach import WAIT, ReachView

#: After so long a drill is judged by what is known, whatever is still to be expected.
PATIENCE = WAIT + timedelta(minutes=1)


@operation
def plan(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    environment: str,
    flag: str,
    every_days: int = 90,
    target_ms: int = drilling.TARGET_DEFAULT,
    automatic: bool = False,
    first_at: datetime | None = None,
) -> Plan:
    """Plan to rehearse a flag's kill switch; ``first_at`` None: now.

    :raises Denied: without ``drill:manage`` and ``flag:kill`` there.
    :raises Invalid: naming what is out of range. :raises Conflict: when there is such a plan already.
    """
    rights, scope = held(actor, at=at), operations.scope_of(project, environment, flag)
    rights.require(Permission.DRILL_MANAGE, scope)
    rights.require(Permission.FLAG_KILL, scope)
    projects.environment(project, environment)
    if not Flag.objects.filter(project=project, key=flag).exists():
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    wrong = {}
    if not drilling.EVERY[0] <= every_days <= drilling.EVERY[1]:
        wrong["every_days"] = f"Choose {drilling.EVERY[0]} to {drilling.EVERY[1]} days."
    if not drilling.TARGET_MS[0] <= target_ms <= drilling.TARGET_MS[1]:
        wrong["target_ms"] = f"Choose {drilling.TARGET_MS[0]} to {drilling.TARGET_MS[1]} milliseconds."
    if wrong:
        raise Invalid("This drill cannot be planned.", fields=wrong)
    same = [one for one in plans(projects=[project]) if (one.environment, one.flag) == (environment, flag)]
    if any(one.status == "active" for one in same):
        raise Conflict("This kill switch has a plan already.", remedy="End that one first.", code="wrong-state")
    made = Plan(
        id=ids.new_id("drp", at=at), version=0, project=project, environment=environment, flag=flag,
        every_days=every_days, target_ms=target_ms, automatic=automatic, planned_by=actor.id, planned_at=at,
        next_at=max(at, first_at or at),
    )  # fmt: skip
    detail = {"plan": made.id, "every_days": every_days, "target_ms": target_ms, "automatic": automatic}
    _record(actions.DRILL_PLANNED, actor, [_stage_plan(made, None)], made, at=at, detail=detail)
    return plan_of(made.id)


@operation
def end(*, actor: Actor, at: datetime, plan_id: str) -> Plan:
    """End a plan.

    :raises Denied: without ``drill:manage`` there. :raises Conflict: when it has ended.
    """
    row, found = _locked_plan(plan_id)
    scope = operations.scope_of(found.project, found.environment, found.flag)
    held(actor, at=at).require(Permission.DRILL_MANAGE, scope)
    if found.status != "active":
        raise Conflict("This plan has ended already.", code="wrong-state")
    ended = replace(found, status="ended")
    _record(actions.DRILL_ENDED, actor, [_stage_plan(ended, row)], found, at=at, detail={"plan": found.id})
    return plan_of(plan_id)


@operation
def run(*, actor: Actor, at: datetime, plan_id: str, now: Callable[[], datetime]) -> Drill:
    """Begin a rehearsal: the flag goes off now, by the ordinary kill switch; the worker measures and asks for on.

    :raises Denied: without ``drill:manage`` and ``flag:kill`` there.
    :raises Conflict: when one is being measured, the flag is off, or off would switch others on.
    """
    row, found = _locked_plan(plan_id)
    scope = operations.scope_of(found.project, found.environment, found.flag)
    rights = held(actor, at=at)
    if actor.kind != "system":
        rights.require(Permission.DRILL_MANAGE, scope)
    if found.status != "active":
        raise Conflict("This plan has ended.", code="wrong-state")
    if any(one.plan == plan_id for one in drills(status="measuring")):
        raise Conflict("A drill of this plan is being measured.", remedy="Wait for its result.", code="wrong-state")
    if not flags.config(found.flag, found.environment).config.enabled:
        raise Conflict(
            f"{found.flag} is off in {found.environment}, so there is nothing to rehearse.",
            remedy="Switch it on; after a drill its request for that may still wait for approval.",
            code="already-off",
        )
    id = ids.new_id("drl", at=at)
    done = operations.kill(
        actor=actor, at=at, project=found.project, environment=found.environment, flag=found.flag,
        reason=f"Drill {id}", now=now,
    )  # fmt: skip
    made = Drill(
        id=id, version=0, plan=found.id, project=found.project, environment=found.environment, flag=found.flag,
        status="measuring", started_by=actor.id, started_at=at, target_ms=found.target_ms,
        request=done.applied.request.id, kill=done.kill.id, commit_ms=done.kill.took_ms,
    )  # fmt: skip
    later = replace(found, last_at=at, next_at=at + timedelta(days=found.every_days))
    staged = [stage(DrillRow, id=id, state=made.to_state()), _stage_plan(later, row)]
    detail = {"plan": found.id, "drill": id, "request": made.request}
    _record(actions.DRILL_STARTED, actor, staged, found, at=at, detail=detail)
    return drill(id)


def tick(*, at: datetime, now: Callable[[], datetime]) -> int:
    """Measure what runs, and begin what is due. For the worker; returns how many drills it wrote about."""
    written = 0
    running = drills(status="measuring")
    reached = of_requests([one.request for one in running], at=at)
    for one in running:
        views = reached.get(one.request, [])
        reach = next((view for view in views if view.environment == one.environment), None)
        if (reach is not None and reach.settled) or at - one.started_at > PATIENCE:
            written += _measure(one.id, reach, at=at)
    for known in plans(projects=None):
        if known.due(at=at):
            written += _begin(known, at=at, now=now)
    return written


def _begin(known: Plan, *, at: datetime, now: Callable[[], datetime]) -> int:
    actor = system("drill")
    try:
        run(actor=actor, at=at, plan_id=known.id, now=now)
    except EnsignError as error:
        problem = error.message
        with write_door():
            row, found = _locked_plan(known.id)
            if not found.due(at=at):
                return 0
            failed = Drill(
                id=ids.new_id("drl", at=at), version=0, plan=found.id, project=found.project,
                environment=found.environment, flag=found.flag, status="impossible", started_by=actor.id,
                started_at=at, target_ms=found.target_ms, problem=problem, measured_at=at,
            )  # fmt: skip
            later = replace(found, next_at=at + drilling.AGAIN)
            staged = [stage(DrillRow, id=failed.id, state=failed.to_state()), _stage_plan(later, row)]
            detail = {"plan": found.id, "drill": failed.id, "code": error.code.replace("-", "_")}
            _record(actions.DRILL_FAILED, actor, staged, found, at=at, detail=detail)
    return 1


def _measure(drill_id: str, reach: ReachView | None, *, at: datetime) -> int:
    """File the result, and ask for the flag to be on again: at once where the policy asks for no approval, else as a
    request that waits for people like any other.
    """
    actor = system("drill")
    with write_door():
        row = governed_row(DrillRow, lock="update", id=drill_id)
        if row is None or row.status != "measuring":
            return 0
        found = drilling.measured(Drill.from_state(row.pk, row.version, row.state), reach, at=at)
        try:
            with transaction.atomic():
                back = propose(
                    actor=actor, at=at, project=found.project, environment=found.environment,
                    operations=(FlagEnable(flag=found.flag),), title=f"Switch {found.flag} on again after a drill",
                    reason=f"Drill {found.id} switched it off to measure how fast that arrives.", wish="apply",
                    asked_by={found.started_by, plan_of(found.plan).planned_by},
                )  # fmt: skip
            found = replace(found, restore=back.request.id)
        except EnsignError as error:  # somebody switched it on, archived it or changed the rules for it meanwhile
            found = replace(found, problem=f"{found.problem} Not asked for on again: {error.message}".strip())
        detail = {
            "plan": found.plan, "drill": found.id, "request": found.request, "result": found.status,
            "commit_ms": found.commit_ms or 0, "target_ms": found.target_ms,
            "streaming": found.streaming.instances, "polling": found.polling.instances,
            **{name: value for name in ("p50_ms", "p90_ms", "all_ms") if (value := getattr(found, name)) is not None},
            **{
                f"{mode}_last_ms": ms
                for mode, counted in (("streaming", found.streaming), ("polling", found.polling))
                if (ms := counted.last_ms) is not None
            },
        }  # fmt: skip
        _record(
            actions.DRILL_RUN, actor, [stage(DrillRow, id=row.pk, state=found.to_state(), current=row)], found, at=at,
            detail=detail,
        )  # fmt: skip
    return 1


def plan_of(id: str) -> Plan:
    """One plan.

    :raises NotFound: when there is none.
    """
    row = DrillPlan.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such plan.", remedy="See Incidents, Drills.")
    return Plan.from_state(row.pk, row.version, row.state)


def plans(*, projects: Collection[str] | None) -> list[Plan]:
    """The plans of ``projects`` (None: of all), newest first; ended ones, too."""
    rows = DrillPlan.objects.order_by("-pk")
    if projects is not None:
        rows = rows.filter(project__in=projects)
    return [Plan.from_state(row.pk, row.version, row.state) for row in rows]


def drill(id: str) -> Drill:
    """One rehearsal.

    :raises NotFound: when there is none.
    """
    row = DrillRow.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such drill.", remedy="See Incidents, Drills.")
    return Drill.from_state(row.pk, row.version, row.state)


def drills(
    *, projects: Collection[str] | None = None, plan: str = "", status: str = "", limit: int = 500
) -> list[Drill]:
    """Rehearsals, newest first."""
    rows = DrillRow.objects.order_by("-pk")
    if projects is not None:
        rows = rows.filter(plan__in=[one.id for one in plans(projects=projects)])
    if plan:
        rows = rows.filter(plan=plan)
    if status:
        rows = rows.filter(status=status)
    return [Drill.from_state(row.pk, row.version, row.state) for row in rows[:limit]]


def of_kills(ids: Collection[str]) -> dict[str, str]:
    """Press of a kill switch -> the drill that it was; of the newest drills."""
    return {one.kill: one.id for one in drills() if one.kill in ids} if ids else {}


def _locked_plan(plan_id: str) -> tuple[DrillPlan, Plan]:
    row = governed_row(DrillPlan, lock="update", id=plan_id)
    if row is None:
        raise NotFound("There is no such plan.", remedy="See Incidents, Drills.")
    return row, Plan.from_state(row.pk, row.version, row.state)


def _stage_plan(made: Plan, row: DrillPlan | None) -> Staged:
    return stage(DrillPlan, id=made.id, state=made.to_state(), current=row)


def _record(
    action: Action,
    actor: Actor,
    staged: list[Staged],
    about: Plan | Drill,
    *,
    at: datetime,
    detail: Mapping[str, object],
) -> None:
    where = Where(project=about.project, environment=about.environment)
    record(action=action, actor=actor, at=at, staged=staged, where=where, detail=detail)
