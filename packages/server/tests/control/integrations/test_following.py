"""Claims: every entry is told once to those whom it concerns and to nobody else; a process that dies tells it again
from where it was, and nothing twice; whoever lost access sees and gets nothing."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

from django.db import connections
from ensign.control.access.decisions import held
from ensign.control.audit.models import Entry
from ensign.control.audit.registry import actions
from ensign.control.changes import asking
from ensign.control.changes import operations as door
from ensign.control.incidents.operations import kill
from ensign.control.integrations import follower, inbox, operations
from ensign.control.integrations.domain.table import TABLE, Audience, telling
from ensign.control.integrations.models import Cursor, Notice
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_testkit.changing import FLAG, Story, launch, requested
from ensign_testkit.people import add_person


def told(action: str) -> set[str]:
    """Who was told of the last entry of an action."""
    seq = Entry.objects.filter(action=action).latest("seq").seq
    return set(Notice.objects.filter(source=f"entry:{seq}").values_list("person", flat=True))


def says(actor: Actor, cast: Story) -> list[str]:
    found = inbox.lines(held(actor, at=cast.at), at=cast.at)
    return [line.message.sentence for line in found if line.message is not None]


def test_a_submitted_request_is_told_to_who_may_approve_it_there_and_never_to_everybody(cast: Story) -> None:
    add_person("Sam Staging", "approver", project="shop", environment="staging", at=cast.at)
    add_person("Bea Elsewhere", "approver", project="bank", at=cast.at)
    requested(cast, launch())
    follower.follow(at=cast.at)
    assert told("change_request.submitted") == {cast.approver.id, cast.second.id}
    assert says(cast.approver, cast)[0].startswith("Dan Dev asks for review of “")
    assert inbox.unread(held(cast.approver, at=cast.at)) == 1
    assert inbox.unread(held(cast.viewer, at=cast.at)) == 0


def test_the_doer_is_not_told_of_their_own_act_and_authors_are_told_of_decisions(cast: Story) -> None:
    request = requested(cast, launch()).request
    door.comment(actor=cast.second, at=cast.at, request_id=request.id, text="Why 10 %?")
    door.comment(actor=cast.dev, at=cast.at, request_id=request.id, text="A small step.")
    follower.follow(at=cast.at)
    door.review(
        actor=cast.approver, at=cast.at, request_id=request.id, decision="request_changes", digest=request.digest,
        text="Smaller still",
    )  # fmt: skip
    follower.follow(at=cast.at)
    assert told("change_request.commented") == {cast.second.id}, "the author's own comment goes to the thread"
    assert told("change_request.changes_requested") == {cast.dev.id}
    assert not Notice.objects.filter(person=cast.viewer.id).exists()


def test_a_kill_switch_is_told_at_once_to_everybody_who_approves_there(cast: Story) -> None:
    done = requested(cast, launch()).request
    door.review(actor=cast.approver, at=cast.at, request_id=done.id, decision="approve", digest=done.digest)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.id)
    kill(actor=cast.dev, at=cast.at, project="shop", environment="production", flag=FLAG, now=clock.now)
    follower.follow(at=cast.at)
    assert told("change_request.applied") == {cast.approver.id, cast.second.id}
    newest = Notice.objects.filter(person=cast.second.id).latest("pk")
    assert (newest.topic, newest.urgency) == ("emergency", "urgent")


def test_following_twice_tells_nothing_twice_and_a_cursor_set_back_neither(cast: Story) -> None:
    requested(cast, launch())
    before = follower.position()
    assert follower.follow(at=cast.at) > 0
    count = Notice.objects.count()
    assert follower.follow(at=cast.at) == 0
    Cursor.objects.update(seq=before)
    follower.follow(at=cast.at)
    assert Notice.objects.count() == count
    assert follower.position() == Entry.objects.count()


def test_what_happened_while_nobody_followed_is_told_in_small_batches_without_a_gap(cast: Story) -> None:
    request = requested(cast, launch()).request
    for number in range(25):
        door.comment(actor=cast.second, at=cast.at, request_id=request.id, text=f"Comment {number}")
    assert follower.follow(at=cast.at, limit=3) >= 26
    assert Notice.objects.filter(person=cast.dev.id).count() == 25


def test_of_two_that_follow_at_once_one_moves_the_cursor(cast: Story) -> None:
    requested(cast, launch())
    start = follower.position()
    assert follower._keep([], [], start=start, end=start + 1)
    assert not follower._keep([], [], start=start, end=start + 1)
    assert follower.position() == start + 1


#: Tells what is in the database, and is killed right before the commit.
DIES = """
import json, os, signal, sys
import django
django.setup()
from datetime import datetime
from django.db import connections
from ensign.control.integrations import follower
from ensign.control.integrations.models import Notice
task = json.loads(sys.argv[1])
connections["default"].settings_dict.update(task["database"])
real = Notice.objects.bulk_create
def create(*rows, **how):
    real(*rows, **how)
    os.kill(os.getpid(), signal.SIGKILL)
