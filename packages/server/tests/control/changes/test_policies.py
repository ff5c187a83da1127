"""Claims: whatever a policy demands holds a change back until it is there, and lets it through when it is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from ensign.control.access import groups
from ensign.control.access.grants import end
from ensign.control.access.models import Grant
from ensign.control.audit import inspect
from ensign.control.changes import operations as door
from ensign.control.changes import queries
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.classing import FlagClassify
from ensign.control.changes.domain.content_operations import DependencySet, StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.domain.settings_operations import PolicySet, SegmentSet
from ensign.control.changes.loading import policy_for
from ensign.control.changes.previewing import preview
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import Constraint, Dependency
from ensign.control.flags.operations import update_flag
from ensign.control.incidents.operations import kill
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.projects.demands import APPROVAL_HOURS, Approvers, Demand, Freeze, Hours, Progression, Rule, When
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policies import policy
from ensign.control.segments.operations import create_segment
from ensign_testkit.changing import FLAG, Story, approve, config, last_entry, launch, requested, ruled, story
from ensign_testkit.people import add_person
from ensign_testkit.targets import rollout

ONE = PolicyRules(approvals=1, requires_reason=True)


def team(cast: Story, name: str, *people: Actor) -> str:
    made = groups.create(actor=cast.admin, at=cast.at, name=name)
    for person in people:
        groups.add_member(actor=cast.admin, at=cast.at, group_id=made.id, person_id=person.id)
    return made.id


def apply(cast: Story, done: door.Proposed, *, at: datetime | None = None, by: Actor | None = None) -> door.Applied:
    return door.apply(actor=by or cast.dev, at=at or cast.at, request_id=done.request.id)


def refused(cast: Story, done: door.Proposed, code: str, *, at: datetime | None = None) -> str:
    with pytest.raises(Conflict) as held:
        apply(cast, done, at=at)
    assert held.value.code == code
    return held.value.message


def lacks(cast: Story, done: door.Proposed) -> tuple[str, ...]:
    request = queries.request(done.request.id, reader=cast.dev.id).request
    return queries.standing(request, reader=cast.second, at=cast.at).verdict.lacks


def test_only_those_whom_the_policy_names_can_approve(db: str) -> None:
    cast = story()
    payments = team(cast, "Payments", cast.second)
    ruled(cast, replace(ONE, further=Demand(approvers=(Approvers(groups=(payments,)),))))
    done = requested(cast, launch())
    with pytest.raises(Denied, match="asks for the approval of somebody in Payments") as denied:
        approve(cast, done)
    assert denied.value.code == "not-among-approvers"
    assert lacks(cast, done) == ("One approval of somebody in Payments is missing.",)
    refused(cast, done, "not-approved")
    approve(cast, done, by=cast.second)
    assert apply(cast, done).request.mode == "request"
    assert inspect.verify().ok


def test_every_narrowing_must_let_an_approver_through(db: str) -> None:
    cast = story()
    payments, security = team(cast, "Payments", cast.approver, cast.second), team(cast, "Security", cast.second)
    narrowed = (Approvers(groups=(payments,)), Approvers(groups=(security,), roles=("admin",)))
    ruled(cast, replace(ONE, further=Demand(approvers=narrowed)))
    done = requested(cast, launch())
    with pytest.raises(Denied):
        approve(cast, done)
    approve(cast, done, by=cast.second)
    apply(cast, done)


def test_a_role_counts_where_it_is_held_and_not_elsewhere(db: str) -> None:
    cast = story()
    elsewhere = add_person("Else Where", "approver", at=cast.at)
    add = add_person("Rob Releaser", "approver", "requester", at=cast.at)
    ruled(cast, replace(ONE, further=Demand(approvers=(Approvers(roles=("requester",)),))))
    done = requested(cast, launch())
    with pytest.raises(Denied, match="the role requester"):
        approve(cast, done, by=elsewhere)
    approve(cast, done, by=add)
    apply(cast, done)


def test_each_named_group_must_approve_and_one_person_may_stand_for_two(db: str) -> None:
    cast = story()
    payments, security = team(cast, "Payments", cast.approver, cast.second), team(cast, "Security", cast.second)
    ruled(cast, PolicyRules(approvals=2, further=Demand(each_group=(payments, security))))
    third = add_person("Tha Third", "approver", at=cast.at)
    done = requested(cast, launch())
    approve(cast, done)
    approve(cast, done, by=third)
    assert lacks(cast, done) == ("One approval from Security is missing.",)
    assert "One approval from Security is missing." in refused(cast, done, "not-approved")
    approve(cast, done, by=cast.second)
    apply(cast, done)


def test_one_person_for_two_groups_is_still_one_approval(db: str) -> None:
    cast = story()
    payments, security = team(cast, "Payments", cast.second), team(cast, "Security", cast.second)
    ruled(cast, PolicyRules(approvals=2, further=Demand(each_group=(payments, security))))
    done = requested(cast, launch())
    approve(cast, done, by=cast.second)
    assert lacks(cast, done) == ("One approval is missing.",)
    refused(cast, done, "not-approved")
    approve(cast, done)
    apply(cast, done)


def test_the_flags_owner_approves_and_a_flag_without_one_lets_nobody_through(db: str) -> None:
    cast = story()
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, owner=cast.second.id)
    update_flag(actor=cast.dev, at=cast.at, key="old-banner", owner="")
    ruled(cast, replace(ONE, further=Demand(approvers=(Approvers(owner=True),))))
    done = requested(cast, launch())
    with pytest.raises(Denied, match="the flag's owner"):
        approve(cast, done)
    approve(cast, done, by=cast.second)
    apply(cast, done)
    orphan = requested(cast, (StrategyAdd(flag="old-banner", strategy=rollout(10)),))
    for person in (cast.approver, cast.second):
        with pytest.raises(Denied, match="the flag's owner"):
            approve(cast, orphan, by=person)
    info = flags.flag("old-banner").info
    given = requested(
        cast,
        (FlagClassify(flag="old-banner", flag_type=info.type, tags=info.tags, tier=info.tier, owner=cast.second.id),),
    )
    approve(cast, given)
    apply(cast, given)
    assert flags.flag("old-banner").info.owner == cast.second.id


def test_whoever_left_the_group_after_approving_does_not_count_when_it_applies(db: str) -> None:
    cast = story()
    payments = team(cast, "Payments", cast.second)
    ruled(cast, replace(ONE, further=Demand(each_group=(payments,))))
    done = requested(cast, launch())
    approve(cast, done, by=cast.second)
    groups.remove_member(actor=cast.admin, at=cast.at, group_id=payments, person_id=cast.second.id)
    assert "One approval from Payments is missing." in refused(cast, done, "not-approved")
    assert config().strategies == ()


def test_whoever_lost_the_role_after_approving_does_not_count_when_it_applies(db: str) -> None:
    cast = story()
    ruled(cast, replace(ONE, further=Demand(approvers=(Approvers(roles=("approver",)),))))
    done = requested(cast, launch())
    approve(cast, done)
    grant = Grant.objects.get(subject=cast.approver.id)
    end(actor=cast.admin, at=cast.at, grant_id=grant.pk, reason="Left the team.")
    assert "no longer entitled" in refused(cast, done, "not-approved")


def test_an_approval_counts_for_as_long_as_the_demand_says(db: str) -> None:
    cast = story()
    ruled(cast, replace(ONE, further=Demand(approval_hours=2)))
    done = requested(cast, launch())
    approve(cast, done)
    assert "expired" in refused(cast, done, "not-approved", at=cast.later(hours=2))
    apply(cast, done, at=cast.later(hours=1, minutes=59))


def test_an_unsigned_approval_does_not_count_where_signatures_are_asked_for(db: str) -> None:
    cast = story()
    ruled(cast, replace(ONE, further=Demand(signed=True)))
    done = requested(cast, launch())
    with suppress(Denied, Conflict, Invalid):
        approve(cast, done)
    refused(cast, done, "not-approved")


def test_a_ticket_is_asked_for_before_the_review(db: str) -> None:
    cast = story()
    ruled(cast, replace(ONE, further=Demand(requires_ticket=True)))
    with pytest.raises(Conflict, match="asks for a ticket") as held:
        requested(cast, launch())
    assert held.value.code == "no-ticket"
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(),
        title="Launch", reason="It is ready.", tickets=("SHOP-12",),
    )  # fmt: skip
    approve(cast, done)
    assert apply(cast, done).request.tickets == ("SHOP-12",)


def test_no_rollout_grows_by_more_than_the_largest_step(db: str) -> None:
    cast = story()
    ruled(cast, replace(ONE, further=Demand(max_step=20)))
    with pytest.raises(Conflict, match="would grow by 50 percentage points") as held:
        requested(cast, launch(50))
    assert held.value.code == "step-too-large"
    done = requested(cast, launch(20))
    approve(cast, done)
    apply(cast, done)


def test_in_a_freeze_only_switching_off_applies(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    start, over = cast.at - timedelta(hours=1), cast.later(hours=5)
    freeze = Freeze(name="Year's end", start=start.isoformat(), end=over.isoformat())
    approve(cast, done)
    apply(cast, done)
    ruled(cast, replace(ONE, freezes=(freeze,)))
    off = requested(cast, (FlagDisable(flag=FLAG),))
    approve(cast, off)
    said = refused(cast, off, "frozen")
    assert "“Year's end”" in said
    assert f"{over:%H:%M} UTC" in said
    removal = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=ONE),), title="Thaw", reason="Hurry.",
    )  # fmt: skip
    approve(cast, removal)
    with pytest.raises(Conflict) as held:
        door.apply(actor=cast.admin, at=cast.at, request_id=removal.request.id)
    assert held.value.code == "frozen"
    kill(
        actor=cast.admin, at=cast.at, project="shop", environment="production", flag=FLAG, reason="It fails.",
        now=lambda: cast.at,
    )  # fmt: skip
    assert not config().enabled


def test_after_a_freeze_what_was_approved_applies(db: str) -> None:
    cast = story()
    end = cast.later(hours=5)
    ruled(cast, replace(ONE, freezes=(Freeze(name="Short", start=cast.at.isoformat(), end=end.isoformat()),)))
    done = requested(cast, launch())
    approve(cast, done)
    refused(cast, done, "frozen")
    apply(cast, done, at=end)


def test_a_change_that_reaches_every_environment_waits_for_a_freeze_of_any(db: str) -> None:
    cast = story()
    weekly = Hours(days=(cast.at.weekday(),), start=0, end=1440)
    ruled(cast, PolicyRules(freezes=(Freeze(name="Weekly", weekly=weekly),)), environment="staging")
    done = requested(cast, (classify(tier="low"),))
    approve(cast, done)
    refused(cast, done, "frozen")


def classify(**members: Any) -> FlagClassify:
    info = flags.flag(FLAG).info
    return FlagClassify(**{
        "flag": FLAG, "flag_type": info.type, "tags": info.tags, "tier": info.tier, "owner": info.owner, **members,
    })  # fmt: skip


def test_a_reason_that_came_to_be_asked_for_is_asked_for_at_the_apply(db: str) -> None:
    cast = story()
    ruled(cast, PolicyRules(approvals=1))
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(), title="Launch"
    )
    ruled(cast, ONE)
    approve(cast, done)
    refused(cast, done, "no-reason")


def test_rules_hold_for_their_kind_of_change_and_no_other(db: str) -> None:
    cast = story()
    high = Rule(name="High risk", when=When(tiers=("high",)), demand=Demand(approvals=2))
    wide = Rule(name="Wide", when=When(rollout_above=50), demand=Demand(requires_ticket=True))
    ruled(cast, replace(ONE, rules=(high, wide)))
    done = requested(cast, launch(50))
    approve(cast, done)
    apply(cast, done)
    with pytest.raises(Conflict, match="asks for a ticket"):
        requested(cast, (StrategyAdd(flag=FLAG, strategy=rollout(51)),))
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, tier="high")
    off = requested(cast, (FlagDisable(flag=FLAG),))
    approve(cast, off)
    assert lacks(cast, off) == ("One approval is missing.",)
    refused(cast, off, "not-approved")
    approve(cast, off, by=cast.second)
    apply(cast, off)


def test_nobody_dodges_a_rule_by_retagging_the_flag(db: str) -> None:
    cast = story()
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, tier="high", tags=("payments",))
    rules = (
        Rule(name="High risk", when=When(tiers=("high",), rollout_above=20), demand=Demand(approvals=2)),
        Rule(name="Payments", when=When(tags=("payments",)), demand=Demand(requires_ticket=True)),
    )
    ruled(cast, replace(ONE, rules=rules))
    for less in ({"tier": "low"}, {"tags": ()}):
        with pytest.raises(Conflict, match="would ask for less of changes") as held:
            update_flag(actor=cast.dev, at=cast.at, key=FLAG, **less)  # type: ignore[arg-type]  # one at a time
        assert held.value.code == "policy-asks"
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, tags=("payments", "web"), description="Adds nothing but a tag.")
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=(classify(tier="low"),),
        title="Lower", reason="It is small.", tickets=("SHOP-1",),
    )  # fmt: skip
    approve(cast, done)
    refused(cast, done, "not-approved")
    approve(cast, done, by=cast.second)
    apply(cast, done)
    assert flags.flag(FLAG).info.tier == "low"
    with pytest.raises(Invalid):
        requested(cast, (classify(tier="huge"),))


def test_a_policy_is_changed_with_what_all_its_rules_ask_for(db: str) -> None:
    cast = story()
    night = Rule(name="Wide", when=When(rollout_above=90), demand=Demand(approvals=2))
    ruled(cast, replace(ONE, rules=(night,)))
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=ONE),), title="Without the rule", reason="Too slow.",
    )  # fmt: skip
    approve(cast, done)
    with pytest.raises(Conflict, match="1 of 2 approvals"):
        door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    approve(cast, done, by=cast.second)
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    assert policy("shop", "production").rules.rules == ()
    assert last_entry("change_request.applied")["detail"]["weakened"] is True


def test_a_weaker_policy_waits_for_its_delay_and_a_stricter_one_does_not(db: str) -> None:
    cast = story()
    ruled(cast, replace(ONE, delay_hours=24))
    assert last_entry("change_request.applied")["detail"]["weakened"] is False
    ruled(cast, replace(ONE, approvals=2, delay_hours=24))
    assert policy("shop", "production").approvals == 2
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=replace(ONE, delay_hours=24)),), title="Less", reason="Holidays.",
    )  # fmt: skip
    approve(cast, done)
    approve(cast, done, by=cast.second)
    with pytest.raises(Conflict, match="takes effect 1 day after its last approval") as held:
        door.apply(actor=cast.admin, at=cast.later(hours=23), request_id=done.request.id)
    assert held.value.code == "policy-delay"
    door.apply(actor=cast.admin, at=cast.later(hours=24), request_id=done.request.id)
    assert policy("shop", "production").approvals == 1


def test_where_nothing_is_asked_a_weaker_policy_still_waits(db: str) -> None:
    cast = story()
    strict = PolicyRules(requires_reason=True, delay_hours=24)
    ruled(cast, strict, environment="staging")
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="staging",
        operations=(PolicySet(rules=PolicyRules()),), title="Less", reason="x",
    )  # fmt: skip
    assert (done.applied, done.request.status) == (None, "approved")
    with pytest.raises(Conflict, match="takes effect"):
        door.apply(actor=cast.admin, at=cast.later(hours=1), request_id=done.request.id)
    door.apply(actor=cast.admin, at=cast.later(hours=25), request_id=done.request.id)


@pytest.mark.parametrize(
    ("rules", "match"),
    [
        (PolicyRules(approvals=1, further=Demand(each_group=("grp_x",))), "no such group"),
        (PolicyRules(approvals=1, further=Demand(approvers=(Approvers(roles=("chief",)),))), "no such role"),
        (PolicyRules(approvals=1, further=Demand(progression=(Progression(environment="qa"),))), "comes here from"),
        (
            PolicyRules(
                approvals=1, rules=(Rule(name="x", when=When(flag_types=("odd",)), demand=Demand(requires_tests=True)),)
            ),
            "no such flag type",
        ),
        (
            PolicyRules(
                approvals=1, rules=(Rule(name="x", when=When(operations=("odd",)), demand=Demand(requires_tests=True)),)
            ),
            "no such operation",
        ),
    ],
)
def test_what_a_policy_names_must_exist(db: str, rules: PolicyRules, match: str) -> None:
    cast = story()
    with pytest.raises(Invalid, match=match):
        ruled(cast, rules)


def test_a_policy_that_nobody_could_meet_says_so_before_it_is_decided(db: str) -> None:
    cast = story()
    empty = team(cast, "Nobody yet")
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=5, further=Demand(each_group=(empty,)))),),
        title="Many", reason="Safety.",
    )  # fmt: skip
    assert done.request.warnings == (
        "Policy: every change: 5 approvals asked for, but only 2 people could give one in production now.",
        "Policy: every change: nobody in the group Nobody yet could approve in production now.",
    )


def test_a_policy_without_rules_reads_no_flags_to_be_judged(db: str) -> None:
    cast = story()
    done = requested(cast, (FlagEnable(flag=FLAG),))
    with CaptureQueriesContext(connection) as plain:
        policy_for(done.request, at=cast.at)
    assert len(plain) <= 2
    assert not any("flags_" in query["sql"] for query in plain)


def test_twenty_rules_cost_no_more_queries_than_one(db: str) -> None:
    cast = story()
    counted = []
    for number in (1, 20):
        made = tuple(
            Rule(name=f"Rule {n}", when=When(tags=(f"tag{n}",)), demand=Demand(approval_hours=24))
            for n in range(number)
        )
        ruled(cast, replace(ONE, rules=made))
        done = requested(cast, launch(10))
        with CaptureQueriesContext(connection) as captured:
            assert policy_for(done.request, at=cast.at).demand.approval_hours == APPROVAL_HOURS
        counted.append(len(captured))
    assert counted[0] == counted[1]


HIGH = Rule(name="High risk", when=When(tiers=("high",)), demand=Demand(approvals=2))


def highly(cast: Story, *contents: Operation) -> None:
    """The flag is of high risk in production, where changes of such flags take two approvals, and has ``contents``."""
    if contents:
        done = requested(cast, contents)
        approve(cast, done)
        apply(cast, done)
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, tier="high")
    ruled(cast, replace(ONE, rules=(HIGH,)))


def takes_two(cast: Story, operations: Sequence[Operation]) -> None:
    said = preview(actor=cast.dev, at=cast.at, project="shop", environment="production", operations=operations)
    assert said.policy.required == 2
    done = requested(cast, operations)
    approve(cast, done)
    refused(cast, done, "not-approved")
    approve(cast, done, by=cast.second)
    apply(cast, done)


def test_nobody_dodges_a_rule_about_a_flag_by_its_segment(db: str) -> None:
    cast = story()
    for key in ("beta", "spare"):
        create_segment(actor=cast.dev, at=cast.at, project="shop", key=key, name=key)
    sweden = (Constraint(context_name="country", operator="IN", values=("SE",)),)
    highly(
        cast,
        *(SegmentSet(segment=key, constraints=sweden) for key in ("beta", "spare")),
        StrategyAdd(flag=FLAG, strategy=replace(rollout(100), segments=("beta",))),
        FlagEnable(flag=FLAG),
    )
    wider = (Constraint(context_name="country", operator="IN", values=("SE", "NO")),)
    takes_two(cast, (SegmentSet(segment="beta", constraints=wider),))
    done = requested(cast, (SegmentSet(segment="spare", constraints=wider),))
    approve(cast, done)
    apply(cast, done)  # nothing of high risk uses this one


def test_nobody_dodges_a_rule_about_a_flag_by_the_flag_that_it_depends_on(db: str) -> None:
    cast = story()
    parent = StrategyAdd(flag="old-banner", strategy=rollout(100))
    highly(cast, parent, DependencySet(flag=FLAG, dependency=Dependency(flag="old-banner")), *launch(100))
    takes_two(cast, (FlagEnable(flag="old-banner"),))
    update_flag(actor=cast.dev, at=cast.at, key="old-banner", tier="low")  # says nothing of what depends on it
    done = kill(
        actor=cast.dev, at=cast.at, project="shop", environment="production", flag="old-banner", now=lambda: cast.at
    )
    assert done.applied.request.mode == "standard"
