"""Claims: where a policy asks for a ticket, every way of making a request takes one: no page and no endpoint leads to a
refusal that nobody could avoid. Whoever edits a request in review may name it, too.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from ensign.control.changes import operations as door
from ensign.control.changes import queries
from ensign.control.changes.models import Request
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign_testkit.changing import FLAG, Story, approve, launch, live, requested, ruled, story, widen
from ensign_testkit.people import sign_in
from ensign_testkit.progressing import brings

PLACE = "/projects/shop/environments/production"
TICKET = "PAY-142"


@pytest.fixture
def cast(db: str) -> Story:
    """The flag runs in staging and, for some users, in production, whose policy asks for a ticket from now on."""
    told = story()
    live(told, 10)
    # With a second strategy: another configuration than production's.
    brings(told, (*launch(100), launch(50)[0]), at=told.at, environment="staging")
    ruled(told, PolicyRules(approvals=1, requires_reason=True, further=Demand(requires_ticket=True)))
    return told


def document(percent: int) -> dict[str, Any]:
    """A document with one flag that there is not yet."""
    rollout = {"name": "flexibleRollout", "parameters": {"rollout": str(percent), "stickiness": "default"}}
    content = {"enabled": True, "strategies": [rollout], "variants": [], "dependencies": []}
    flag = {"key": "brought", "type": "release", "description": "", "tags": [], "tier": "low", "content": content}
    return {
        "format": "ensign-export-1", "project": "shop", "environment": "production", "segments": [], "flags": [flag],
    }  # fmt: skip


def endpoints(cast: Story) -> dict[str, tuple[str, dict[str, Any]]]:
    """Address and body of every endpoint that makes a request out of something else than operations."""
    applied = Request.objects.filter(status="applied", environment="production", author=cast.dev.id).latest("id")
    whole = {"source_project": "shop", "source_environment": "production", "flags": [FLAG], "key": "copied"}
    return {
        "promote": (f"{PLACE}/promote", {"flags": [FLAG], "source": "staging"}),
        "bulk": (f"{PLACE}/bulk", {"flags": [FLAG], "act": "rollout", "rollout": 20}),
        "import": (f"{PLACE}/import", {"document": document(10)}),
        "clone": (f"{PLACE}/clone", whole),
        "revert": (f"/changes/{applied.pk}/revert", {}),
    }


@pytest.mark.parametrize("way", ["promote", "bulk", "import", "clone", "revert"])
def test_every_endpoint_that_makes_a_request_takes_its_ticket(cast: Story, way: str) -> None:
    path, body = endpoints(cast)[way]
    browser = sign_in(Client(), cast.dev)

    def call(**more: Any) -> tuple[int, Any]:
        answer = browser.post(
            f"/api/v1{path}", data=json.dumps({**body, "reason": "Next.", **more}), content_type="application/json"
        )
        return answer.status_code, json.loads(answer.content)

    status, refused = call()
    assert (status, refused["code"]) == (409, "no-ticket"), refused
    status, made = call(tickets=[TICKET])
    assert status == 201, made
    id = made.get("request") or made["id"]
    assert queries.request(id, reader=cast.dev.id).request.tickets == (TICKET,)


def test_the_pages_take_it(cast: Story) -> None:
    applied = Request.objects.filter(status="applied", environment="production", author=cast.dev.id).latest("id")
    count = Request.objects.count()
    common = {"reason": "Next.", "tickets": f"{TICKET}, OPS-7"}
    bulk = {"flag": FLAG, "environment": "production", "act": "rollout", "rollout": "20", "step": "submit", "keep": "1"}
    brought = json.dumps(document(10))
    posts = {
        f"/projects/shop/flags/{FLAG}/promote": {"source": "staging", "target": "production"},
        "/projects/shop/bulk": bulk,
        "/projects/shop/transfer/import": {
            "environment": "production",
            "step": "import",
            "document": brought,
        },
        f"/projects/shop/flags/{FLAG}/clone": {"key": "copied", "source": "production", "target": "shop/production"},
        f"/requests/{applied.pk}/revert": {},
    }
    browser = sign_in(Client(), cast.dev)
    lacking = browser.post(
        "/projects/shop/transfer/import", {**posts["/projects/shop/transfer/import"], "reason": "N."}
    )
    assert lacking.status_code == 422
    assert b"Import this" in lacking.content, "the form is where it was"
    assert Request.objects.count() == count
    for address, fields in posts.items():
        answer = browser.post(address, {**fields, **common})
        assert answer.status_code == 302, (address, answer.status_code)
        made = Request.objects.latest("id")
        assert made.state["tickets"] == [TICKET, "OPS-7"], address
        assert answer["Location"] == f"/requests/{made.pk}"


def test_a_request_in_review_gets_its_ticket_by_an_edit(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    ruled(cast, PolicyRules(approvals=1, requires_reason=True, further=Demand(requires_ticket=True)))
    browser = sign_in(Client(), cast.dev)
    fields = {"title": "t", "reason": "r", "keep-0": "1", "keep-1": "1", "share-0": "10", "act": "save"}
    answer = browser.post(f"/requests/{done.request.id}/edit", {**fields, "tickets": "not a <ticket>"})
    assert (answer.status_code, b"not a &lt;ticket&gt;" in answer.content) == (422, True)
    assert browser.post(f"/requests/{done.request.id}/edit", {**fields, "tickets": TICKET}).status_code == 302
    edited = queries.request(done.request.id, reader=cast.dev.id)
    assert edited.request.tickets == (TICKET,)
    approve(cast, door.Proposed(request=edited.request, version=edited.version))
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


def test_an_edit_that_cannot_be_submitted_again_is_not_saved(db: str) -> None:
    cast = story()
    done = requested(cast, launch(10))
    door.review(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="request_changes",
        digest=done.request.digest, text="Say what it is for.",
    )  # fmt: skip
    ruled(cast, PolicyRules(approvals=1, requires_reason=True, further=Demand(requires_ticket=True, max_step=50)))
    browser = sign_in(Client(), cast.dev)
    address = f"/requests/{done.request.id}/edit"
    before = queries.request(done.request.id, reader=cast.dev.id)
    fields = {"title": "t", "reason": "r", "keep-0": "1", "keep-1": "1", "act": "submit", "version": before.version}
    refused = browser.post(address, {**fields, "share-0": "70", "tickets": TICKET})
    page = refused.content.decode()
    assert (refused.status_code, page.count("would grow by 70 percentage points")) == (409, 1), page
    assert 'value="70"' in page
    assert TICKET in page, "nothing typed is lost"
    assert queries.request(done.request.id, reader=cast.dev.id) == before
    assert browser.post(address, {**fields, "share-0": "40", "tickets": TICKET}).status_code == 302
    assert queries.request(done.request.id, reader=cast.dev.id).request.status == "in_review"


def test_the_pre_flight_of_a_draft_counts_the_ticket_that_is_being_typed(cast: Story) -> None:
    door.collect(actor=cast.dev, at=cast.at, project="shop", environment="production", operations=widen(30))
    browser, address = sign_in(Client(), cast.dev), f"{PLACE}/draft/check"
    words = {"title": "t", "reason": "r"}
    lacking = "The policy asks for a ticket."
    assert lacking in browser.post(address, words).content.decode()
    assert lacking not in browser.post(address, {**words, "tickets": TICKET}).content.decode()
    refused = browser.post(f"{PLACE}/draft/finish", {**words, "act": "submit"})
    assert (refused.status_code, b"asks for a ticket" in refused.content) == (422, True)
    assert browser.post(f"{PLACE}/draft/finish", {**words, "tickets": TICKET, "act": "submit"}).status_code == 302
