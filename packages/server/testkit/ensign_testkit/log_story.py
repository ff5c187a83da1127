"""A story in the log: a change that four eyes brought to production, a refusal, and who may read what of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from ensign.control.changes import operations as door
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied

from ensign_testkit.changing import Story, approve, launch, requested, story, widen
from ensign_testkit.people import add_person, give, sign_in
from ensign_testkit.targets import shop


@dataclass(frozen=True)
class LogStory:
    """The story, the entry that applied the change, its request, and further readers."""

    cast: Story
    applied: int
    request: str
    auditor: Actor
    nobody: Actor
    elsewhere: Actor

    def client(self, actor: Actor) -> Client:
        """A browser in which ``actor`` is signed in."""
        return sign_in(Client(), actor)


def log_story() -> LogStory:
    """Bring the flag to 50 % in production, with an approval of one's own refused on the way."""
    cast = story()
    shop("other-flag", project="books")
    first = requested(cast, launch(10))
    approve(cast, first)
    door.apply(actor=cast.dev, at=cast.at, request_id=first.request.id)
    second = requested(cast, widen(50))
    with pytest.raises(Denied):
        approve(cast, second, by=cast.dev)
    approve(cast, second)
    done = door.apply(actor=cast.dev, at=cast.at, request_id=second.request.id)
    elsewhere = add_person("Ben Books", at=cast.at)
    give(elsewhere.id, "viewer", project="books")
    return LogStory(
        cast,
        done.seq,
        second.request.id,
        add_person("Audi Auditor", "auditor", at=cast.at),
        add_person("Nora Nobody", at=cast.at),
        elsewhere,
    )


def api(client: Client, path: str, /, **query: Any) -> Any:
    """GET of the API; the answer's JSON."""
    answer = client.get(f"/api/v1{path}", query)
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)
