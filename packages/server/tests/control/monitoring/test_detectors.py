"""Claims: each detector finds what it is for, and finds nothing in quiet data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.control.identity.rules import Rules as SignInRules
from ensign.control.monitoring.domain import detectors
from ensign.control.monitoring.domain.facts import Fact, fact_of
from ensign.control.monitoring.domain.rules import OFFICE, Rules
from ensign.control.projects.demands import Hours
from hypothesis import given
from hypothesis import strategies as st

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = Rules(off=())
ANN, BOB, CEM = "usr_ann", "usr_bob", "usr_cem"


def change(seq: int = 1, *, at: datetime = MONDAY, author: str = ANN, flags: int = 1, **more: Any) -> Fact:
    """A change of production that applied after Bob's approval."""
    given = {
        "actor": author, "kind": "person", "via": "session", "project": "shop", "environment": "production",
        "approvers": (BOB,), "mode": "request", "protected": True,
        "content": frozenset(f"flag_config:{seq}-{n}" for n in range(flags)), **more,
    }  # fmt: skip
    return Fact(seq=seq, at=at, action="change_request.applied", author=author, **given)


def said(seq: int = 1, action: str = "change_request.approved", *, actor: str = BOB, **more: Any) -> Fact:
    return Fact(seq=seq, at=MONDAY, action=action, actor=actor, kind="person", via="session", **more)


def test_a_change_at_night_is_off_hours_and_one_at_noon_is_not() -> None:
    night = change(at=MONDAY.replace(hour=3))
    found = detectors.off_hours(night, rules=RULES)
    assert found is not None
    assert (found.subject, found.severity, found.evidence, found.caused_by) == (ANN, "low", (1,), {ANN})
    assert detectors.off_hours(change(), rules=RULES) is None


def test_hours_are_those_of_the_project_and_its_zone() -> None:
    oslo = Hours(days=(0,), start=9 * 60, end=17 * 60, zone="Europe/Oslo")
    rules = Rules(project_hours={"shop": oslo})
    assert detectors.off_hours(change(at=MONDAY.replace(hour=16, minute=30)), rules=rules) is not None
    assert detectors.off_hours(change(at=MONDAY.replace(hour=8, minute=30)), rules=rules) is None
    assert detectors.off_hours(change(at=MONDAY.replace(hour=16, minute=30)), rules=RULES) is None


@pytest.mark.parametrize(
    "quiet",
    [
        {"mode": "standard"}, {"mode": "plan"}, {"mode": "break-glass"}, {"protected": False}, {"via": "system"},
    ],
)  # fmt: skip
def test_kills_plans_emergencies_and_unprotected_environments_are_not_off_hours(quiet: dict[str, Any]) -> None:
    assert detectors.off_hours(change(at=MONDAY.replace(hour=3), **quiet), rules=RULES) is None


@given(st.integers(0, 60 * 24 * 7 - 1))
def test_off_hours_is_exactly_what_the_hours_do_not_cover(minute: int) -> None:
    at = MONDAY.replace(hour=0) + timedelta(minutes=minute)
    assert (detectors.off_hours(change(at=at), rules=RULES) is None) == OFFICE.covers(at)


def test_one_request_that_touches_many_flags_is_a_mass_change() -> None:
    found = detectors.mass_change(change(flags=20), earlier=[], rules=RULES)
    assert found is not None
    assert found.facts == {"flags": 20, "minutes": 10}
    assert detectors.mass_change(change(flags=19), earlier=[], rules=RULES) is None


def test_many_requests_of_one_author_in_minutes_are_a_mass_change_with_all_of_them_as_evidence() -> None:
    earlier = [change(n, at=MONDAY - timedelta(minutes=9), flags=5) for n in range(1, 4)]
    found = detectors.mass_change(change(9, flags=5), earlier=earlier, rules=RULES)
    assert found is not None
    assert found.evidence == (1, 2, 3, 9)


@pytest.mark.parametrize(
    "other",
    [
        {"at": MONDAY - timedelta(minutes=11)}, {"author": CEM}, {"environment": "staging"}, {"project": "bank"},
        {"mode": "standard"}, {"protected": False},
    ],
)  # fmt: skip
def test_what_is_older_by_others_or_elsewhere_does_not_add_up(other: dict[str, Any]) -> None:
    earlier = [change(n, flags=5, **other) for n in range(1, 4)]
    assert detectors.mass_change(change(9, flags=5), earlier=earlier, rules=RULES) is None


