"""Claims: comments stay where they were said; asking voids nothing; what nobody applies in time ends by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from ensign import worker
from ensign.control.access import groups
from ensign.control.audit import inspect
from ensign.control.changes import asking, expiring, queries, rounds
from ensign.control.changes import operations as door
from ensign.control.changes.domain import lifecycle
from ensign.control.changes.domain.diff import keyed
from ensign.control.changes.domain.requests import ChangeRequest, Schedule
from ensign.control.changes.models import Comment, Request
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    last_entry,
    launch,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)
from ensign_testkit.people import add_person, add_service

ROLLOUT = f"{FLAG} in production › strategy 1 Gradual rollout › rollout"


def row_of(done: door.Proposed) -> ChangeRequest:
    row = Request.objects.get(pk=done.request.id)
    return ChangeRequest.from_state(row.pk, row.state)


def line(done: door.Proposed) -> str:
    (key, _), *_ = keyed(queries.effect(row_of(done)).rows)
    return key


def add_group(cast: Story, name: str, *members: str) -> str:
    """A group of these people."""
    group = groups.create(actor=cast.admin, at=cast.at, name=name)
    for member in members:
        groups.add_member(actor=cast.admin, at=cast.at, group_id=group.id, person_id=member)
    return group.id


def in_review(cast: Story, percent: int = 50) -> door.Proposed:
    live(cast, 10)
    return requested(cast, widen(percent))


def test_a_comment_on_a_line_stays_on_its_version_after_an_edit(db: str) -> None:
    cast = story()
    done = in_review(cast)
    where = door.LineOf(digest=done.request.digest, path=line(done))
    said = door.comment(actor=cast.viewer, at=cast.at, request_id=done.request.id, text="Why half?", line=where)
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=widen(25))
    (found,) = queries.comments(done.request.id)
    assert found.id == said
    assert found.anchor == queries.Anchor(round=1, digest=done.request.digest, path=where.path)
    assert found.anchor.digest != row_of(done).digest
    with pytest.raises(Conflict, match="changed since you looked"):
        door.comment(actor=cast.viewer, at=cast.at, request_id=done.request.id, text="And why?", line=where)
    assert rows_equal_the_log()


def test_a_comment_on_no_line_of_the_difference_is_refused(db: str) -> None:
    cast = story()
    done = in_review(cast)
    nowhere = door.LineOf(digest=done.request.digest, path="elsewhere")
    with pytest.raises(Invalid, match="no such line"):
        door.comment(actor=cast.viewer, at=cast.at, request_id=done.request.id, text="Here", line=nowhere)


def test_a_thread_is_replied_to_resolved_and_opened_again_by_entries_of_their_own(db: str) -> None:
    cast = story()
    done = in_review(cast)
    id_ = done.request.id
    where = door.LineOf(digest=done.request.digest, path=line(done))
    first = door.comment(actor=cast.viewer, at=cast.at, request_id=id_, text="Why?", line=where)
    reply = door.comment(actor=cast.dev, at=cast.at, request_id=id_, text="The canary was fine.", reply_to=first)
    again = door.comment(actor=cast.viewer, at=cast.at, request_id=id_, text="Good.", reply_to=reply)
    assert {c.id: c.parent for c in queries.comments(id_)} == {first: None, reply: first, again: first}
    door.resolve(actor=cast.dev, at=cast.at, request_id=id_, comment_id=reply)
    assert last_entry("change_request.thread_resolved")["detail"] == {"request": id_, "comment": first}
    assert {c.id: c.resolved_by for c in queries.comments(id_)}[first] == cast.dev.id
    with pytest.raises(Conflict, match="resolved already"):
        door.resolve(actor=cast.dev, at=cast.at, request_id=id_, comment_id=first)
    door.resolve(actor=cast.viewer, at=cast.at, request_id=id_, comment_id=first, resolved=False)
    assert {c.resolved_by for c in queries.comments(id_)} == {None}
    assert rows_equal_the_log()
    assert inspect.verify().ok


def test_a_comment_of_another_request_is_no_thread_of_this_one(db: str) -> None:
    cast = story()
    done = in_review(cast)
    other = requested(cast, widen(20))
    said = door.comment(actor=cast.dev, at=cast.at, request_id=other.request.id, text="There")
    with pytest.raises(NotFound):
        door.comment(actor=cast.dev, at=cast.at, request_id=done.request.id, text="Here", reply_to=said)
    with pytest.raises(NotFound):
        door.resolve(actor=cast.dev, at=cast.at, request_id=done.request.id, comment_id=said)


def test_a_comment_from_before_there_were_threads_is_read(db: str) -> None:
    cast = story()
    done = in_review(cast)
    door.comment(actor=cast.dev, at=cast.at, request_id=done.request.id, text="Plain")
    assert set(Comment.objects.get().state) == {"request", "author", "text", "kind", "at"}
    (found,) = queries.comments(done.request.id)
    assert (found.anchor, found.parent, found.resolved_by) == (None, None, None)


def test_asking_reviewers_voids_no_approval_and_is_an_entry(db: str) -> None:
    cast = story()
    done = in_review(cast)
    approve(cast, done)
    asked = door.ask_reviewers(
        actor=cast.dev, at=cast.at, request_id=done.request.id, reviewers=[cast.second.id, cast.viewer.id]
    )
    assert (asked.request.status, len(asked.request.approvals)) == ("approved", 1)
    assert asked.request.digest == done.request.digest
    detail = last_entry("change_request.reviewers_asked")["detail"]
    assert detail["asked"] == [cast.second.id, cast.viewer.id]
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


def test_nobody_is_asked_who_had_a_part_or_may_not_look(db: str) -> None:
    cast = story()
    done = in_review(cast)
    stranger = add_person("Stranger", at=cast.at)
    robot = add_service("robot", owner=cast.admin.id)
    empty = add_group(cast, "Empty")
    for id_, why in (
        (cast.dev.id, "had a part"),
        (stranger.id, "may not see"),
        (robot.id, "only active people and groups"),
        (empty, "nobody in it"),
        ("usr_nobody", "nobody with the id"),
    ):
        with pytest.raises(Invalid, match=why):
            door.ask_reviewers(actor=cast.dev, at=cast.at, request_id=done.request.id, reviewers=[id_])
    with pytest.raises(Invalid):
        lifecycle.ask(row_of(done), reviewers=[cast.dev.id], at=cast.at)


def test_a_group_can_be_asked_and_its_members_are_until_they_decide(db: str) -> None:
    cast = story()
    done = in_review(cast)
    group = add_group(cast, "Release managers", cast.approver.id, cast.viewer.id)
    door.ask_reviewers(actor=cast.dev, at=cast.at, request_id=done.request.id, reviewers=[group])
    assert asking.asked_of(row_of(done), cast.approver.id, [group])
    assert not asking.asked_of(row_of(done), cast.second.id, [])
    approve(cast, done)
    assert not asking.asked_of(row_of(done), cast.approver.id, [group])
    assert asking.asked_of(row_of(done), cast.viewer.id, [group])


def test_candidates_say_who_may_approve_and_suggest_who_did_lately(db: str) -> None:
    cast = story()
    done = in_review(cast)
    found = {c.id: c for c in asking.candidates(row_of(done), at=cast.at)}
    assert cast.dev.id not in found
    assert found[cast.approver.id].entitled
    assert found[cast.approver.id].why == "approved 1 change here lately"
    assert not found[cast.viewer.id].entitled
    assert found[cast.second.id].why == ""


def test_submitting_and_asking_is_one_transaction(db: str) -> None:
    cast = story()
    live(cast, 10)
    draft = door.collect(actor=cast.dev, at=cast.at, project="shop", environment="production", operations=widen(50))
    door.edit(actor=cast.dev, at=cast.at, request_id=draft.request.id, reason="Fine.")
    who = {"actor": cast.dev, "at": cast.at, "request_id": draft.request.id}
    with pytest.raises(Invalid):
        door.submit_and_ask(reviewers=[cast.dev.id], **who)  # type: ignore[arg-type]  # of one shape
    assert row_of(draft).status == "draft"
    door.submit_and_ask(reviewers=[cast.approver.id], **who)  # type: ignore[arg-type]  # of one shape
    assert (row_of(draft).status, row_of(draft).reviewers) == ("in_review", (cast.approver.id,))


def test_a_request_ends_after_its_days_by_the_clock_with_an_entry(db: str) -> None:
    cast = story()
    done = in_review(cast)
    assert done.request.expires_at == cast.at + timedelta(days=30)
    almost, due = cast.later(days=29, hours=23), cast.later(days=30)
    (task,) = [task for task in worker.TASKS if task.name == "expired requests"]
    assert task.run(almost) == 0
    assert task.run(due) == 1
    assert task.run(due) == 0
    assert row_of(done).status == "expired"
    entry = last_entry("change_request.expired")
    assert entry["actor"]["id"].startswith("sys_")
    assert entry["detail"]["request"] == done.request.id
    with pytest.raises(Conflict, match="expired"):
        door.edit(actor=cast.dev, at=due, request_id=done.request.id, title="Again")


def test_what_is_due_can_no_longer_be_approved_or_applied_also_before_the_clock_ends_it(db: str) -> None:
    cast = story()
    done = in_review(cast)
    due = cast.later(days=31)
    fresh = replace(cast.approver, mfa_at=due)
    with pytest.raises(Conflict, match="expired"):
        door.review(actor=fresh, at=due, request_id=done.request.id, decision="approve", digest=done.request.digest)
    approve(cast, done)
    with pytest.raises(Conflict, match="expired"):
        door.apply(actor=cast.dev, at=due, request_id=done.request.id)


def test_what_came_back_waits_its_full_time_again_once_resubmitted_or_edited(db: str) -> None:
    cast = story()
    done = in_review(cast)
    id_ = done.request.id
    door.review(
        actor=cast.approver, at=cast.later(days=20), request_id=id_, decision="request_changes",
        digest=done.request.digest, text="Say why.",
    )  # fmt: skip
    door.edit(actor=cast.dev, at=cast.later(days=21), request_id=id_, reason="The canary ran a week.")
    assert row_of(done).expires_at == cast.later(days=51)
    door.submit(actor=cast.dev, at=cast.later(days=22), request_id=id_)
    assert row_of(done).expires_at == cast.later(days=52)


def test_drafts_wait_for_nobody_and_what_is_scheduled_for_its_time(db: str) -> None:
    cast = story()
    live(cast, 10)
    door.collect(actor=cast.dev, at=cast.at, project="shop", environment="production", operations=widen(50))
    assert expiring.due(cast.later(days=4_000)) == []
    planned = replace(
        requested(cast, widen(20)).request,
        status="scheduled",
        schedule=Schedule(at=cast.later(days=40), by=cast.dev.id),
    )
    assert not planned.due(cast.later(days=35))
    failed = replace(planned, schedule=Schedule(at=cast.later(days=20), by=cast.dev.id, state="failed", problem="x"))
    assert failed.due(cast.later(days=35))
    assert lifecycle.expire(failed, at=cast.later(days=35)).status == "expired"


def test_one_request_that_cannot_end_keeps_no_other_open(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = story()
    first, second = in_review(cast), requested(cast, widen(20))
    monkeypatch.setattr(expiring, "due", lambda _at: ["crq_gone", first.request.id, second.request.id])
    assert expiring.end_due(at=cast.later(days=31)) == 2


def test_each_round_is_shown_as_it_was_and_what_changed_between_two(db: str) -> None:
    cast = story()
    done = in_review(cast, 50)
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=widen(25))
    row = queries.request(done.request.id, reader=cast.viewer.id)
    first, second = rounds.rounds(row)
    assert (first.number, first.request.digest) == (1, done.request.digest)
    sides = [queries.effect(one.request).rows for one in (first, second)]
    (shift,) = rounds.shifts(*sides)
    assert (shift.was and shift.was.after, shift.now and shift.now.after) == ("50 %", "25 %")
    with pytest.raises(NotFound, match="no round 9"):
        rounds.round_of(row, 9)


def test_a_stranger_to_the_project_neither_comments_nor_asks(db: str) -> None:
    cast = story()
    done = in_review(cast)
    stranger = add_person("Stranger", at=cast.at)
    with pytest.raises(Denied):
        door.comment(actor=stranger, at=cast.at, request_id=done.request.id, text="Hi")
    with pytest.raises(Denied):
        door.ask_reviewers(actor=stranger, at=cast.at, request_id=done.request.id, reviewers=[cast.approver.id])
    draft = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch()[:1], wish="draft"
    )
    with pytest.raises(NotFound):
        door.ask_reviewers(actor=cast.other, at=cast.at, request_id=draft.request.id, reviewers=[cast.approver.id])
