"""Claims: a plan that was approved once is no way round what a policy asks of the changes that its steps make: rules
about its flag, about what the steps do and about the hour count for the plan, or stop it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes.domain.classing import FlagClassify
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagRevive
from ensign.control.kernel.errors import Conflict
from ensign.control.projects.demands import Demand, Hours, Rule, When
from ensign.control.projects.domain import PolicyRules
from ensign.control.releases import operations, running
from ensign_testkit.changing import FLAG, Story, approve, live, requested, rows_equal_the_log, ruled, story
from ensign_testkit.ramping import later, now, percent, plan, ramping

TWO = Demand(approvals=2)


def under(cast: Story, when: When, demand: Demand = TWO) -> None:
    """Production asks for one approval, and for ``demand`` of changes of some kind."""
    ruled(cast, PolicyRules(approvals=1, rules=(Rule(name="More", when=when, demand=demand),)))


def classified(cast: Story, *, tier: str) -> None:
    """The flag gets another risk tier, the proper way."""
    done = requested(cast, (FlagClassify(flag=FLAG, flag_type="release", tags=(), tier=tier, owner=""),))
    approve(cast, done)
    if tier == "high":
        approve(cast, done, by=cast.second)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


def test_a_plan_answers_to_the_rules_about_what_its_steps_do(db: str) -> None:
    cast = story()
    live(cast, 1)
    under(cast, When(operations=("strategy.update",)))
    done = requested(cast, (plan(5, 100),))
    approve(cast, done)
    with pytest.raises(Conflict) as refused:
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert refused.value.code == "not-approved"
    approve(cast, done, by=cast.second)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert percent() == 5


def test_a_flag_of_higher_risk_than_was_approved_takes_no_further_step(db: str) -> None:
    cast = story()
    under(cast, When(tiers=("high",)))
    ramp = ramping(cast)
    classified(cast, tier="high")
    for minutes in (60, 130):
        running.tick(at=later(ramp, minutes))
        paused = now(ramp)
        assert paused.pause is not None
        assert paused.pause.code == "asks-more"
        operations.resume(actor=cast.dev, at=later(ramp, minutes + 1), ramp_id=ramp.id)
    assert percent() == 5
    operations.roll_back(actor=cast.dev, at=later(ramp, 501), ramp_id=ramp.id)
    assert percent() == 1
    assert rows_equal_the_log()


@pytest.mark.parametrize("demand", [TWO, Demand(signed=True)], ids=["two", "signed"])
def test_a_step_at_an_hour_that_asks_for_more_is_not_taken(db: str, demand: Demand) -> None:
    cast = story()
    night = (cast.at + timedelta(minutes=50)).replace(second=0, microsecond=0)
    start, end = (night.hour * 60 + night.minute, (night.hour * 60 + night.minute + 60) % (24 * 60))
    under(cast, When(hours=Hours(days=tuple(range(7)), start=start, end=end)), demand)
    ramp = ramping(cast)
    running.tick(at=later(ramp, 60))
    paused = now(ramp)
    assert percent() == 5
    assert paused.pause is not None
    assert paused.pause.code == "asks-more"
    operations.resume(actor=cast.dev, at=later(ramp, 70), ramp_id=ramp.id)
    running.tick(at=later(ramp, 131))
    assert percent() == 25


def test_a_flag_that_was_archived_and_revived_meanwhile_goes_on_only_when_a_person_says_so(db: str) -> None:
    cast = story()
    ramp = ramping(cast)
    for operation in (FlagArchive(flag=FLAG), FlagRevive(flag=FLAG)):
        done = requested(cast, (operation,))
        approve(cast, done)
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
        running.tick(at=later(ramp, 60))
        running.tick(at=later(ramp, 600))
    found = now(ramp)
    assert found.status == "paused"
    assert found.pause is not None
    assert found.pause.code == "conflicted"
    assert percent() == 5
