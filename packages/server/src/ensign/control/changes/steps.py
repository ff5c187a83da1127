"""Steps of plans that were approved once: each is a change of its own, through the same door as every other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import Held
from ensign.control.audit.rows import row
from ensign.control.changes.applying import Applied, apply_request
from ensign.control.changes.domain import algebra, plans
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.plans import Underway
from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.domain.requests import ChangeRequest, PlanRef
from ensign.control.changes.domain.world import OperationError, Ref
from ensign.control.changes.following import Happened
from ensign.control.changes.loading import load, load_for, policy_of, reached
from ensign.control.changes.models import Request
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound
from ensign.control.projects import policies
from ensign.control.projects.demands import Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How far a plan has come, as who carries it out keeps it; see :class:`plans.Underway`."""

    ramp: str
    request: str
    project: str
    environment: str
    operation: RampPlan
    reached: int
    since: datetime
    running: bool
    base: Mapping[str, int]
    initial: int
    asked: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Versions, and the digest of the content, of all that the next step of a plan would touch or reference."""

    base: Mapping[str, int]
    left: str


def standing(*, project: str, environment: str, operation: RampPlan) -> Standing:
    """What a plan leaves as things stand now, to be compared with later.

    :raises OperationError: when its strategy is gone.
    """
    probe = RampPlan(flag=operation.flag, strategy=operation.strategy, steps=operation.steps[-1:])
    loaded = load_for(project=project, environment=environment, operations=(probe,))
    return Standing(base=loaded.versions, left=plans.content_digest(loaded.world, loaded.versions))


def asked_of(happened: Happened) -> Demand:
    """What the policies in force asked of a change that was just applied. Call it inside the write door, which holds
    them.
    """
    request, before = happened.request, happened.before
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    after = algebra.apply_all(before, request.operations)
    found = policies.policies_of(request.project, keys)
    return policy_of(found, before, after, request.operations, at=request.applied_at or happened.at).demand


def moved_since(carried: Carried) -> tuple[str, ...]:
    """Names of the objects that changed since the last step; nothing is locked."""
    try:
        now = standing(project=carried.project, environment=carried.environment, operation=carried.operation)
    except (OperationError, NotFound):
        return tuple(sorted(carried.base))
    # The door compares in the same way; a name that came or went is a change, too.
    return tuple(sorted(n for n in {*carried.base, *now.base} if carried.base.get(n) != now.base.get(n)))


def _underway(carried: Carried) -> Underway:
    """The plan with the state that its next step meets, locked in the order of an apply."""
    found = row(Request, lock="share", id=carried.request)
    if found is None:
        raise NotFound("The plan of this ramp is not there.")
    plan = ChangeRequest.from_state(found.pk, found.state)
    policies.policies_of(carried.project, [carried.environment], lock=True)
    refs = [Ref.parse(name) for name in carried.base]
    loaded = load(project=carried.project, environment=carried.environment, refs=refs, lock=True)
    return Underway(
        ramp=carried.ramp,
        plan=plan,
        operation=carried.operation,
        reached=carried.reached,
        since=carried.since,
        running=carried.running,
        base=carried.base,
        initial=carried.initial,
        asked=carried.asked,
        world=loaded.world,
    )


def _request(
    underway: Underway, change: Operation, *, base: Mapping[str, int], back: bool, at: datetime
) -> ChangeRequest:
    """The change as a request: written by whom the plan was written by, for the reason that the plan has."""
    plan, operation = underway.plan, underway.operation
    count = len(operation.steps)
    percent = underway.initial if back else operation.steps[underway.reached + 1].percent
    what = "Rolled back" if back else f"Step {underway.reached + 2} of {count}"
    return ChangeRequest(
        id=ids.new_id("crq", at=at),
        title=f"{what}: {operation.flag} to {percent} %",
        reason=plan.reason,
        author=plan.author,
        contributors=plan.contributors,
        behind=plan.behind,
        operations=(change,),
        base=base,
        project=plan.project,
        environment=plan.environment,
        digest=change_digest(project=plan.project, environment=plan.environment, operations=(change,), base=base),
        created_at=at,
        updated_at=at,
        tickets=plan.tickets,
        promotes=plan.promotes,
        plan=PlanRef(
            request=plan.id,
            digest=plan.digest,
            ramp=underway.ramp,
            strategy=operation.strategy,
            step=None if back else underway.reached + 1,
            percent=percent,
        ),
    )


def take_step(*, actor: Actor, at: datetime, rights: Held, carried: Carried) -> Applied:
    """Apply the next step of the plan. Call it inside the write door, with the ramp locked.

    ``rights`` are those of who the ramp acts for, read inside this write door.

    :raises Denied: when they may not apply it any more. :raises Conflict: when it is not the plan's next step now.
    """
    underway = _underway(carried)
    request = _request(underway, plans.next_step(underway), base=carried.base, back=False, at=at)
    return apply_request(actor=actor, at=at, rights=rights, request=request, row=None, mode="plan", underway=underway)


def take_back(*, actor: Actor, at: datetime, rights: Held, carried: Carried) -> Applied:
    """Apply the way back to the share before the plan, whatever else was changed since. Inside the write door.

    :raises Denied: without ``ramp:pause`` there. :raises Conflict: when there is nothing to roll back.
    """
    underway = _underway(carried)
    change = plans.way_back(underway)
    place = {"project": carried.project, "environment": carried.environment}
    base = load_for(operations=(change,), **place).versions
    request = _request(underway, change, base=base, back=True, at=at)
    return apply_request(actor=actor, at=at, rights=rights, request=request, row=None, mode="plan", underway=underway)