follower.Notice.objects.bulk_create = create
follower.follow(at=datetime.fromisoformat(task["at"]))
"""


def test_who_is_killed_in_the_middle_of_telling_leaves_nothing_half_told(cast: Story) -> None:
    requested(cast, launch())
    settings: dict[str, Any] = connections["default"].settings_dict
    database = {key: settings[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    task = json.dumps({"at": cast.at.isoformat(), "database": database})
    died = subprocess.run([sys.executable, "-c", DIES, task], env=os.environ, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert Notice.objects.count() == 0
    follower.follow(at=cast.at)
    assert told("change_request.submitted") == {cast.approver.id, cast.second.id}


def test_who_lost_access_no_longer_sees_what_they_were_told(cast: Story) -> None:
    requested(cast, launch())
    follower.follow(at=cast.at)
    assert inbox.unread(held(cast.approver, at=cast.at)) == 1
    rights = held(cast.approver, at=cast.at)
    gone = type(rights)(actor=rights.actor, at=rights.at, grants=())
    assert inbox.unread(gone) == 0
    assert inbox.lines(gone, at=cast.at) == []


def test_an_inbox_is_ones_own(cast: Story) -> None:
    requested(cast, launch())
    follower.follow(at=cast.at)
    theirs = Notice.objects.get(person=cast.approver.id)
    assert inbox.mark(held(cast.viewer, at=cast.at), at=cast.at, ids=[theirs.pk]) == 0
    assert inbox.mark(held(cast.approver, at=cast.at), at=cast.at, ids=[theirs.pk]) == 1
    assert inbox.unread(held(cast.approver, at=cast.at)) == 0


def test_every_action_of_the_table_that_is_registered_has_words_that_can_be_said() -> None:
    for action, row in TABLE.items():
        assert row.to, action
        assert row.words.format(title="t", place="p", what="w") != ""
        assert telling(action) is row
    assert operations.actions.DISABLED.code in TABLE
    assert {"change_request.submitted", "access_request.opened", "integration.disabled"} <= set(TABLE) & set(actions())


def test_reviewers_are_never_everybody() -> None:
    assert Audience.REVIEWERS in TABLE["change_request.submitted"].to
    assert Audience.APPROVERS not in TABLE["change_request.submitted"].to


def test_who_is_asked_later_is_told_then_and_nobody_else_again(cast: Story) -> None:
    request = requested(cast, launch()).request
    follower.follow(at=cast.at)
    asking.ask_reviewers(actor=cast.dev, at=cast.at, request_id=request.id, reviewers=[cast.second.id])
    follower.follow(at=cast.at)
    assert told("change_request.reviewers_asked") == {cast.second.id}


def test_everything_that_the_table_tells_of_can_happen() -> None:
    """Every part names its actions as the table does."""
    importlib.import_module("ensign.urls")  # which brings every part in
    assert set(TABLE) <= set(actions())
