"""Claims: no sequence of acts makes an incident's times contradict each other; nothing but a review by somebody else
closes an emergency; and no request, person or moment gets round the rule of emergencies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.emergency import Opening, require_break_glass
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.settings_operations import EnvironmentUnprotect
from ensign.control.incidents import emergency, states, timing
from ensign.control.incidents.emergency import Emergency
from ensign.control.incidents.states import FollowUp, Incident
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
#: A busy machine is slow to make inputs; that says nothing about what is claimed.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
minutes = some.integers(0, 600).map(lambda n: timedelta(minutes=n))


def incident(**more: object) -> Incident:
    base = Incident(
        id="inc_1", title="It fails", severity="sev2", projects=("shop",), environment="", state="open", began_at=None,
        detected_at=T0, declared_at=T0, declared_by="usr_a",
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]  # of one shape


@unhurried
@given(some.lists(some.tuples(some.sampled_from(["mitigate", "resolve", "reopen"]), minutes), max_size=12))
def test_no_sequence_of_steps_contradicts_itself(steps: list[tuple[str, timedelta]]) -> None:
    found, at = incident(), T0
    for name, later in steps:
        at += later
        try:
            found = {"mitigate": states.mitigate, "resolve": states.resolve, "reopen": states.reopen}[name](
                found, at=at
            )
        except Conflict:
            continue
        assert (found.state == "open") == (found.mitigated_at is None)
        assert (found.state == "resolved") == (found.resolved_at is not None)
        known = [one for one in (found.detected_at, found.mitigated_at, found.resolved_at) if one is not None]
        assert known == sorted(known)
        assert found.going_on == (found.state != "resolved")
        assert Incident.from_state("inc_1", found.to_state()) == found


def test_what_cannot_be_so_is_refused_by_name() -> None:
    for wrong, name in (
        ({"detected_at": T0 + timedelta(hours=1)}, "detected_at"),
        ({"began_at": T0 + timedelta(minutes=1)}, "began_at"),
        ({"projects": ()}, "projects"),
        ({"title": "x"}, "title"),
        ({"severity": "sev9"}, "severity"),
    ):
        with pytest.raises(Invalid) as refused:
            states.check(incident(**wrong), at=T0)
        assert name in refused.value.fields


def test_a_follow_up_is_done_once_and_overdue_from_the_day_after() -> None:
    todo = FollowUp(id="fup_1", text="Write a test.", owner="usr_a", due=T0.date())
    found = states.with_follow_up(incident(), todo)
    assert not todo.overdue(at=T0 + timedelta(hours=14))
    assert todo.overdue(at=T0 + timedelta(hours=15))
    done = states.done(found, "fup_1", by="usr_a", at=T0)
    assert not done.follow_ups[0].overdue(at=T0 + timedelta(days=9))
    with pytest.raises(Conflict):
        states.done(done, "fup_1", by="usr_a", at=T0)
    assert Incident.from_state("inc_1", done.to_state()) == done


# --- Times --------------------------------------------------------------------------------------------


@unhurried
@given(some.lists(minutes, min_size=1, max_size=40))
def test_medians_and_tails_are_what_they_say(values: list[timedelta]) -> None:
    median, tail = timing.median(values), timing.quantile(values, 0.9)
    assert median is not None
    assert tail is not None
    assert sum(v <= median for v in values) * 2 >= len(values) <= sum(v >= median for v in values) * 2
    assert tail in values
    assert sum(v <= tail for v in values) >= 0.9 * len(values) > sum(v < tail for v in values) - 1e-9


def test_few_incidents_have_no_ninetieth_percentile_and_say_so() -> None:
    resolved = [incident(mitigated_at=T0, resolved_at=T0 + timedelta(hours=n), state="resolved") for n in range(1, 10)]
    detect, _, resolve = timing.measures([*resolved, incident()])
    assert (resolve.n, resolve.left_out, resolve.median) == (9, 1, timedelta(hours=5))
    assert resolve.p90 is None
    assert resolve.slowest == timedelta(hours=9)
    assert "Only 9" in resolve.honest
    assert (detect.n, detect.median, detect.honest) == (0, None, "Nothing to measure.")
    more = [*resolved, incident(mitigated_at=T0, resolved_at=T0 + timedelta(hours=10), state="resolved")]
    assert timing.measure(more, "resolve").p90 == timedelta(hours=9)


def test_one_in_twenty_warns_and_one_in_ten_says_redesign() -> None:
    levels = [timing.Rate(emergencies=n, changes=100).level for n in (0, 5, 6, 10, 11)]
    assert levels == ["fine", "fine", "often", "often", "redesign"]
    assert timing.Rate(emergencies=0, changes=0).level == "fine"


# --- Emergencies ---------------------------------------------------------------------------------------

PEOPLE = ("usr_ray", "usr_dan", "usr_rev")
OPERATIONS: tuple[Operation, ...] = (
    FlagEnable(flag="a"), FlagDisable(flag="b"), FlagArchive(flag="a"), EnvironmentUnprotect(),
    RampPlan(flag="a", strategy="str_1", steps=(RampStep(percent=9, hold=5), RampStep(percent=50))),
)  # fmt: skip


@unhurried
@given(
    who=some.sampled_from(PEOPLE),
    via=some.sampled_from(["session", "token"]),
    at=some.integers(-30, 120).map(lambda n: T0 + timedelta(minutes=n)),
    place=some.sampled_from([("shop", "production"), ("shop", "staging"), ("bank", "production")]),
    flags=some.sampled_from([frozenset(), frozenset({"a"}), frozenset({"a", "b"})]),
    ended=some.sampled_from([None, T0 + timedelta(minutes=30)]),
    incident_open=some.booleans(),
    belongs=some.sampled_from(["inc_1", "inc_2", None]),
    operations=some.lists(some.sampled_from(OPERATIONS), min_size=1, max_size=3),
    missing=some.booleans(),
)
def test_only_the_very_opening_covers_a_change(
    who: str, via: str, at: datetime, place: tuple[str, str], flags: frozenset[str], ended: datetime | None,
    incident_open: bool, belongs: str | None, operations: list[Operation], missing: bool,
) -> None:  # fmt: skip
    opening = Opening(
        id="bgo_1", person="usr_ray", project="shop", environment="production", flags=flags, incident="inc_1",
        incident_open=incident_open, opened_at=T0, expires_at=T0 + timedelta(hours=1), ended_at=ended,
    )  # fmt: skip
    request = ChangeRequest(
        id="crq_1", project=place[0], environment=place[1], title="", reason="", author="usr_dan",
        operations=tuple(operations), created_at=T0, updated_at=T0, incident=belongs,
    )  # fmt: skip
    actor = Actor(kind="person", id=who, via=via)  # type: ignore[arg-type]  # one of two words
    end = T0 + timedelta(hours=1) if ended is None else ended
    covered = (
        not missing
        and (who, via, place) == ("usr_ray", "session", ("shop", "production"))
        and T0 - clock.SKEW <= at < end
        and incident_open
        and belongs == "inc_1"
        and all(isinstance(one, FlagEnable | FlagDisable) for one in operations)
        and (not flags or {getattr(one, "flag", None) for one in operations} <= flags)
    )
    given_ = None if missing else opening
    if covered:
        require_break_glass(given_, request, actor, at=at)
    else:
        with pytest.raises(Denied):
            require_break_glass(given_, request, actor, at=at)


def opened(**more: object) -> Emergency:
    base = Emergency(
        id="bgo_1", version=1, person="usr_ray", project="shop", environment="production", flags=(), incident="inc_1",
        reason="It fails.", opened_at=T0, expires_at=T0 + timedelta(hours=1),
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]  # of one shape


@unhurried
@given(
    who=some.sampled_from(PEOPLE),
    via=some.sampled_from(["session", "token"]),
    at=some.integers(0, 90).map(lambda n: T0 + timedelta(minutes=n)),
    verdict=some.sampled_from(["justified", "unjustified", "process_gap", "fine"]),
    follow_up=some.sampled_from(["", "A rota."]),
)
def test_a_verdict_is_given_once_afterwards_by_somebody_who_had_no_part(
    who: str, via: str, at: datetime, verdict: str, follow_up: str
) -> None:
    found = emergency.used(opened(), request="crq_1", part=["usr_dan"])
    actor = Actor(kind="person", id=who, via=via)  # type: ignore[arg-type]  # one of two words
    said = {"verdict": verdict, "finding": "Looked at everything.", "follow_up": follow_up}
    good = (
        (who, via) == ("usr_rev", "session")
        and at >= T0 + timedelta(hours=1)
        and verdict != "fine"
        and (verdict == "justified" or follow_up != "")
    )
    try:
        done = emergency.review(found, actor, at=at, **said)
    except EnsignError:
        assert not good
        return
    assert good
    assert Emergency.from_state("bgo_1", 1, done.to_state()) == done
    with pytest.raises(Conflict):
        emergency.review(done, actor, at=at, **said)


@unhurried
@given(
    incidents=some.lists(some.sampled_from(["inc_1", "inc_2"]), max_size=4),
    reviewed=some.lists(some.booleans(), min_size=4, max_size=4),
    elsewhere=some.lists(some.booleans(), min_size=4, max_size=4),
    age=some.integers(0, 60),
)
def test_an_overdue_review_never_blocks_the_first_opening_of_an_incident(
    incidents: list[str], reviewed: list[bool], elsewhere: list[bool], age: int
) -> None:
    known = [
        opened(
            id=f"bgo_{n}", incident=name, verdict="justified" if reviewed[n] else None,
            person="usr_eva" if elsewhere[n] else "usr_ray", environment="staging" if elsewhere[n] else "production",
        )
        for n, name in enumerate(incidents)
    ]  # fmt: skip
    at = T0 + timedelta(hours=age)
    late = emergency.blocking(
        known, person="usr_ray", project="shop", environment="production", incident="inc_3", at=at
    )
    assert late is None
    late = emergency.blocking(
        known, person="usr_ray", project="shop", environment="production", incident="inc_1", at=at
    )
    near = [one for one in known if one.environment == "production"]
    extends = any(one.incident == "inc_1" for one in near)
    assert (late is not None) == (extends and age >= 24 and any(one.verdict is None for one in near))


def test_business_days_leave_out_the_week_end() -> None:
    assert emergency.after_business_days(T0, 5) == T0 + timedelta(days=7)
    assert emergency.after_business_days(T0 + timedelta(days=4), 1) == T0 + timedelta(days=7)
