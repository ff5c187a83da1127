"""Claims: a test run says only what an environment really ran; what a machine reported is told from what a person did;
the same run reported twice is one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from ensign.control.audit.models import Entry
from ensign.control.changes.domain.flag_operations import FlagDisable
from ensign.control.changes.domain.settings_operations import SegmentSet
from ensign.control.flags.domain import Constraint
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.progression.domain.runs import Subject
from ensign.control.progression.operations import report_run
from ensign.control.progression.queries import across
from ensign.control.segments.operations import create_segment
from ensign_testkit.changing import FLAG, Story, last_entry, launch, rows_equal_the_log, story, widen
from ensign_testkit.people import add_person, add_service
from ensign_testkit.progressing import RUN, brings, hours_after, reported, reporter


def staged() -> Story:
    """The flag is on in staging since the beginning."""
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    return cast


def digest_in(environment: str, cast: Story) -> str:
    found = next(
        h.digest for h in across(FLAG, project="shop", at=hours_after(cast, 1)) if h.environment == environment
    )
    assert found is not None
    return found


def test_a_service_account_reports_what_staging_runs(db: str) -> None:
    cast = staged()
    done = reported(reporter(cast), at=hours_after(cast, 1))
    assert (done.created, done.run.source, done.run.digest) == (True, "ci", digest_in("staging", cast))
    entry = last_entry("test_run.reported")
    assert entry["detail"] == {
        "run": done.run.id, "flag": FLAG, "digest": done.run.digest, "result": "passed", "source": "ci",
    }  # fmt: skip
    assert entry["where"] == {"project": "shop", "environment": "staging"}
    assert rows_equal_the_log()


def test_what_a_person_reports_is_marked_as_manual(db: str) -> None:
    cast = staged()
    assert reported(cast.dev, at=hours_after(cast, 1)).run.source == "manual"


def test_the_same_run_reported_again_is_one(db: str) -> None:
    cast = staged()
    ci = reporter(cast)
    first = reported(ci, at=hours_after(cast, 1))
    entries = Entry.objects.count()
    again = reported(ci, at=hours_after(cast, 2))
    assert (again.created, again.run) == (False, first.run)
    assert Entry.objects.count() == entries
    assert reported(ci, at=hours_after(cast, 3), result="failed").created


def test_only_who_may_report_does_and_only_where(db: str) -> None:
    cast = staged()
    for actor in (cast.viewer, cast.approver, add_service("ship", "requester", owner=cast.admin.id, at=cast.at)):
        with pytest.raises(Denied):
            reported(actor, at=hours_after(cast, 1))
    elsewhere = add_person("Eve Elsewhere", "tester", project="shop", environment="production", at=cast.at)
    with pytest.raises(Denied):
        reported(elsewhere, at=hours_after(cast, 1))


def test_a_digest_that_the_environment_never_ran_is_refused(db: str) -> None:
    cast = staged()
    with pytest.raises(Conflict, match="did not run this configuration") as caught:
        reported(reporter(cast), at=hours_after(cast, 1), digest="0" * 64)
    assert caught.value.code == "other-configuration"


def test_what_is_off_was_not_tested(db: str) -> None:
    cast = staged()
    brings(cast, (FlagDisable(flag=FLAG),), at=hours_after(cast, 1), environment="staging")
    with pytest.raises(Conflict, match="runs nothing of new-checkout now") as caught:
        reported(reporter(cast), at=hours_after(cast, 2))
    assert caught.value.code == "not-running"


def test_the_configuration_ran_all_the_time_that_the_tests_took(db: str) -> None:
    cast = staged()
    ci = reporter(cast)
    old = digest_in("staging", cast)
    brings(
        cast,
        (replace(widen(100, environment="staging")[0], strategy=_narrowed()),),  # type: ignore[type-var]  # a StrategyUpdate
        at=hours_after(cast, 2),
        environment="staging",
    )
    now = hours_after(cast, 3)
    times: dict[str, Any] = {"started": hours_after(cast, 1.5), "finished": hours_after(cast, 2.5)}
    with pytest.raises(Conflict, match="changed while the tests ran"):
        reported(ci, at=now, digest=old, **times)
    with pytest.raises(Conflict, match="changed while the tests ran"):
        reported(ci, at=now, **times)
    before: dict[str, Any] = {"started": hours_after(cast, 1), "finished": hours_after(cast, 1.5)}
    assert reported(ci, at=now, digest=old, **before).run.digest == old
    assert reported(ci, at=now, started=hours_after(cast, 2.2), finished=hours_after(cast, 2.9)).run.digest != old


def _narrowed() -> object:
    strategy = widen(100, environment="staging")[0].strategy  # type: ignore[attr-defined]  # a StrategyUpdate
    return replace(strategy, constraints=(Constraint(context_name="country", operator="IN", values=("SE",)),))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("url", "http://ci.example.com/1"),
        ("url", "javascript:alert(1)"),
        ("url", "https://user:secret@ci.example.com/1"),
        ("url", "https://"),
        ("url", 'https://ci.example.com/"onclick='),
        ("commit", "main"),
        ("result", "skipped"),
        ("name", " "),
        ("digest", "abc"),
    ],
)
def test_what_cannot_be_is_refused_by_name(db: str, field: str, wrong: str) -> None:
    cast = staged()
    with pytest.raises(Invalid) as caught:
        reported(reporter(cast), at=hours_after(cast, 1), **{field: wrong})
    assert field in caught.value.fields


@pytest.mark.parametrize(("started", "finished"), [(2.0, 0.5), (0.5, 2.0), (0.8, 0.6)])
def test_times_that_cannot_be_are_refused(db: str, started: float, finished: float) -> None:
    cast = staged()
    with pytest.raises(Invalid):
        reported(
            reporter(cast), at=hours_after(cast, 1), started=hours_after(cast, started),
            finished=hours_after(cast, finished),
        )  # fmt: skip


def test_a_clock_that_is_a_little_ahead_is_forgiven(db: str) -> None:
    cast = staged()
    at = hours_after(cast, 1)
    assert reported(reporter(cast), at=at, finished=at + timedelta(minutes=2)).created


def test_a_segment_has_runs_of_its_own(db: str) -> None:
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="paying", name="Paying")
    pro = (Constraint(context_name="plan", operator="IN", values=("pro",)),)
    brings(cast, (SegmentSet(segment="paying", constraints=pro),), at=cast.at, environment="staging")
    subject = Subject(kind="segment", key="paying")
    wish = {"project": "shop", "environment": "staging", "name": "tests", "result": "passed", "url": RUN}
    done = report_run(actor=reporter(cast), at=hours_after(cast, 1), subject=subject, **wish)  # type: ignore[arg-type]  # texts
    assert done.run.subject == subject
    assert last_entry("test_run.reported")["detail"]["segment"] == "paying"
    with pytest.raises(NotFound):
        report_run(
            actor=cast.dev,
            at=cast.at,
            subject=Subject(kind="segment", key="gone"),
            **wish,  # type: ignore[arg-type]  # texts
        )
