"""What an approved plan allows without asking again: exactly its next step, and going back. Pure.

A plan is approved once, as an operation ``ramp.plan`` of a request. Every further step is a change of its own that
passes through :func:`lifecycle.applied`, where this module proves that it is a step of that plan and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from ensign_ledger import canonical

from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.ramp_operations import RampPlan, with_share
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.domain.trust import SCHEDULER, Verdict
from ensign.control.changes.domain.world import Ref, World
from ensign.control.flags.words import share
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.projects.demands import NOTHING, Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """A plan that is being carried out, as the door must see it.

    ``plan`` is the applied request, ``operation`` its ramp. ``reached`` is the place of the step in force, since
    ``since`` (ledger time). ``base`` are the versions that the last step left; ``initial`` is the share before it all.
    ``asked`` is what the policy asked of the plan when it was applied. ``world`` is the state now, read under lock.
    """

    ramp: str
    plan: ChangeRequest
    operation: RampPlan
    reached: int
    since: datetime
    running: bool
    base: Mapping[str, int]
    initial: int
    world: World
    asked: Demand = NOTHING

    @property
    def due_at(self) -> datetime:
        """When the step in force has been held for long enough."""
        return self.since + timedelta(minutes=self.operation.steps[self.reached].hold)

    @property
    def last(self) -> bool:
        """Whether the step in force is the last one."""
        return self.reached + 1 >= len(self.operation.steps)


def next_step(underway: Underway) -> StrategyUpdate:
    """The change that the next step of the plan makes, to the strategy as it is now.

    :raises OperationError: when the strategy is gone. :raises Conflict: after the last step.
    """
    if underway.last:
        _no("This ramp has taken its last step.")
    return _to(underway, underway.operation.steps[underway.reached + 1].percent)


def way_back(underway: Underway) -> StrategyUpdate:
    """The change that takes the share back to where it was before the plan; nothing else of the strategy differs.

    :raises OperationError: when the strategy is gone. :raises Conflict: when its share is not larger now.
    """
    now = share(underway.operation.old(underway.world)) or 0
    if now <= underway.initial:
        _no(f"The share is {now} % already: there is nothing to roll back.")
    return _to(underway, underway.initial)


def _to(underway: Underway, percent: int) -> StrategyUpdate:
    operation = underway.operation
    return StrategyUpdate(flag=operation.flag, strategy=with_share(operation.old(underway.world), percent))


def require_step_of_plan(
    request: ChangeRequest, actor: Actor, *, underway: Underway | None, at: datetime, policy: PolicyInForce
) -> Verdict:
    """That ``request`` is exactly the next step of the approved plan, or the way back. Asked under lock, at the apply.

    1. the plan was applied with the approvals that it needed, and is what they approved; 2. the request does the next
    step of it and nothing else; 3. Ensign takes the step, no person; 4. the ramp runs; 5. the step before has been
    held; 6. nothing moved since that step; 7. the policy is the one under which the plan was approved, and asks no more
    of this step than it asked of the plan: the flag may have become riskier, and another hour may have other rules.
    Going back only lowers what was approved with the plan, so that it takes 1 and 2 alone.

    :raises Denied, Conflict: naming what is not so.
    """
    if underway is None or request.plan is None:
        raise Denied(
            "This is no step of a plan.",
            permission="change:apply",
            scope=f"{request.project}/{request.environment}",
            code="no-plan",
        )
    _require_approved(underway)  # 1
    back = request.plan.step is None
    steps = underway.operation.steps
    wanted = way_back(underway) if back else next_step(underway)
    percent = underway.initial if back else steps[underway.reached + 1].percent
    plan = underway.plan
    if (  # 2
        request.operations != (wanted,)
        or (request.project, request.environment) != (plan.project, plan.environment)
        or (request.plan.request, request.plan.digest, request.plan.ramp) != (plan.id, plan.digest, underway.ramp)
        or request.plan.strategy != underway.operation.strategy
        or request.plan.percent != percent
        or request.plan.step != (None if back else underway.reached + 1)
        or (request.author, request.contributors, request.behind) != (plan.author, plan.contributors, plan.behind)
    ):
        _no("This is not the next step of the plan.")
    if back:
        return Verdict(counted=plan.approvals, required=plan.required or 0)
    if actor.id != SCHEDULER:  # 3
        _no("Nobody takes the next step by hand: the plan says when it is taken.")
    if not underway.running:  # 4
        _no("This ramp does not run.")
    if at < underway.due_at:  # 5
        _no(f"The step is held until {underway.due_at:%Y-%m-%d %H:%M} UTC.", code="held")
    if dict(request.base) != dict(underway.base):  # 6
        _no("Somebody else changed what the ramp rolls out.", code="conflicted")
    if policy.ref != plan.policy:  # 7
        _no("The policy changed since the plan was approved.", code="policy-changed")
    if asks_more(policy.demand, underway.asked):  # 7
        _no("The policy asks for more approval of this step than it asked of the plan.", code="asks-more")
    return Verdict(counted=plan.approvals, required=plan.required or 0)


def asks_more(now: Demand, then: Demand) -> bool:
    """Whether ``now`` asks for other or more approvals than ``then``; what else it asks for has gates of its own."""
    return (
        now.required > then.required
        or now.signed > then.signed
        or not set(now.each_group) <= set(then.each_group)
        or not set(now.approvers) <= set(then.approvers)
    )


def _require_approved(underway: Underway) -> None:
    plan = underway.plan
    said = change_digest(project=plan.project, environment=plan.environment, operations=plan.operations, base=plan.base)
    people = {given.person for given in plan.approvals if given.digest == plan.digest} - plan.barred
    if (
        plan.status != "applied"
        or plan.mode not in {"request", "direct"}
        or said != plan.digest
        or underway.operation not in plan.operations
        or len(people) < (plan.required or 0)
    ):
        _no("The plan was not applied as it was approved.", code="not-approved")


def _no(message: str, *, code: str = "not-a-step") -> NoReturn:
    raise Conflict(message, remedy="Nothing was changed.", code=code)


def content_digest(world: World, names: Collection[str]) -> str:
    """SHA-256 in hex of the content of the objects ``names`` (of base versions) in ``world``: what a ramp left.

    Versions say that somebody wrote; this says whether anything differs.
    """
    found: dict[str, object] = {}
    for name in sorted(names):
        ref = Ref.parse(name)
        if ref.kind == "config":
            info = world.flags.get(ref.key)
            config = world.configs.get(ref.key)
            found[name] = [bool(info and info.archived), None if config is None else config.to_state()]
        elif ref.kind == "segment" and not ref.environment:
            found[name] = ref.key in world.mapped
        elif ref.kind == "segment":
            found[name] = [constraint.to_state() for constraint in world.segments.get(ref.key, ())]
        else:
            found[name] = "shared"
    return hashlib.sha256(canonical.encode(found, free_keys=True)).hexdigest()
