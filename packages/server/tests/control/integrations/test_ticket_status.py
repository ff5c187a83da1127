"""Claims: the status of a ticket is read where credentials are given, from servers that speak each system's protocol;
an answer is kept for a while; whatever a system does wrong, the page of the request comes and says so."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.test import Client
from ensign.control.changes import operations as door
from ensign.control.integrations import operations, ticket_status
from ensign.control.integrations.operations import Wish
from ensign_testkit.changing import Story, launch
from ensign_testkit.people import sign_in
from ensign_testkit.receiving import Received, Receiver, receiving

KEYS = {
    "jira": "PAY-142",
    "servicenow": "CHG0030042",
    "github": "acme/shop#12",
    "gitlab": "acme/web/shop#3",
}


def speak(request: Received) -> tuple[int, dict[str, str], bytes]:
    """Jira, ServiceNow, GitHub and GitLab, as far as the status of one ticket goes (their REST documentation)."""
    parts = urlsplit(request.path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    basic = "Basic " + base64.b64encode(b"bot@example.com:secret").decode()

    def say(body: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(body).encode()

    match parts.path.split("/")[1:]:
        case ["rest", "api", "2", "issue", "PAY-142"] if query == {"fields": "status"}:
            if request.headers.get("authorization") != basic:
                return say({"errorMessages": ["no"]}, 401)
            return say({"key": "PAY-142", "fields": {"status": {"name": "In progress"}}})
        case ["api", "now", "table", "task"] if query["sysparm_query"] == "number=CHG0030042":
            assert query["sysparm_display_value"] == "true"
            return say({"result": [{"state": "Scheduled"}]})
        case ["api", "v3", "repos", "acme", "shop", "issues", "12"]:
            assert request.headers["authorization"] == "Bearer ghp_x"
            return say({"state": "open", "title": "never asked for"})
        case ["api", "v4", "projects", project, "issues", "3"] if unquote(project) == "acme/web/shop":
            assert request.headers["private-token"] == "glpat-x"
            return say({"state": "opened"})
    return say({}, 404)


@pytest.fixture
def system(near: None) -> Iterator[Receiver]:
    with receiving() as server:
        server.answer = speak
        yield server


def connect(cast: Story, system: Receiver, kind: str, token: str | None = "x") -> None:
    given = {"jira": "bot@example.com:secret", "github": "ghp_x", "gitlab": "glpat-x"}.get(kind, token)
    operations.make(
        actor=cast.admin, at=cast.at, kind=kind, project="shop",
        wish=Wish(name=kind, base_url=system.url, token=given if token else None),
    )  # fmt: skip


def seen(cast: Story, *references: str, **later: float) -> list[ticket_status.Seen]:
    return ticket_status.seen("shop", references, at=cast.later(**later))


@pytest.mark.parametrize(
    ("kind", "word"), [("jira", "In progress"), ("servicenow", "Scheduled"), ("github", "open"), ("gitlab", "opened")]
)
def test_each_system_is_asked_in_its_own_way(cast: Story, system: Receiver, kind: str, word: str) -> None:
    connect(cast, system, kind)
    (one,) = seen(cast, KEYS[kind])
    assert one.status is not None
    assert (one.status.word, one.status.problem) == (word, "")
    assert one.ticket.url.startswith(system.url)


def test_an_answer_is_kept_for_five_minutes(cast: Story, system: Receiver) -> None:
    connect(cast, system, "jira")
    for minutes in (0, 1, 4):
        seen(cast, "PAY-142", minutes=minutes)
    assert len(system.got) == 1
    seen(cast, "PAY-142", minutes=6)
    assert len(system.got) == 2


def test_without_credentials_nobody_is_asked(cast: Story, system: Receiver) -> None:
    connect(cast, system, "jira", token=None)
    (one,) = seen(cast, "PAY-142")
    assert one.status is None
    assert system.got == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", "does not accept the credentials"),
        (404, b"{}", "knows no such ticket"),
        (500, b"{}", "answered 500"),
        (302, b"", "answered 302"),
        (200, b"<html>", "cannot be read"),
        (200, b'{"fields": null}', "cannot be read"),
        (200, b"[1]", "cannot be read"),
    ],
)
def test_what_a_system_does_wrong_is_said_and_kept_a_minute(
    cast: Story, system: Receiver, status: int, body: bytes, said: str
) -> None:
    connect(cast, system, "jira")
    system.always(status, body, Location="http://169.254.169.254/")
    (one,) = seen(cast, "PAY-142")
    assert one.status is not None
    assert one.status.word == ""
    assert said in one.status.problem
    seen(cast, "PAY-142", seconds=30)
    assert len(system.got) == 1
    system.answer = speak
    (again,) = seen(cast, "PAY-142", minutes=2)
    assert again.status is not None
    assert again.status.word == "In progress"


def test_a_system_that_is_silent_does_not_hold_the_page(
    cast: Story, system: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_status, "TIMEOUT", 0.3)
    connect(cast, system, "jira")
    system.hold.clear()
    made = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(), wish="submit",
        title="Begin", reason="It is time.", tickets=["PAY-142"],
    ).request  # fmt: skip
    client = sign_in(Client(), cast.viewer)
    page = client.get(f"/requests/{made.id}")
    assert page.status_code == 200
    assert f"{system.url}/browse/PAY-142" in page.content.decode()
    assert system.got == [], "the page itself asks nobody"
    part = client.get(f"/requests/{made.id}/tickets")
    assert part.status_code == 200
    assert "status unknown: it did not answer in time" in part.content.decode()


def test_a_word_of_a_system_cannot_bring_markup_into_the_page(cast: Story, system: Receiver) -> None:
    connect(cast, system, "jira")
    system.always(200, json.dumps({"fields": {"status": {"name": "<script>x</script>" + "y" * 200}}}).encode())
    made = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(), wish="submit",
        title="Begin", reason="It is time.", tickets=["PAY-142"],
    ).request  # fmt: skip
    text = sign_in(Client(), cast.viewer).get(f"/requests/{made.id}/tickets").content.decode()
    assert "<script>" not in text
    assert "y" * 60 not in text


def test_credentials_go_only_where_outgoing_calls_may(cast: Story) -> None:
    from ensign.control.kernel.errors import Invalid  # here: only this claim is about a refusal

    with pytest.raises(Invalid):
        operations.make(
            actor=cast.admin, at=cast.at, kind="jira", project="shop",
            wish=Wish(name="In", base_url="http://127.0.0.1:9", token="x:y"),
        )  # fmt: skip
    assert timedelta(0) < ticket_status.FAILED < ticket_status.FRESH
