"""Claims: no sequence of acts, clocks and forgeries takes a step that is not the next one of an approved plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ensign.control.changes.domain import algebra, lifecycle, plans, trust
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.flag_operations import FlagDisable
from ensign.control.changes.domain.ramp_operations import RampPlan, with_share
from ensign.control.changes.domain.requests import ChangeRequest, PlanRef, PolicyInForce
from ensign.control.changes.domain.world import World
from ensign.control.changes.timing import SCHEDULER
from ensign.control.flags.domain import FlagConfig, FlagInfo, Strategy
from ensign.control.flags.words import share
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError
from ensign.control.projects.demands import Approvers, Demand
from ensign.control.releases import domain
from ensign.control.releases.domain import Pause, Ramp, Taken
from ensign_testkit.change_worlds import ramp_steps
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAME = "config:production/a"
DEV = Actor(kind="person", id="usr_dev", via="session", mfa_at=START)
REVIEWER = Actor(kind="person", id="usr_rev", via="session", mfa_at=START)
POLICY = PolicyInForce(ref="pol_1@1", demand=Demand(approvals=1), protected=True, environments=("production",))
ANYBODY = trust.Judges(entitled=lambda _: True)
NOBODY = trust.Judges(entitled=lambda _: False)

#: What asks for more approval than the plan was asked for.
MORE = (
    Demand(approvals=2),
    Demand(approvals=1, signed=True),
    Demand(approvals=1, each_group=("grp_1",)),
    Demand(approvals=1, approvers=(Approvers(roles=("lead",)),)),
)


def strategy(percent: int) -> Strategy:
    return Strategy(id="str_1", name="flexibleRollout", parameters={"rollout": str(percent), "stickiness": "userId"})


def request(operations: tuple[Operation, ...], base: dict[str, int], **more: object) -> ChangeRequest:
    made = ChangeRequest(
        id="crq_1", project="shop", environment="production", title="T", reason="R", author=DEV.id,
        operations=operations, base=base, created_at=START, updated_at=START,
        digest=change_digest(project="shop", environment="production", operations=operations, base=base),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # members by name


class Ramps(RuleBasedStateMachine):
    """One flag, one approved plan, everybody who meddles, and a clock that goes to and fro."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START
        self.version = 1
        self.policy = POLICY
        self.shares: list[int] = []

    @initialize(steps=ramp_steps, initial=st.integers(0, 1))
    def approve_the_plan(self, steps: tuple[domain.RampStep, ...], initial: int) -> None:
        self.initial = initial
        self.world = World(
            project="shop",
            environment="production",
            flags={"a": FlagInfo(key="a", project="shop")},
            configs={"a": FlagConfig(enabled=True, strategies=(strategy(initial),))},
        )
        self.plan = RampPlan(flag="a", strategy="str_1", steps=steps)
        submitted = lifecycle.submit(request((self.plan,), self.base()), by=DEV.id, at=START, policy=POLICY)
        approved = lifecycle.approve(
            submitted, REVIEWER, at=START, digest=submitted.digest, policy=POLICY, current=self.base(),
            judges=ANYBODY,
        )  # fmt: skip
        self.approved = lifecycle.applied(approved, DEV, at=START, policy=POLICY, current=self.base(), judges=ANYBODY)
        self.change((self.plan,))
        self.ramp = Ramp(
            id="rmp_1", project="shop", environment="production", request="crq_1", operation=self.plan, owner=DEV.id,
            since=START, initial=initial, base=self.base(), left=self.left(), started_at=START,
            asked=POLICY.demand, taken=(Taken(percent=steps[0].percent, at=START, request="crq_1"),),
        )  # fmt: skip
        self.shares = [steps[0].percent]

    def base(self) -> dict[str, int]:
        return {NAME: self.version}

    def left(self) -> str:
        return plans.content_digest(self.world, [NAME])

    def change(self, operations: tuple[Operation, ...]) -> None:
        self.world = algebra.apply_all(self.world, operations)
        self.version += 1

    def underway(self) -> plans.Underway:
        ramp = self.ramp
        return plans.Underway(
            ramp=ramp.id, plan=self.approved, operation=ramp.operation, reached=ramp.reached, since=ramp.since,
            running=ramp.status == "running", base=ramp.base, initial=ramp.initial, world=self.world,
            asked=ramp.asked,
        )  # fmt: skip

    def try_it(self, wanted: ChangeRequest, actor: Actor) -> bool:
        """Whether the door lets it through. Nobody is entitled to approve any more: a step needs it no more."""
        try:
            done = lifecycle.applied(
                wanted, actor, at=self.at, policy=self.policy, current=self.base(), judges=NOBODY,
                mode="plan", underway=self.underway(),
            )  # fmt: skip
        except EnsignError:
            return False
        assert done.approvals == self.approved.approvals
        return True

    def step_request(self, percent: int, step: int | None, operations: tuple[Operation, ...]) -> ChangeRequest:
        ref = PlanRef(
            request="crq_1", digest=self.approved.digest, ramp="rmp_1", strategy="str_1", step=step, percent=percent
        )
        return request(operations, self.base(), id="crq_2", plan=ref)

    def to(self, percent: int) -> tuple[Operation, ...]:
        return (StrategyUpdate(flag="a", strategy=with_share(self.world.configs["a"].strategies[0], percent)),)

    @rule(minutes=st.integers(-120, 240))
    def time_goes(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @rule(
        percent=st.integers(0, 100), step=st.integers(0, 6), actor=st.sampled_from([DEV, REVIEWER, SCHEDULER]),
        honest=st.booleans(), more=st.booleans(),
    )  # fmt: skip
    def somebody_tries_a_step(self, percent: int, step: int, actor: Actor, honest: bool, more: bool) -> None:
        ramp = self.ramp
        following = None if ramp.last else ramp.steps[ramp.reached + 1].percent
        if honest and following is not None:
            percent, step = following, ramp.reached + 1
        operations = (*self.to(percent), FlagDisable(flag="a")) if more else self.to(percent)
        if not self.try_it(self.step_request(percent, step, operations), actor):
            return
        assert (actor, more) == (SCHEDULER, False)
        assert (percent, step) == (following, ramp.reached + 1)
        assert ramp.status == "running"
        assert self.at >= ramp.since + timedelta(minutes=ramp.steps[ramp.reached].hold)
        assert self.left() == ramp.left
        assert self.policy == POLICY
        self.change(operations)
        self.ramp = domain.stepped(ramp, request="crq_2", at=self.at, base=self.base(), left=self.left())
        self.shares.append(percent)

    @rule()
    def ensign_does_what_is_due(self) -> None:
        """What is due is let through, unless the policy changed: the plan and the door agree."""
        moved = () if self.ramp.base == self.base() else (NAME,)
        act = domain.due(self.ramp, at=self.at, moved=moved, judgements={})
        if act.kind == "pause":
            self.ramp = domain.paused(self.ramp, Pause(code=act.code, reason=act.reason, by="sys", at=self.at))
        if act.kind != "step":
            return
        percent = self.ramp.steps[self.ramp.reached + 1].percent
        let = self.try_it(self.step_request(percent, self.ramp.reached + 1, self.to(percent)), SCHEDULER)
        assert let is (self.policy == POLICY)
        if let:
            self.change(self.to(percent))
            self.ramp = domain.stepped(self.ramp, request="crq_2", at=self.at, base=self.base(), left=self.left())
            self.shares.append(percent)

    @rule()
    def somebody_pauses(self) -> None:
        if self.ramp.status == "running":
            self.ramp = domain.paused(self.ramp, Pause(code="asked", reason="", by=DEV.id, at=self.at))

    @precondition(lambda self: self.ramp.status == "paused")
    @rule()
    def somebody_resumes(self) -> None:
        try:
            at = max(self.at, self.ramp.since)
            self.ramp = domain.resumed(self.ramp, by=REVIEWER.id, at=at, base=self.base(), left=self.left())
        except EnsignError:
            assert self.left() != self.ramp.left

    @rule(percent=st.integers(0, 100), undone=st.booleans())
    def somebody_else_changes_the_flag(self, percent: int, undone: bool) -> None:
        before = share(self.world.configs["a"].strategies[0]) or 0
        self.change(self.to(percent))
        if undone:
            self.change(self.to(before))

    @rule()
    def the_policy_changes(self) -> None:
        self.policy = replace(POLICY, ref="pol_1@2")

    @precondition(lambda self: self.policy.ref == POLICY.ref)
    @rule(demand=st.sampled_from([POLICY.demand, *MORE]))
    def another_flag_or_hour_is_under_other_rules(self, demand: Demand) -> None:
        """The policy is the same; what it asks of the next step is not."""
        self.policy = replace(POLICY, demand=demand)

    @rule(actor=st.sampled_from([DEV, REVIEWER, SCHEDULER]))
    def somebody_rolls_back(self, actor: Actor) -> None:
        before = share(self.world.configs["a"].strategies[0]) or 0
        if not self.ramp.underway:
            return
        if self.try_it(self.step_request(self.initial, None, self.to(self.initial)), actor):
            assert before > self.initial
            self.change(self.to(self.initial))
            self.ramp = domain.rolled_back(self.ramp, request="crq_2", at=self.at)
        else:
            assert before <= self.initial

    @invariant()
    def the_ramp_took_the_first_steps_of_its_plan_in_their_order(self) -> None:
        if self.shares:
            assert self.shares == [step.percent for step in self.plan.steps[: len(self.shares)]]
            assert Ramp.from_state("rmp_1", self.ramp.to_state()) == self.ramp


def test_no_sequence_takes_a_step_that_is_not_the_next_one_of_the_approved_plan() -> None:
    run_state_machine_as_test(Ramps, settings=settings(max_examples=200, stateful_step_count=40, deadline=None))
