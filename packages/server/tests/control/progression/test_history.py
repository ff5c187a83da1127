"""Claims: a plan of policies says of every past change whether it had run in the lower environment and had passed its
tests by then: what came later changes nothing, and what cannot be known is said to be unknown.
"""

from __future__ import annotations

from datetime import timedelta

from ensign.control.changes import policy_plans
from ensign.control.changes.domain.flag_operations import FlagArchive
from ensign.control.progression.domain.periods import Period, as_of
from ensign_testkit.changing import Story, launch, story
from ensign_testkit.progressing import brings, hours_after, narrowed, reported, reporter

ASKED = """version: 1
project: shop
environments:
  production:
    approvals: 1
    requires_reason: true
    requires_tests: {tests}
    progression:
      - environment: staging
        hours: {hours}
"""


def planned(cast: Story, *, hours: int, tests: bool = False, after: float = 100) -> policy_plans.Plan:
    text = ASKED.format(hours=hours, tests=str(tests).lower())
    (plan,) = policy_plans.plan(actor=cast.admin, at=hours_after(cast, after), project="shop", text=text)
    return plan


def test_what_had_run_in_staging_by_then_is_told_from_what_had_not(db: str) -> None:
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(10), at=hours_after(cast, 5))
    ahead = brings(cast, narrowed("production", "SE"), at=hours_after(cast, 6))
    brings(cast, narrowed("staging", "SE"), at=hours_after(cast, 7), environment="staging")
    plan = planned(cast, hours=4)
    assert [(one.request, one.lacks) for one in plan.differences] == [
        (ahead.request.id, ("new-checkout in staging for 4 hours before",))
    ]
    assert (plan.looked, plan.held_now, plan.held_then, plan.unsaid) == (2, 0, 1, {})
    assert planned(cast, hours=6).held_then == 2


def test_a_test_run_counts_when_it_was_reported_by_then(db: str) -> None:
    cast = story()
    ci = reporter(cast)
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(10), at=hours_after(cast, 5))
    reported(ci, at=hours_after(cast, 6))
    (late,) = planned(cast, hours=0, tests=True).differences
    assert late.lacks == ("a test run of new-checkout that passed",)


def test_a_test_run_before_it_is_enough(db: str) -> None:
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    reported(reporter(cast), at=hours_after(cast, 4))
    brings(cast, launch(10), at=hours_after(cast, 5))
    plan = planned(cast, hours=0, tests=True)
    assert (plan.differences, plan.held_then, plan.unsaid) == ((), 0, {})


def test_what_reached_several_environments_is_said_to_be_unknown(db: str) -> None:
    cast = story()
    brings(cast, (FlagArchive(flag="old-banner"),), at=cast.at)
    plan = planned(cast, hours=1)
    assert (plan.held_then, plan.unsaid) == (0, {"whether it had run in staging": 1})


def test_what_is_known_of_a_moment_is_what_had_begun_before_it(db: str) -> None:
    at = story().at
    hour = timedelta(hours=1)
    periods = [Period(digest="a", since=at, until=at + hour), Period(digest="b", since=at + hour, until=at + 3 * hour)]
    assert as_of(periods, before=at) == ()
    assert as_of(periods, before=at + hour) == (Period(digest="a", since=at),)
    assert as_of(periods, before=at + 2 * hour) == (periods[0], Period(digest="b", since=at + hour))
