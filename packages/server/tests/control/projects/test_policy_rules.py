"""Claims: demands join to the strictest, conditions only add, a weakening is found, the impossible is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.control.kernel.errors import Invalid
from ensign.control.projects import policy_words as words
from ensign.control.projects.checking import check_rules
from ensign.control.projects.comparing import implies, inside, meets, weakenings, weaker
from ensign.control.projects.demands import (
    Approvers,
    ChangeFacts,
    Demand,
    Freeze,
    Hours,
    Progression,
    Rule,
    When,
    Who,
    frozen_by,
    frozen_until,
)
from ensign.control.projects.domain import PolicyRules
from ensign_testkit.change_worlds import policies
from ensign_testkit.policies import MONDAY, demands, facts, freezes, hours, instants, whens
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: Generating whole policies takes longer on a busy machine than hypothesis expects.
slowly = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
NIGHT = Hours(days=(0, 1, 2, 3, 4), start=18 * 60, end=8 * 60, zone="Europe/Stockholm")


def same(one: Demand, other: Demand) -> bool:
    """Equal, whatever the order of lists."""
    return meets(one, other) and meets(other, one) and one.required == other.required


@slowly
@given(demands, demands, demands)
def test_joining_is_associative_commutative_idempotent_and_never_weaker(a: Demand, b: Demand, c: Demand) -> None:
    assert same(a.join(b).join(c), a.join(b.join(c)))
    assert same(a.join(b), b.join(a))
    assert same(a.join(a), a)
    assert same(a.join(Demand()), a)
    assert meets(a.join(b), a)
    assert meets(a.join(b), b)


@slowly
@given(demands, demands)
def test_what_meets_both_meets_their_join(a: Demand, b: Demand) -> None:
    strong = replace(a.join(b), approvals=10)
    assert meets(strong, a)
    assert meets(strong, b)
    assert meets(strong, a.join(b))


@slowly
@given(policies, facts)
def test_a_rule_only_ever_adds_to_what_always_holds(rules: PolicyRules, change: ChangeFacts) -> None:
    found = rules.demand(change)
    assert meets(found, rules.always)
    assert meets(rules.demand(None), found)
    for rule in rules.rules:
        if rule.when.holds(change):
            assert meets(found, rule.demand)


@slowly
@given(policies, facts)
def test_a_change_of_the_policy_answers_to_all_its_rules(rules: PolicyRules, change: ChangeFacts) -> None:
    governing = replace(change, operations=frozenset({"policy.set"}))
    assert rules.demand(governing) == rules.demand(None)


@slowly
@given(policies, policies, facts)
def test_what_is_not_called_weaker_asks_for_as_much_of_every_change(
    old: PolicyRules, new: PolicyRules, change: ChangeFacts
) -> None:
    if not weaker(old, new, at=change.at):
        assert meets(new.demand(change), old.demand(change))
        assert new.delay_hours >= old.delay_hours
        if frozen_by(old.freezes, change.at):
            assert frozen_by(new.freezes, change.at)


@slowly
@given(policies, demands, instants)
def test_only_adding_is_never_called_weaker(rules: PolicyRules, more: Demand, at: datetime) -> None:
    assert weakenings(rules, rules, at=at) == ()
    assert not weaker(rules, replace(rules, further=rules.further.join(more)), at=at)
    added = Rule(name="New", when=When(), demand=more)
    assert not weaker(rules, replace(rules, rules=(*rules.rules, added)), at=at)


@slowly
@given(whens, whens, facts)
def test_a_condition_that_implies_another_holds_only_where_that_one_does(a: When, b: When, change: ChangeFacts) -> None:
    if implies(a, b) and a.holds(change):
        assert b.holds(change)


@slowly
@given(hours, hours, instants)
def test_hours_inside_others_cover_no_other_time(a: Hours, b: Hours, at: datetime) -> None:
    if inside(a, b) and a.covers(at):
        assert b.covers(at)


@slowly
@given(hours, instants)
def test_a_time_of_day_ends_when_it_says(one: Hours, at: datetime) -> None:
    if one.covers(at):
        until = one.until(at)
        assert until > at
        assert one.covers(until - timedelta(seconds=1))


@slowly
@given(st.lists(freezes, max_size=4), instants)
def test_after_the_end_of_all_freezes_in_a_row_it_is_not_frozen(windows: list[Freeze], at: datetime) -> None:
    until = frozen_until(windows, at)
    assert (until > at) is (frozen_by(windows, at) is not None)
    if until - at < timedelta(days=6):
        assert frozen_by(windows, until) is None


@slowly
@given(policies, policies)
def test_two_policies_differ_in_words_exactly_when_they_differ(old: PolicyRules, new: PolicyRules) -> None:
    assert bool(words.rows(old, new)) is (old != new)


def test_a_narrowing_admits_by_role_group_or_ownership_and_nobody_unknown() -> None:
    one = Approvers(roles=("approver",), groups=("grp_a",), owner=True)
    assert one.admits(Who(roles=frozenset({"approver"})))
    assert one.admits(Who(groups=frozenset({"grp_a"})))
    assert one.admits(Who(owner=True))
    assert not one.admits(Who())
    assert not Approvers(groups=("grp_b",)).admits(Who(roles=frozenset({"approver"}), groups=frozenset({"grp_a"})))


def test_changing_what_conditions_go_by_answers_to_both_sides_whatever_else_the_rule_says() -> None:
    high = Rule(name="High", when=When(tiers=("high",), rollout_above=50), demand=Demand(approvals=2))
    rules = PolicyRules(approvals=1, rules=(high,))
    from_high = frozenset({flag("high"), flag("low")})
    asked = ChangeFacts(operations=frozenset({"flag.classify"}), flags=from_high, rollout=0, step=0, at=MONDAY)
    assert rules.demand(asked).approvals == 1
    assert rules.demand(replace(asked, classifies=True)).approvals == 2


def flag(tier: str) -> Any:
    from ensign.control.access.domain import FlagFacts  # deferred: used here alone

    return FlagFacts("release", frozenset(), tier)


def rule(**members: Any) -> Rule:
    return Rule(name="Night", when=When(), demand=Demand(**members))


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (PolicyRules(approvals=11), "approvals"),
        (PolicyRules(approvals=1, further=Demand(approvals=11)), "further.approvals"),
        (PolicyRules(approvals=1, further=Demand(max_step=0)), "further.max_step"),
        (PolicyRules(approvals=1, further=Demand(approval_hours=0)), "further.approval_hours"),
        (PolicyRules(further=Demand(each_group=("grp_a",))), "further.approvals"),
        (PolicyRules(further=Demand(signed=True)), "further.approvals"),
        (PolicyRules(rules=(rule(approvers=(Approvers(owner=True),)),)), "rules[0].demand.approvals"),
        (PolicyRules(rules=(rule(),)), "rules[0].demand"),
        (PolicyRules(rules=(rule(approvals=1),) * 2), "rules[1].name"),
        (PolicyRules(rules=tuple(replace(rule(approvals=1), name=str(n)) for n in range(21))), "rules"),
        (PolicyRules(rules=(Rule(name="", when=When(), demand=Demand(approvals=1)),)), "rules[0].name"),
        (
            PolicyRules(rules=(Rule(name="x", when=When(tiers=("huge",)), demand=Demand(approvals=1)),)),
            "rules[0].when.tiers",
        ),
        (
            PolicyRules(rules=(Rule(name="x", when=When(rollout_above=101), demand=Demand(approvals=1)),)),
            "rules[0].when.rollout_above",
        ),
        (
            PolicyRules(freezes=(Freeze(name="f", weekly=Hours(days=(0,), start=0, end=60, zone="Mars/Base")),)),
            "freezes[0].weekly.zone",
        ),
        (PolicyRules(freezes=(Freeze(name="f", weekly=Hours(days=(), start=0, end=60)),)), "freezes[0].weekly.days"),
        (PolicyRules(freezes=(Freeze(name="f", weekly=Hours(days=(0,), start=60, end=60)),)), "freezes[0].weekly.end"),
        (PolicyRules(freezes=(Freeze(name="f", start="2026-12-20", end="2027-01-01T00:00:00Z"),)), "freezes[0].start"),
        (
            PolicyRules(freezes=(Freeze(name="f", start="2026-12-20T00:00:00Z", end="2026-12-19T00:00:00Z"),)),
            "freezes[0].end",
        ),
        (
            PolicyRules(freezes=(Freeze(name="f", start="2026-01-01T00:00:00Z", end="2026-12-19T00:00:00Z"),)),
            "freezes[0].end",
        ),
        (
            PolicyRules(freezes=(Freeze(name="f", weekly=Hours(days=tuple(range(7)), start=0, end=1440)),)),
            "freezes",
        ),
        (PolicyRules(request_days=0), "request_days"),
        (PolicyRules(delay_hours=721), "delay_hours"),
        (PolicyRules(delay_hours=24, further=Demand(approval_hours=24)), "delay_hours"),
        (
            PolicyRules(
                approvals=1,
                further=Demand(
                    progression=(Progression(environment="staging"), Progression(environment="staging", hours=2))
                ),
            ),
            "further.progression",
        ),
    ],
)
def test_what_cannot_stand_is_refused_and_named(rules: PolicyRules, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_rules(rules, protected=False)
    assert refused.value.fields.keys() == {field}


def test_a_protected_environment_needs_approvals_or_a_compensating_control() -> None:
    with pytest.raises(Invalid):
        check_rules(PolicyRules(), protected=True)
    assert check_rules(PolicyRules(further=Demand(approvals=1)), protected=True).always.required == 1


def test_the_canonical_form_says_nothing_twice_and_times_in_utc() -> None:
    made = check_rules(
        PolicyRules(
            approvals=1,
            further=Demand(approvers=(Approvers(), Approvers(roles=("a", "a"))), each_group=("grp_a", "grp_a")),
            freezes=(Freeze(name=" Year's end ", start="2026-12-20T01:00:00+01:00", end="2027-01-02T00:00:00Z"),),
        ),
        protected=True,
    )
    assert made.further.approvers == (Approvers(roles=("a",)),)
    assert made.further.each_group == ("grp_a",)
    assert (made.freezes[0].name, made.freezes[0].start) == ("Year's end", "2026-12-20T00:00:00.000000Z")
    assert check_rules(made, protected=True) == made


def test_a_policy_reads_as_sentences() -> None:
    rules = PolicyRules(
        approvals=2,
        further=Demand(approvers=(Approvers(groups=("grp_a",), owner=True),), max_step=25),
        rules=(Rule(name="At night", when=When(hours=NIGHT, tiers=("high",)), demand=Demand(requires_ticket=True)),),
        freezes=(
            Freeze(name="Year's end", start="2026-12-20T00:00:00.000000Z", end="2027-01-02T00:00:00.000000Z"),
            Freeze(name="Weekend", weekly=Hours(days=(5, 6), start=0, end=1440)),
        ),
        delay_hours=24,
    )
    assert words.members(rules, {"grp_a": "Payments"}) == {
        "approvals": "2 approvals by other people",
        "who may approve": "somebody in Payments or the flag's owner",
        "largest rollout step": "25 percentage points",
        "rule “At night”": "when the flag's risk tier is high and it is Monday to Friday from 18:00 to 08:00"
        " (Europe/Stockholm): ticket: must be named",
        "freeze “Year's end”": "from 2026-12-20 00:00 UTC to 2027-01-02 00:00 UTC",
        "freeze “Weekend”": "every week Saturday and Sunday, all day (UTC)",
        "a change of this policy takes effect": "1 day after its last approval",
    }


def test_a_weakening_is_said_in_words() -> None:
    old = PolicyRules(approvals=2, rules=(rule(requires_ticket=True),), delay_hours=24)
    found = weakenings(old, PolicyRules(approvals=1), at=datetime(2026, 1, 1, tzinfo=UTC))
    assert found == ("fewer approvals", "rule “Night”: no ticket", "changes of the policy take effect sooner")
