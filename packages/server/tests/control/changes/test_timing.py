"""Claims: what is scheduled applies once, not before its time, and only with all that an apply by hand would need."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError
from ensign.control.access import people
from ensign.control.access.grants import end
from ensign.control.access.queries import grants
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries, timing
from ensign.control.changes.domain.content_operations import VariantsSet
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    config,
    last_entry,
    launch,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)


def read(cast: Story, done: door.Proposed) -> ChangeRequest:
    return queries.request(done.request.id, reader=cast.dev.id).request


def scheduled(cast: Story, *, minutes: float = 60, approved: bool = True) -> door.Proposed:
    """The launch of the flag, approved, for an hour later."""
    done = requested(cast, launch(10))
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(minutes=minutes))
    if approved:
        approve(cast, done)
    return done


def applied_count() -> int:
    return Entry.objects.filter(action="change_request.applied").count()


def test_it_applies_at_its_time_and_not_before_and_once(db: str) -> None:
    cast = story()
    done = scheduled(cast)
    assert read(cast, done).status == "scheduled"
    assert timing.tick(at=cast.later(minutes=59, seconds=59)) == 0
    assert not config().enabled
    assert timing.tick(at=cast.later(minutes=61)) == 1
    assert timing.tick(at=cast.later(minutes=61)) == 0
    after = read(cast, done)
    assert after.status == "applied"
    assert after.schedule is not None
    assert after.schedule.state == "done"
    assert config().enabled
    assert applied_count() == 1
    entry = last_entry("change_request.applied")
    assert entry["actor"]["id"] == "sys_scheduler"
    assert entry["detail"]["scheduled"]["by"] == cast.dev.id
    assert entry["detail"]["scheduled"]["late_seconds"] == 60
    assert entry["ts"] >= entry["detail"]["scheduled"]["at"]
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_setting_a_time_keeps_approvals_and_editing_ends_both(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    approve(cast, done)
    timed = door.schedule(actor=cast.approver, at=cast.at, request_id=done.request.id, when=cast.later(hours=1))
    assert timed.request.status == "scheduled"
    assert len(timed.request.approvals) == 1
    edited = door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, title="Another title")
    assert edited.request.status == "in_review"
    assert edited.request.schedule is None
    assert timing.tick(at=cast.later(hours=2)) == 0
    assert not config().enabled


def test_nobody_applies_what_waits_for_its_time_by_hand(db: str) -> None:
    cast = story()
    done = scheduled(cast)
    with pytest.raises(Conflict) as refused:
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert refused.value.code == "not-due"
    door.unschedule(actor=cast.other, at=cast.at, request_id=done.request.id)
    assert read(cast, done).status == "approved"
    assert door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id).request.status == "applied"
    assert timing.tick(at=cast.later(hours=2)) == 0


def failing(cast: Story, done: door.Proposed, at: datetime) -> ChangeRequest:
    """The request after a beat that could not apply it; a second beat writes nothing more."""
    assert timing.tick(at=at) == 0
    size = Entry.objects.count()
    assert timing.tick(at=at + timedelta(minutes=1)) == 0
    assert Entry.objects.count() == size
    found = read(cast, done)
    assert found.schedule is not None
    assert found.schedule.state == "failed"
    assert found.schedule.problem
    assert last_entry("change_request.schedule_failed")["detail"]["request"] == found.id
    assert rows_equal_the_log()
    return found


def test_without_its_approvals_it_fails_and_says_so(db: str) -> None:
    cast = story()
    done = scheduled(cast, approved=False)
    found = failing(cast, done, cast.later(hours=1))
    assert found.status == "in_review"
    assert "0 of 1 approvals" in found.schedule.problem
    assert not config().enabled


def test_after_a_failure_it_is_scheduled_anew_or_sent_back(db: str) -> None:
    cast = story()
    done = scheduled(cast, approved=False)
    failing(cast, done, cast.later(hours=1))
    approve(cast, done)
    assert read(cast, done).status == "approved"
    door.schedule(actor=cast.dev, at=cast.later(hours=1), request_id=done.request.id, when=cast.later(hours=2))
    assert timing.tick(at=cast.later(hours=2)) == 1
    assert config().enabled


def test_an_approval_that_expires_before_is_announced_and_then_fails(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    approve(cast, done)
    timed = door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(days=8))
    assert [given.person for given in timed.lapsing] == [cast.approver.id]
    assert "expired" in failing(cast, done, cast.later(days=8)).schedule.problem  # type: ignore[union-attr]  # asserted in failing


def test_a_conflict_found_at_the_time_fails(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    approve(cast, done)
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(hours=1))
    other = requested(cast, widen(20), author=cast.other)
    approve(cast, other)
    door.apply(actor=cast.other, at=cast.at, request_id=other.request.id)
    assert failing(cast, done, cast.later(hours=1)).schedule.state == "failed"  # type: ignore[union-attr]  # asserted in failing
    assert config().strategies[0].parameters["rollout"] == "20"


@pytest.mark.parametrize("lost", ["the approver", "who scheduled it"])
def test_who_lost_their_role_carries_it_no_more(db: str, lost: str) -> None:
    cast = story()
    done = scheduled(cast)
    person = cast.approver if lost == "the approver" else cast.dev
    for grant in grants(subject=person.id):
        end(actor=cast.admin, at=cast.at, grant_id=grant.id)
    failing(cast, done, cast.later(hours=1))
    assert not config().enabled


@pytest.mark.parametrize("lost", ["the approver", "who scheduled it"])
def test_what_hangs_on_a_leaver_fails(db: str, lost: str) -> None:
    cast = story()
    done = scheduled(cast)
    person = cast.approver if lost == "the approver" else cast.dev
    people.deactivate(actor=cast.admin, at=cast.at, person_id=person.id)
    failing(cast, done, cast.later(hours=1))
    assert not config().enabled


def test_a_little_late_it_applies_and_says_how_late_but_not_an_hour_later(db: str) -> None:
    cast = story()
    scheduled(cast)
    assert timing.tick(at=cast.later(minutes=60 + 59)) == 1
    assert last_entry("change_request.applied")["detail"]["scheduled"]["late_seconds"] == 59 * 60
    again = requested(cast, (VariantsSet(flag=FLAG, variants=()), *widen(20)))
    door.schedule(actor=cast.dev, at=cast.at, request_id=again.request.id, when=cast.later(minutes=5))
    approve(cast, again)
    assert "missed" in failing(cast, again, cast.later(minutes=66)).schedule.problem  # type: ignore[union-attr]  # asserted in failing


def test_a_fault_of_the_database_is_tried_again_and_a_fault_of_ours_is_not(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = story()
    done = scheduled(cast)

    def broken(**_: object) -> None:
        raise OperationalError("gone away")

    with monkeypatch.context() as patched:
        patched.setattr(timing, "apply_request", broken)
        assert timing.tick(at=cast.later(hours=1)) == 0
    assert read(cast, done).status == "scheduled"

    def wrong(**_: object) -> None:
        raise KeyError("nobody foresaw this")

    with monkeypatch.context() as patched:
        patched.setattr(timing, "apply_request", wrong)
        assert timing.tick(at=cast.later(hours=1)) == 0
    assert failing(cast, done, cast.later(hours=1)).status == "approved"


def test_a_clock_that_goes_backwards_delays_and_never_hastens(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=cast.later(minutes=10))
    # Approved on a node whose clock is ahead of that of the worker.
    door.review(
        actor=cast.approver, at=cast.later(minutes=12), request_id=done.request.id, decision="approve",
        digest=done.request.digest,
    )  # fmt: skip
    assert timing.tick(at=cast.later(minutes=9)) == 0
    assert timing.tick(at=cast.later(minutes=-60)) == 0
    assert timing.tick(at=cast.later(minutes=10)) == 1
    assert read(cast, done).applied_at == cast.later(minutes=12)


def test_who_may_set_a_time(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    for stranger in (cast.other, cast.second, cast.viewer):
        with pytest.raises(Denied):
            door.schedule(actor=stranger, at=cast.at, request_id=done.request.id, when=cast.later(hours=1))
    for when in (cast.at, cast.later(days=91)):
        with pytest.raises(Invalid):
            door.schedule(actor=cast.dev, at=cast.at, request_id=done.request.id, when=when)
    draft = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(5), wish="draft"
    )
    with pytest.raises(Conflict):
        door.schedule(actor=cast.dev, at=cast.at, request_id=draft.request.id, when=cast.later(hours=1))