def test_the_same_flag_changed_often_is_one_flag() -> None:
    same = frozenset({"flag_config:one"})
    earlier = [change(n, content=same) for n in range(1, 30)]
    assert detectors.mass_change(change(30, content=same), earlier=earlier, rules=RULES) is None


def test_somebody_not_seen_for_long_is_rare_once_the_log_is_old_enough() -> None:
    old = MONDAY - timedelta(days=200)
    assert detectors.rare_actor(change(), seen=False, log_since=old, rules=RULES) is not None
    assert detectors.rare_actor(change(), seen=True, log_since=old, rules=RULES) is None
    assert detectors.rare_actor(change(), seen=False, log_since=MONDAY - timedelta(days=30), rules=RULES) is None
    assert detectors.rare_actor(change(), seen=False, log_since=None, rules=RULES) is None


@pytest.mark.parametrize(
    ("operations", "weakened", "severity"),
    [
        (["policy.set"], False, "medium"), (["policy.set"], True, "high"), (["policy.set"], ["approvals"], "high"),
        (["environment.protect"], False, "medium"), (["environment.unprotect"], False, "high"),
    ],
)  # fmt: skip
def test_every_policy_change_is_told_and_a_weaker_one_is_pressing(
    operations: list[str], weakened: object, severity: str
) -> None:
    found = detectors.policy_change(change(detail={"operations": operations, "weakened": weakened}))
    assert found is not None
    assert found.severity == severity
    assert found.caused_by == {ANN, BOB}  # who approved the policy does not judge the alert either


def test_a_change_of_flags_is_no_policy_change() -> None:
    assert detectors.policy_change(change(detail={"operations": ["flag.enable"]})) is None


def test_an_approval_within_seconds_or_unopened_is_hasty() -> None:
    early = MONDAY - timedelta(seconds=9)
    late = MONDAY - timedelta(minutes=9)
    for submitted, opened in ((early, True), (late, False), (early, False), (None, False)):
        found = detectors.hasty_approval(said(), author=ANN, submitted=submitted, opened=opened, rules=RULES)
        assert found is not None
        assert found.caused_by == {ANN, BOB}
        assert found.subject == BOB
    for submitted, opened in ((late, True), (late, None), (None, None)):
        assert detectors.hasty_approval(said(), author=ANN, submitted=submitted, opened=opened, rules=RULES) is None


def pairs(there: int, back: int, *, by_others: int = 0) -> list[Fact]:
    """Ann's changes approved by Bob, Bob's by Ann, and some of each by Cem."""
    made = [(ANN, CEM), (BOB, CEM)] * by_others + [(ANN, BOB)] * there + [(BOB, ANN)] * back
    return [change(n, author=author, approvers=(by,)) for n, (author, by) in enumerate(made, start=1)]


def test_two_who_approve_only_each_other_are_told_once_there_is_enough_of_it() -> None:
    window = pairs(6, 6)
    found = detectors.reciprocal_approvals(window[0 + 5], window=window[:6], rules=RULES)
    assert found is None
    last = window[-1]
    found = detectors.reciprocal_approvals(last, window=window, rules=RULES)
    assert found is not None
    assert found.subject == f"{ANN}+{BOB}"
    assert found.caused_by == {ANN, BOB}
    assert found.facts == {"percent": 100, "each": 6}
    assert len(found.evidence) == 12


@pytest.mark.parametrize(("there", "back", "others"), [(5, 30, 0), (30, 5, 0), (6, 6, 4), (30, 0, 0)])
def test_one_sided_few_or_mixed_approvals_are_quiet(there: int, back: int, others: int) -> None:
    window = pairs(there, back, by_others=others)
    assert all(detectors.reciprocal_approvals(fact, window=window, rules=RULES) is None for fact in window)


def test_approvals_of_months_ago_do_not_count() -> None:
    window = [replace(fact, at=MONDAY - timedelta(days=31)) for fact in pairs(6, 6)]
    assert detectors.reciprocal_approvals(change(99), window=[*window, change(99)], rules=RULES) is None


