"""Claims: the request's page comes with what changes first, keeps a time that was refused, says what lies over a time,
and lets a reviewer comment without deciding.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.test import Client
from ensign.control.changes import operations as door
from ensign.control.changes import queries, rounds
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel import clock
from ensign.control.projects.demands import Freeze
from ensign.control.projects.domain import PolicyRules
from ensign_testkit.changing import Story, approve, launch, requested, ruled, story
from ensign_testkit.people import sign_in


def browser(actor: Any) -> Client:
    return sign_in(Client(), actor)


def headings(page: str) -> list[str]:
    return [re.sub(r"<[^>]+>", "", one) for one in re.findall(r"<h2[^>]*>(.*?)</h2>", page)]


def read(cast: Story, done: door.Proposed) -> ChangeRequest:
    return queries.request(done.request.id, reader=cast.dev.id).request


def test_what_changes_comes_before_when_it_applies(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    found = headings(browser(cast.dev).get(f"/requests/{done.request.id}").content.decode())
    assert found.index("What changes") == 0
    assert found.index("Why") < found.index("When it applies") < found.index("Decide")


def test_a_time_that_is_refused_stays_in_its_field_and_the_page_says_why(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    dev, address = browser(cast.dev), f"/requests/{done.request.id}"
    for typed, why in (
        ("2020-01-01T06:30", "This time has passed"),
        ("2199-01-01T06:30", "At most 90 days ahead"),
        ("soon", "Write it like 2026-12-01 06:30"),
        ("", "Write it like 2026-12-01 06:30"),
    ):
        answer = dev.post(f"{address}/schedule", {"act": "set", "when": typed})
        page = answer.content.decode()
        assert answer.status_code == 422, typed
        assert why in page
        assert f'name="when" min="{clock.now():%Y}' in page
        assert f'value="{typed}" aria-invalid="true"' in page
        assert typed not in "".join(re.findall(r"<textarea[^>]*>(.*?)</textarea>", page)) or not typed
    assert read(cast, done).schedule is None
    assert dev.post(f"{address}/schedule", {"act": "cancel"}).status_code == 409


def test_the_timeline_says_which_time_was_set_and_taken_back(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    due = clock.now() + timedelta(hours=3)
    dev, address = browser(cast.dev), f"/requests/{done.request.id}"
    assert dev.post(f"{address}/schedule", {"act": "set", "when": f"{due:%Y-%m-%dT%H:%M}"}).status_code == 302
    assert f"set its time: {due:%Y-%m-%d %H:%M} UTC" in dev.get(address).content.decode()


def test_a_time_in_a_freeze_is_set_with_a_warning_by_page_and_api(db: str) -> None:
    cast = story()
    at = clock.now()
    begins, ends = at + timedelta(hours=1), at + timedelta(hours=5)
    freeze = Freeze(name="Release day", start=clock.text(begins), end=clock.text(ends))
    ruled(cast, PolicyRules(approvals=1, freezes=(freeze,)))
    done = requested(cast, launch())
    inside, after = at + timedelta(hours=2), at + timedelta(hours=6)
    timed = door.schedule(actor=cast.dev, at=at, request_id=done.request.id, when=inside)
    assert timed.frozen == freeze
    page = browser(cast.dev).get(f"/requests/{done.request.id}").content.decode()
    assert "It is frozen then" in page
    assert f"until {ends:%Y-%m-%d %H:%M} UTC: it would not apply" in page
    dev = browser(cast.dev)
    where = f"/api/v1/changes/{done.request.id}/schedule"
    said = dev.put(where, {"at": inside.isoformat()}, content_type="application/json").json()
    assert said["frozen"] == "Release day"
    said = dev.put(where, {"at": after.isoformat()}, content_type="application/json").json()
    assert said["frozen"] is None
    assert "It is frozen then" not in dev.get(f"/requests/{done.request.id}").content.decode()
    refused = dev.put(where, {"at": "tomorrow"}, content_type="application/json").json()
    assert refused["errors"] == [
        {"pointer": "/at", "detail": "Write a time with its zone, such as 2026-12-01T06:30:00Z."}
    ]


def test_a_reviewer_comments_on_the_whole_without_deciding(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approver, address = browser(cast.approver), f"/requests/{done.request.id}"
    assert f'value="comment" formaction="{address}/act"' in approver.get(address).content.decode()
    # What the browser sends: the fields of the form that decides, with the button of the other one.
    sent = {"act": "comment", "comment": "Looks fine, one question", "digest": done.request.digest}
    assert approver.post(f"{address}/act", sent).status_code == 302
    after = read(cast, done)
    assert (after.status, after.decisions) == ("in_review", ())
    assert "Looks fine, one question" in approver.get(address).content.decode()


def test_a_round_began_when_it_was_first_written_not_when_somebody_approved_it(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    door.edit(actor=cast.dev, at=cast.later(minutes=5), request_id=done.request.id, title="Another title")
    cast_row = queries.request(done.request.id, reader=cast.dev.id)
    assert [one.began for one in rounds.rounds(cast_row)][-1] == cast.later(minutes=5)
    approve(cast, done)
    row = queries.request(done.request.id, reader=cast.dev.id)
    assert row.request.updated_at != cast.later(minutes=5)
    assert [one.began for one in rounds.rounds(row)][-1] == cast.later(minutes=5)


def test_the_rounds_of_the_api_say_when_they_began_and_an_unknown_reviewer_is_called_unknown(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    dev = browser(cast.dev)
    (only,) = dev.get(f"/api/v1/changes/{done.request.id}/rounds").json()
    assert only["began_at"] == clock.text(cast.at)
    wish = {"reviewers": ["usr_nobody"]}
    refused = dev.put(f"/api/v1/changes/{done.request.id}/reviewers", wish, content_type="application/json")
    assert (refused.status_code, refused.json()["detail"]) == (422, "There is nobody with the id usr_nobody.")
