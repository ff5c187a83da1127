"""Claims: the page of a request that ended unapplied says what became of its approvals, and how to go on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from ensign.control.changes import expiring
from ensign.control.changes import operations as door
from ensign_testkit.changing import Story, approve, launch, requested, story
from ensign_testkit.people import sign_in


def page(actor: Any, id: str) -> str:
    """The page's words, without tags."""
    content = sign_in(Client(), actor).get(f"/requests/{id}").content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content))


def end(cast: Story, done: door.Proposed, how: str) -> None:
    id, digest = done.request.id, done.request.digest
    if how == "expired":
        assert expiring.end_due(at=cast.later(days=31)) == 1
    elif how == "withdrawn":
        door.withdraw(actor=cast.dev, at=cast.later(minutes=1), request_id=id)
    else:
        door.review(
            actor=cast.second, at=cast.later(minutes=1), request_id=id, decision="reject", digest=digest, text="No."
        )


@pytest.mark.parametrize("how", ["expired", "withdrawn", "rejected"])
def test_an_approval_of_what_ended_is_not_said_to_have_been_voided_by_an_edit(db: str, how: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    end(cast, done, how)
    said = page(cast.dev, done.request.id)
    assert f"given before it was {how}" in said
    assert "edited since" not in said
    assert ("It ended by itself" in said) == (how == "expired")


def test_an_approval_that_was_sent_back_is_said_to_be_void(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    door.review(
        actor=cast.second, at=cast.later(minutes=1), request_id=done.request.id, decision="request_changes",
        digest=done.request.digest, text="5 % first.",
    )  # fmt: skip
    said = page(cast.dev, done.request.id)
    assert "no longer counts: the request was sent back since" in said
