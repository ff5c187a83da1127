"""Hypothesis strategies: demands, conditions, rules, freezes, and the facts of changes to judge by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ensign.control.access.domain import TIERS, FlagFacts
from ensign.control.projects.demands import (
    APPROVAL_HOURS,
    Approvers,
    ChangeFacts,
    Demand,
    Freeze,
    Hours,
    Progression,
    Rule,
    When,
)
from hypothesis import strategies as st

GROUPS = ("grp_a", "grp_b", "grp_c")
ROLES = ("approver", "developer")
TYPES = ("release", "experiment", "kill-switch")
TAGS = ("payments", "web")
OPERATIONS = ("flag.enable", "strategy.update", "policy.set", "flag.classify")
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def _some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


instants = st.integers(0, 14 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
approvers = st.builds(Approvers, roles=_some(ROLES), groups=_some(GROUPS), owner=st.booleans())
demands = st.builds(
    Demand,
    approvals=st.integers(0, 3),
    approvers=st.lists(approvers, max_size=2).map(tuple),
    each_group=_some(GROUPS),
    requires_reason=st.booleans(),
    requires_ticket=st.booleans(),
    requires_tests=st.booleans(),
    signed=st.booleans(),
    approval_hours=st.sampled_from([1, 24, APPROVAL_HOURS]),
    max_step=st.none() | st.integers(1, 100),
    progression=st.lists(
        st.builds(Progression, environment=st.sampled_from(["development", "staging"]), hours=st.integers(0, 48)),
        max_size=2,
        unique_by=lambda one: one.environment,
    ).map(tuple),
)
hours = st.builds(
    Hours,
    days=st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True).map(lambda days: tuple(sorted(days))),
    start=st.integers(0, 1439),
    end=st.integers(0, 1440),
    zone=st.sampled_from(["UTC", "Europe/Stockholm", "America/New_York"]),
).filter(lambda one: one.start != one.end)
whens = st.builds(
    When,
    operations=_some(OPERATIONS),
    rollout_above=st.none() | st.integers(0, 100),
    step_above=st.none() | st.integers(0, 100),
    flag_types=_some(TYPES),
    tags=_some(TAGS),
    tiers=_some(TIERS),
    hours=st.none() | hours,
)
policy_rules = st.builds(Rule, name=st.sampled_from(["Payments", "At night", "High risk"]), when=whens, demand=demands)
_once = st.tuples(st.integers(0, 2000), st.integers(1, 500)).map(
    lambda pair: Freeze(
        name="Holidays",
        start=(MONDAY + timedelta(hours=pair[0])).isoformat(),
        end=(MONDAY + timedelta(hours=pair[0] + pair[1])).isoformat(),
    )
)
freezes = _once | st.builds(Freeze, name=st.just("Nights"), weekly=hours)
facts = st.builds(
    ChangeFacts,
    operations=st.frozensets(st.sampled_from(OPERATIONS), min_size=1, max_size=2),
    flags=st.frozensets(
        st.none()
        | st.builds(
            FlagFacts,
            type=st.sampled_from(TYPES),
            tags=st.frozensets(st.sampled_from(TAGS)),
            tier=st.sampled_from(TIERS),
        ),
        min_size=1,
        max_size=2,
    ),
    rollout=st.none() | st.integers(0, 100),
    step=st.none() | st.integers(0, 100),
    at=instants,
    classifies=st.booleans(),
)
