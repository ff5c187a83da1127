"""Claims: an alert goes from open to judged and never back; who took part does not judge it; deadlines only shrink."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid
from ensign.control.monitoring.domain import alerts
from ensign.control.monitoring.domain.alerts import EVIDENCE_MAX, Alert
from ensign.control.monitoring.domain.facts import Found
from ensign.control.monitoring.domain.kinds import SEVERITIES
from ensign.control.monitoring.domain.rules import Rules, changed, checked, dulled
from ensign.control.projects.demands import Hours
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def found(**more: Any) -> Found:
    given = {"kind": "rare-actor", "severity": "low", "subject": "usr_a", "caused_by": frozenset({"usr_a"}),
             "evidence": (3,), "project": "shop", **more}  # fmt: skip
    return Found(**given)


def alert(**more: Any) -> Alert:
    return replace(alerts.raised("alr_1", found(), at=AT, waits=7 * DAY), **more)


def judge(one: Alert, **more: Any) -> Alert:
    given = {"by": "usr_b", "at": AT, "verdict": "expected", "reason": "Planned.", "follow_up": "", "others": True}
    return alerts.triaged(one, **{**given, **more})


def test_an_alert_survives_being_stored() -> None:
    one = judge(alert(), verdict="unexpected", follow_up="INC-1")
    assert Alert.from_state("alr_1", one.to_state()) == one


def test_whoever_took_part_does_not_judge_while_anybody_else_could() -> None:
    with pytest.raises(Denied, match="somebody else judges it"):
        judge(alert(), by="usr_a")
    alone = judge(alert(), by="usr_a", others=False)
    assert (alone.status, alone.alone) == ("triaged", True)
    assert judge(alert()).alone is False


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"verdict": "maybe"}, "verdict"), ({"reason": ""}, "reason"), ({"verdict": "unexpected"}, "follow_up")],
)
def test_a_verdict_that_is_not_complete_says_what_is_missing(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        judge(alert(), **wrong)
    assert list(caught.value.fields) == [field]


def test_the_same_matter_again_adds_evidence_and_never_a_later_deadline() -> None:
    one = alert()
    more = alerts.again(
        one, found(evidence=(9,), severity="high", caused_by=frozenset({"usr_c"})), at=AT + DAY, waits=DAY
    )
    assert (more.evidence, more.count, more.severity) == ((3, 9), 2, "high")
    assert more.caused_by == ("usr_a", "usr_c")
    assert more.due_at == AT + 2 * DAY
    assert alerts.again(more, found(), at=AT + 9 * DAY, waits=7 * DAY).due_at == more.due_at


def test_lateness_is_said_once() -> None:
    one = alert()
    assert alerts.escalated(one, at=one.due_at - timedelta(seconds=1)) is None
    late = alerts.escalated(one, at=one.due_at)
    assert late is not None
    assert alerts.escalated(late, at=one.due_at + DAY) is None
    assert alerts.escalated(judge(one), at=one.due_at) is None


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["acknowledge", "triage", "escalate", "again"]),
        st.sampled_from(["usr_a", "usr_b", "usr_c"]),
        st.sampled_from(["expected", "unexpected", "maybe"]),
        st.booleans(),
        st.integers(0, 20),
    ),
    max_size=20,
)


@given(ACTS)
def test_no_sequence_of_acts_leads_back_or_lets_a_participant_judge_alone_unsaid(acts: list[Any]) -> None:
    one = alert()
    order = {"open": 0, "acknowledged": 1, "triaged": 2}
    for act, by, verdict, others, days in acts:
        before, at = one, AT + days * DAY
        try:
            match act:
                case "acknowledge":
                    one = alerts.acknowledged(one, by=by, at=at)
                case "triage":
                    one = judge(one, by=by, at=at, verdict=verdict, others=others, follow_up="INC-1")
                case "escalate":
                    one = alerts.escalated(one, at=at) or one
                case _ if one.open:
                    one = alerts.again(one, found(evidence=(days,)), at=at, waits=DAY)
        except EnsignError:
            assert one is before
        assert order[one.status] >= order[before.status]
        assert one.due_at <= before.due_at
        assert SEVERITIES.index(one.severity) <= SEVERITIES.index(before.severity)
        assert before.open or one == before
    if one.status == "triaged":
        assert one.verdict in ("expected", "unexpected")
        assert one.reason
        assert one.alone == (one.triaged_by in one.caused_by)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=400))
def test_evidence_is_bounded_and_keeps_the_first_and_the_newest(seqs: list[int]) -> None:
    one = alerts.raised("alr_1", found(evidence=tuple(seqs)), at=AT, waits=DAY)
    assert len(one.evidence) <= EVIDENCE_MAX
    assert (one.evidence[0], one.evidence[-1]) == (min(seqs), max(seqs))


def test_acknowledging_twice_is_refused() -> None:
    with pytest.raises(Conflict):
        alerts.acknowledged(alerts.acknowledged(alert(), by="usr_b", at=AT), by="usr_c", at=AT)


def test_rules_survive_being_stored_and_older_ones_read_with_defaults() -> None:
    rules = Rules(off=("drift",), project_hours={"shop": Hours(days=(0,), start=0, end=60)}, mass_flags=7)
    assert Rules.from_state(rules.to_state()) == rules
    assert Rules.from_state({}) == Rules()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Rules(mass_flags=1), "mass_flags"), (Rules(off=("drift",)), "off"), (Rules(off=("nonsense",)), "off"),
        (Rules(hours=Hours(days=(0,), start=0, end=60, zone="Nowhere/Land")), "hours"),
        (Rules(hours=Hours(days=(), start=0, end=60)), "hours"),
        (Rules(project_hours={"a": Hours(days=(0,), start=5, end=5)}), "project_hours"),
    ],
)  # fmt: skip
def test_rules_that_are_not_possible_name_the_member(wrong: Rules, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked(wrong)
    assert field in caught.value.fields


@given(st.integers(2, 500), st.integers(0, 300))
def test_a_change_of_rules_is_duller_in_one_direction_alone(flags: int, seconds: int) -> None:
    before, after = Rules(), Rules(mass_flags=flags, hasty_seconds=seconds)
    assert set(dulled(before, after)) | set(dulled(after, before)) == set(changed(before, after))
    assert not set(dulled(before, after)) & set(dulled(after, before))
