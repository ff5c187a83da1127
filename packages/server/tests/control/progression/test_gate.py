"""Claims: what goes to production ran in staging first, unchanged and for as long as the policy asks; what lowers
exposure, or production itself ran a short while ago, is never held up; the entry says what let a change pass (CM-05).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate, VariantsSet
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable, FlagRevive
from ensign.control.changes.domain.settings_operations import SegmentMap, SegmentSet
from ensign.control.flags.domain import Constraint, Override, Strategy, Variant
from ensign.control.incidents.operations import kill
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict
from ensign.control.progression.domain.judging import Finding, Place, not_progressed
from ensign.control.progression.domain.runs import Subject
from ensign.control.segments import queries as segments
from ensign.control.segments.operations import create_segment
from ensign_testkit.changing import FLAG, Story, config, last_entry, launch, rows_equal_the_log
from ensign_testkit.progressing import (
    approve_at,
    brings,
    hours_after,
    narrowed,
    policed,
    reported,
    reporter,
    shop_with_progression,
)
from ensign_testkit.targets import rollout

PRO = (Constraint(context_name="plan", operator="IN", values=("pro",)),)


def share(percent: int, *, environment: str, place: int = 0) -> tuple[Operation, ...]:
    strategy = config(environment).strategies[place]
    return (
        StrategyUpdate(
            flag=FLAG, strategy=replace(strategy, parameters={**strategy.parameters, "rollout": str(percent)})
        ),
    )


def refused(cast: Story, operations: tuple[Operation, ...], *, at: datetime, code: str = "not-progressed") -> str:
    """Asserts that production does not take them; returns what is said."""
    with pytest.raises(Conflict) as caught:
        brings(cast, operations, at=at)
    assert caught.value.code == code, caught.value.message
    return f"{caught.value.message} {caught.value.remedy}"


def test_what_staging_never_ran_is_reviewed_but_does_not_apply(db: str) -> None:
    cast = shop_with_progression(hours=24)
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(), reason="Go."
    )
    assert done.request.status == "in_review"
    approve_at(cast, done, at=cast.at)
    with pytest.raises(Conflict, match="staging has never run this configuration, and does not run it now"):
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert not config().enabled


def test_it_must_have_run_for_as_long_as_the_policy_asks_without_a_break(db: str) -> None:
    cast = shop_with_progression(hours=24)
    brings(cast, launch(100), at=cast.at, environment="staging")
    said = refused(cast, launch(10), at=hours_after(cast, 23))
    assert "for 23 hours. The policy asks for 24 hours." in said
    brings(cast, (FlagDisable(flag=FLAG),), at=hours_after(cast, 23.5), environment="staging")
    brings(cast, (FlagEnable(flag=FLAG),), at=hours_after(cast, 23.6), environment="staging")
    said = refused(cast, launch(10), at=hours_after(cast, 25))
    assert "for 1 hour." in said
    assert "Apply it from" in said
    brings(cast, launch(10), at=hours_after(cast, 47.6))
    fact = last_entry("change_request.applied")["detail"]["progression"]
    assert [(f["flag"], f["target"], f["verdict"], f["ran"][0]["environment"]) for f in fact] == [
        (FLAG, "production", "judged", "staging")
    ]
    assert fact[0]["ran"][0]["until"] is None
    assert rows_equal_the_log()


def test_another_percentage_in_staging_is_no_break_and_no_other_configuration(db: str) -> None:
    cast = shop_with_progression(hours=24)
    brings(cast, launch(5), at=cast.at, environment="staging")
    brings(cast, share(100, environment="staging"), at=hours_after(cast, 12), environment="staging")
    brings(cast, launch(1), at=hours_after(cast, 24))
    assert config().enabled


def test_another_constraint_is_another_configuration(db: str) -> None:
    cast = shop_with_progression()
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(10), at=hours_after(cast, 1))
    said = refused(cast, narrowed("production", "SE"), at=hours_after(cast, 2))
    assert "never run this configuration, and runs another configuration of it" in said
    brings(cast, narrowed("staging", "SE"), at=hours_after(cast, 3), environment="staging")
    brings(cast, narrowed("production", "SE"), at=hours_after(cast, 4))
    refused(cast, narrowed("production", "SE", "NO"), at=hours_after(cast, 5))


def test_what_staging_ran_until_a_short_while_ago_counts_and_what_it_ran_long_ago_does_not(db: str) -> None:
    cast = shop_with_progression(hours=2)
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, narrowed("staging", "SE"), at=hours_after(cast, 3), environment="staging")
    said = refused(cast, launch(10), at=hours_after(cast, 3 + 24 * 31))
    assert "more than 30 days ago" in said
    brings(cast, launch(10), at=hours_after(cast, 3 + 24 * 29))
    fact = last_entry("change_request.applied")["detail"]["progression"][0]
    assert fact["ran"][0]["until"] is not None


def test_a_part_at_0_percent_in_staging_has_not_been_tried(db: str) -> None:
    cast = shop_with_progression()
    brings(cast, launch(100), at=cast.at, environment="staging")
    second = StrategyAdd(flag=FLAG, strategy=rollout(0))
    brings(cast, (second,), at=hours_after(cast, 1), environment="staging")
    refused(cast, (*launch(10), StrategyAdd(flag=FLAG, strategy=rollout(10))), at=hours_after(cast, 2))


def test_what_lowers_exposure_is_never_held_up(db: str) -> None:
    cast = shop_with_progression()
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(50), at=hours_after(cast, 1))
    policed(cast, hours=8_000)
    later = hours_after(cast, 24 * 60)
    brings(cast, share(5, environment="production"), at=later)
    assert last_entry("change_request.applied")["detail"]["progression"][0]["verdict"] == "unchanged"
    brings(cast, (FlagDisable(flag=FLAG),), at=later)
    assert last_entry("change_request.applied")["detail"]["progression"][0]["verdict"] == "reaches-nobody"
    brings(cast, narrowed("production", "SE"), at=later)  # off: it reaches nobody
    brings(cast, (FlagArchive(flag=FLAG),), at=later)


def test_editing_while_it_is_off_leads_round_nothing(db: str) -> None:
    cast = shop_with_progression()
    brings(cast, (StrategyAdd(flag=FLAG, strategy=rollout(100)),), at=cast.at)
    refused(cast, (FlagEnable(flag=FLAG),), at=hours_after(cast, 1))


def test_a_part_that_begins_to_reach_somebody_is_judged_though_the_digest_is_the_same(db: str) -> None:
    cast = shop_with_progression()
    two = (*launch(100), StrategyAdd(flag=FLAG, strategy=rollout(100)))
    brings(cast, two, at=cast.at, environment="staging")
    brings(cast, (*launch(10), StrategyAdd(flag=FLAG, strategy=rollout(0))), at=hours_after(cast, 1))
    later = hours_after(cast, 24 * 60)
    brings(cast, narrowed("staging", "SE"), at=hours_after(cast, 2), environment="staging")
    refused(cast, share(5, environment="production", place=1), at=later)


def test_what_production_ran_a_short_while_ago_may_come_back(db: str) -> None:
    cast = shop_with_progression()
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(10), at=hours_after(cast, 1))
    brings(cast, narrowed("staging", "SE"), at=hours_after(cast, 2), environment="staging")
    narrow = brings(cast, narrowed("production", "SE"), at=hours_after(cast, 3))
    policed(cast, hours=8_000)
    later = hours_after(cast, 24 * 20)
    undone = door.revert(actor=cast.dev, at=later, request_id=narrow.request.id, reason="Wrong.")
    approve_at(cast, undone, at=later)
    door.apply(actor=cast.dev, at=later, request_id=undone.request.id)
    assert last_entry("change_request.applied")["detail"]["progression"][0]["verdict"] == "ran-here"
    kill(
        actor=cast.dev, at=later, project="shop", environment="production", flag=FLAG, reason="Fire", now=lambda: later
    )
    brings(cast, (FlagEnable(flag=FLAG),), at=later + timedelta(days=2))
    assert config().enabled


def test_what_is_revived_is_judged_in_every_environment_above(db: str) -> None:
    """A revival is proposed in one environment and has effect in all of them."""
    cast = shop_with_progression()
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(10), at=hours_after(cast, 1))
    brings(cast, (FlagArchive(flag=FLAG),), at=hours_after(cast, 2), environment="development")
    long_after = hours_after(cast, 24 * 40)
    done = door.propose(
        actor=cast.dev,
        at=long_after,
        project="shop",
        environment="development",
        operations=(FlagRevive(flag=FLAG),),
        reason="Back.",
    )
    approve_at(cast, done, at=long_after)
    with pytest.raises(Conflict, match="more than 30 days ago"):
        door.apply(actor=cast.dev, at=long_after, request_id=done.request.id)
    brings(cast, (FlagRevive(flag=FLAG),), at=hours_after(cast, 24 * 5), environment="development")


def test_a_segment_is_judged_by_its_own_content(db: str) -> None:
    cast = shop_with_progression()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="paying", name="Paying")
    strategy = rollout(100, segments=("paying",))
    both = (
        SegmentSet(segment="paying", constraints=PRO),
        StrategyAdd(flag=FLAG, strategy=strategy),
        FlagEnable(flag=FLAG),
    )
    brings(cast, both, at=cast.at, environment="staging")
    brings(cast, both, at=hours_after(cast, 1))
    wider = (SegmentSet(segment="paying", constraints=(replace(PRO[0], values=("pro", "free")),)),)
    said = refused(cast, wider, at=hours_after(cast, 2))
    assert said.startswith("The segment paying: staging has never run")
    brings(cast, wider, at=hours_after(cast, 3), environment="staging")
    brings(cast, wider, at=hours_after(cast, 4))
    fact = last_entry("change_request.applied")["detail"]["progression"]
    assert [(f.get("segment"), f["verdict"]) for f in fact] == [("paying", "judged")]


def test_an_environment_mapped_segment_differs_freely_and_declaring_it_takes_approval(db: str) -> None:
    cast = shop_with_progression()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="testers", name="Testers")
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="paying", name="Paying")

    def both(*ids: str) -> tuple[Operation, ...]:
        listed = (Constraint(context_name="userId", operator="IN", values=ids),)
        strategy = rollout(100, segments=("testers",))
        return (
            SegmentSet(segment="testers", constraints=listed),
            StrategyAdd(flag=FLAG, strategy=strategy),
            FlagEnable(flag=FLAG),
        )

    brings(cast, both("1"), at=cast.at, environment="staging")
    refused(cast, both("900"), at=hours_after(cast, 1))
    wish = SegmentMap(segment="testers", mapped=True)
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="development", operations=(wish,), reason="Test users."
    )
    assert done.request.status == "in_review"  # though development itself asks for nothing
    approve_at(cast, done, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert segments.segment("shop", "testers").info.mapped
    brings(cast, both("900"), at=hours_after(cast, 2))
    wider = (SegmentSet(segment="testers", constraints=PRO),)
    brings(cast, wider, at=hours_after(cast, 3))
    undone = door.revert(actor=cast.dev, at=cast.at, request_id=done.request.id, reason="No.")
    approve_at(cast, undone, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=undone.request.id)
    free = (replace(PRO[0], values=("free",)),)
    refused(cast, (SegmentSet(segment="testers", constraints=free),), at=hours_after(cast, 4))
    assert rows_equal_the_log()


def test_an_environment_that_is_no_longer_there_lets_nothing_pass() -> None:
    """A policy is refused that names none there is; one that stays behind is no way round."""
    gone = Place(environment="preproduction", hours=0, periods=None)
    subject = Subject(kind="flag", key=FLAG)
    finding = Finding(subject=subject, target="production", digest="0" * 64, verdict="judged", places=(gone,))
    at = clock.now()
    assert finding.missing(at=at) == (gone,)
    assert "there is no such environment" in not_progressed(finding, gone, at=at)[0]


def test_lists_of_ids_may_differ_between_environments(db: str) -> None:
    cast = shop_with_progression()

    def listed(ids: str, forced: str) -> tuple[Operation, ...]:
        users = Strategy(id="", name="userWithId", parameters={"userIds": ids})
        variant = Variant(name="v", weight=1000, overrides=(Override(context_name="userId", values=(forced,)),))
        return (
            StrategyAdd(flag=FLAG, strategy=users),
            VariantsSet(flag=FLAG, variants=(variant,)),
            FlagEnable(flag=FLAG),
        )

    brings(cast, listed("1,2", "1"), at=cast.at, environment="staging")
    brings(cast, listed("900,901", "900"), at=hours_after(cast, 1))
    assert config().enabled


def test_tests_must_have_passed_on_that_very_configuration(db: str) -> None:
    cast = shop_with_progression(tests=True)
    ci = reporter(cast)
    brings(cast, launch(100), at=cast.at, environment="staging")
    said = refused(cast, launch(10), at=hours_after(cast, 1), code="untested")
    assert "no test run of this configuration has passed" in said
    reported(cast.dev, at=hours_after(cast, 1))  # by hand: no evidence
    refused(cast, launch(10), at=hours_after(cast, 1), code="untested")
    run = reported(ci, at=hours_after(cast, 2)).run
    brings(cast, narrowed("staging", "SE"), at=hours_after(cast, 3), environment="staging")
    brings(cast, launch(10), at=hours_after(cast, 4))
    assert last_entry("change_request.applied")["detail"]["progression"][0]["runs"] == [run.id]
    refused(cast, narrowed("production", "SE"), at=hours_after(cast, 5), code="untested")


def test_a_later_failing_run_of_the_same_name_invalidates_and_a_pass_repairs(db: str) -> None:
    cast = shop_with_progression(tests=True)
    ci = reporter(cast)
    brings(cast, launch(100), at=cast.at, environment="staging")
    reported(ci, at=hours_after(cast, 1), name="smoke")
    reported(ci, at=hours_after(cast, 2), name="end to end")
    reported(ci, at=hours_after(cast, 3), name="end to end", result="failed")
    said = refused(cast, launch(10), at=hours_after(cast, 4), code="untested")
    assert "tests of this configuration failed: “end to end”" in said
    reported(cast.dev, at=hours_after(cast, 5), name="end to end")
    refused(cast, launch(10), at=hours_after(cast, 5), code="untested")
    reported(ci, at=hours_after(cast, 6), name="end to end", url="https://ci.example.com/runs/2")
    brings(cast, launch(10), at=hours_after(cast, 7))


def test_where_nothing_asks_for_it_nothing_is_held_up_and_nothing_recorded(db: str) -> None:
    cast = shop_with_progression()
    policed(cast, lower=())
    brings(cast, launch(), at=cast.at)
    assert "progression" not in last_entry("change_request.applied")["detail"]