@pytest.mark.parametrize(
    "fact",
    [
        said(action="break_glass.opened"), said(action="break_glass.used"), said(action="emergency.unsealed"),
        change(mode="break-glass"),
    ],
)  # fmt: skip
def test_every_way_round_approval_is_told(fact: Fact) -> None:
    found = detectors.break_glass(fact)
    assert found is not None
    assert found.severity == "high"


def test_an_ordinary_change_and_a_kill_are_no_emergency() -> None:
    assert detectors.break_glass(change()) is None
    assert detectors.break_glass(change(mode="standard")) is None


STRICT = SignInRules(local="nobody", factor="everybody", passkeys=True, networks=("192.0.2.0/24",))


@pytest.mark.parametrize(
    ("after", "less"),
    [
        (SignInRules(), ("local", "factor", "passkeys", "networks")),
        (replace(STRICT, factor="powerful"), ("factor",)),
        (replace(STRICT, local="listed", listed=("usr_x",)), ("local",)),
        (replace(STRICT, networks=("192.0.2.0/24", "198.51.100.0/24")), ("networks",)),
        (STRICT, ()),
        (replace(STRICT, service_networks=("192.0.2.0/24",)), ()),
        (replace(STRICT, idle_minutes=5), ()),
    ],
)  # fmt: skip
def test_protections_of_signing_in_that_are_taken_away_are_named(after: SignInRules, less: tuple[str, ...]) -> None:
    assert detectors.lessened(STRICT, after) == less
    found = detectors.sign_in_weakened(said(action="sign_in_rules.changed"), before=STRICT, after=after)
    assert (found is not None) == bool(less)
    assert detectors.lessened(after, STRICT) == () or less == ()


def test_a_token_that_may_everything_for_long_is_wide_and_a_narrow_or_short_one_is_not() -> None:
    made = said(action="token.created")
    year, month = timedelta(days=365), timedelta(days=30)
    wide: dict[str, Any] = {"permissions": None, "project": None}
    assert detectors.wide_token(made, state=wide, lives=year, rules=RULES) is not None
    assert detectors.wide_token(made, state=wide, lives=month, rules=RULES) is None
    assert detectors.wide_token(made, state={**wide, "project": "shop"}, lives=year, rules=RULES) is None
    assert detectors.wide_token(made, state={**wide, "permissions": []}, lives=year, rules=RULES) is None
    client = said(action="client_token.created")
    assert detectors.wide_token(client, state={"projects": ["*"]}, lives=None, rules=RULES) is not None
    assert detectors.wide_token(client, state={"projects": ["shop"]}, lives=None, rules=RULES) is None


def test_drift_is_told_and_a_clean_comparison_is_not() -> None:
    assert detectors.drift(said(action="drift.checked", detail={"mismatches": 2})) is not None
    assert detectors.drift(said(action="drift.checked", detail={"mismatches": 0})) is None


def test_dulling_the_detectors_is_pressing_and_sharpening_them_is_not() -> None:
    dull = detectors.monitoring_changed(said(action="monitoring_rules.changed", detail={"dulled": ["off"]}))
    keen = detectors.monitoring_changed(said(action="monitoring_rules.changed", detail={"dulled": []}))
    assert dull is not None
    assert keen is not None
    assert (dull.severity, keen.severity) == ("high", "low")


def test_a_fact_is_read_from_an_entrys_body() -> None:
    body = {
        "seq": 7, "ts": "2026-03-02T12:00:00.000000Z", "action": "change_request.applied",
        "actor": {"kind": "person", "id": BOB, "via": "session"}, "where": {"project": "shop", "environment": "live"},
        "touch": [{"object": "flag_config:cfg_1"}, {"object": "ruleset:rul_1"}, {"object": "change_request:crq_1"}],
        "approval": {"author": ANN, "contributors": [CEM], "approvers": [{"id": BOB}], "mode": "request",
                     "protected": True},
        "detail": {"operations": ["flag.enable"]},
    }  # fmt: skip
    fact = fact_of(body)
    assert fact.applied
    assert fact.ours == {ANN, BOB, CEM}
    assert fact.content == {"flag_config:cfg_1"}
    assert fact.object_of("change_request") == "crq_1"
