"""Claims: asking works by token, answering never does; endpoints and pages say what the operations say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from ensign.control.access import exceptions, grants, requests, tokens
from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish, give
from ensign.control.access.models import AccessRequest, Grant
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.people import give as staged
from ensign_testkit.targets import shop


@pytest.fixture
def cast(db: str) -> dict[str, Actor]:
    shop()
    return {
        "admin": add_person("Root", "admin"),
        "second": add_person("Second", "admin"),
        "bo": add_person("Bo Dahl", "viewer"),
        "nobody": add_person("Nils Nobody"),
    }


def bearer(actor: Actor) -> dict[str, str]:
    made = tokens.create_personal(actor=actor, at=clock.now(), wish=TokenWish(name="test"))
    return {"Authorization": f"Bearer {made.text}"}


def post(client: Client, path: str, body: Any = None, **extra: Any) -> Any:
    return client.post(f"/api/v1{path}", json.dumps(body or {}), content_type="application/json", **extra)


ASK = {"role": "developer", "project": "shop", "minutes": 60, "reason": "an incident"}


def test_asking_and_withdrawing_work_by_token_and_answering_does_not(cast: dict[str, Actor]) -> None:
    asked = post(Client(), "/access/requests", ASK, headers=bearer(cast["bo"]))
    assert asked.status_code == 201, asked.content
    id = asked.json()["id"]
    for answer in ("approve", "refuse", "review"):
        refused = post(Client(), f"/access/requests/{id}/{answer}", {"reason": "r"}, headers=bearer(cast["second"]))
        assert (refused.status_code, refused.json()["code"]) == (403, "approval-by-token")
    assert Entry.objects.order_by("-seq")[0].action == "access.denied"
    done = post(Client(), f"/access/requests/{id}/withdraw", headers=bearer(cast["bo"]))
    assert done.json()["status"] == "withdrawn"


def test_approving_needs_the_session_and_its_second_factor(cast: dict[str, Actor]) -> None:
    id = post(sign_in(Client(), cast["bo"]), "/access/requests", ASK).json()["id"]
    stale = add_person("Stale", "admin", mfa=False)
    answer = post(sign_in(Client(), stale), f"/access/requests/{id}/approve")
    assert (answer.status_code, answer.json()["code"]) == (403, "mfa-required")
    strict = sign_in(Client(enforce_csrf_checks=True), cast["second"])
    assert post(strict, f"/access/requests/{id}/approve").status_code == 403
    done = post(sign_in(Client(), cast["second"]), f"/access/requests/{id}/approve")
    assert (done.status_code, done.json()["status"]) == (200, "granted")


def test_somebody_elses_request_is_not_found_without_the_right_to_see_people(cast: dict[str, Actor]) -> None:
    id = post(sign_in(Client(), cast["bo"]), "/access/requests", ASK).json()["id"]
    client = sign_in(Client(), cast["nobody"])
    assert client.get(f"/api/v1/access/requests/{id}").status_code == 404
    assert client.get("/api/v1/access/requests").json()["items"] == []
    assert client.get(reverse("access:request", args=[id])).status_code == 404
    mine = post(client, "/access/requests", ASK).json()["id"]
    assert client.get(f"/api/v1/access/requests/{mine}").status_code == 200
    assert [one["id"] for one in client.get("/api/v1/access/requests").json()["items"]] == [mine]
    page = client.get(reverse("access:request", args=[mine]))
    assert page.status_code == 200
    waiting = sign_in(Client(), cast["second"]).get("/api/v1/access/requests?waiting=true").json()["items"]
    assert {one["id"] for one in waiting} == {id, mine}


def test_giving_what_approves_production_answers_that_it_waits(cast: dict[str, Actor]) -> None:
    body = {"subject": cast["bo"].id, "role": "approver", "project": "shop", "reason": "on call"}
    answer = post(sign_in(Client(), cast["admin"]), "/grants", body)
    assert (answer.status_code, answer.json()["needed"], answer.json()["status"]) == (202, 2, "open")
    invited = post(
        sign_in(Client(), cast["admin"]), "/people", {"email": "new@example.com", "roles": [{"role": "approver"}]}
    )
    assert (invited.status_code, len(invited.json()["waiting"])) == (201, 1)


def test_a_toxic_pair_is_refused_with_its_code(cast: dict[str, Actor]) -> None:
    staged(cast["bo"].id, "admin", project="shop")
    body = {"subject": cast["bo"].id, "role": "approver", "project": "shop", "reason": "on call"}
    answer = post(sign_in(Client(), cast["admin"]), "/grants", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "toxic-pair")


def test_exceptions_are_proposed_and_answered_in_a_session_by_two(cast: dict[str, Actor]) -> None:
    body = {
        "subject": cast["bo"].id,
        "pairs": ["access-approve", "policy-approve"],
        "project": "shop",
        "reason": "two of us",
        "control": "Read every Monday by the auditor.",
        "expires_at": clock.text(clock.now() + timedelta(days=20)),
    }
    by_token = post(Client(), "/access/exceptions", body, headers=bearer(cast["admin"]))
    assert by_token.status_code == 403
    admin, second = sign_in(Client(), cast["admin"]), sign_in(Client(), cast["second"])
    made = post(admin, "/access/exceptions", body)
    assert made.status_code == 201, made.content
    id = made.json()["id"]
    assert post(admin, f"/access/exceptions/{id}/approve").status_code == 403
    answer = post(Client(), f"/access/exceptions/{id}/approve", headers=bearer(cast["second"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "approval-by-token")
    assert post(second, f"/access/exceptions/{id}/approve").json()["in_force"] is True
    assert [one["id"] for one in admin.get("/api/v1/access/exceptions").json()["items"]] == [id]
    assert post(second, f"/access/exceptions/{id}/end", {"reason": "over"}).json()["status"] == "ended"
    assert sign_in(Client(), cast["nobody"]).get("/api/v1/access/exceptions").status_code == 403


@pytest.mark.parametrize("path", ["/access/duties", "/access/exceptions", "/access/findings"])
def test_reads_need_a_role_in_the_organisation(cast: dict[str, Actor], path: str) -> None:
    assert Client().get(f"/api/v1{path}").status_code == 401
    assert sign_in(Client(), cast["nobody"]).get(f"/api/v1{path}").status_code == 403
    assert sign_in(Client(), cast["bo"]).get(f"/api/v1{path}").status_code == 200


def test_findings_say_what_to_do_and_where(cast: dict[str, Actor]) -> None:
    staged(cast["bo"].id, "admin", project="shop")
    staged(cast["bo"].id, "approver", project="shop")
    items = sign_in(Client(), cast["admin"]).get("/api/v1/access/findings").json()["items"]
    mine = [one for one in items if one["subject"] == cast["bo"].id]
    toxic = [one for one in mine if one["code"] == "toxic-pair"]
    assert len(toxic) == 2
    assert {one["url"] for one in toxic} == {f"/people/{cast['bo'].id}"}
    page = sign_in(Client(), cast["admin"]).get(f"/people/{cast['bo'].id}").content.decode()
    assert "kept apart" in page
    home = sign_in(Client(), cast["admin"]).get("/").content.decode()
    assert "to put right" in home


def test_pages_carry_a_request_from_asking_to_the_role(cast: dict[str, Actor]) -> None:
    bo, second = sign_in(Client(), cast["bo"]), sign_in(Client(), cast["second"])
    form = {"role": "developer", "project": "shop", "environment": "", "minutes": "480", "reason": "an incident"}
    assert bo.get(reverse("access:request-new")).status_code == 200
    assert bo.post(reverse("access:request-new"), {**form, "reason": ""}).status_code == 422
    address = bo.post(reverse("access:request-new"), form)["Location"]
    assert "Withdraw it" in bo.get(address).content.decode()
    assert "Approve" not in bo.get(address).content.decode()
    assert "Wait for your answer" in second.get(reverse("access:requests")).content.decode()
    assert "waits for your answer" in second.get("/").content.decode()
    assert "Approve" in second.get(address).content.decode()
    assert second.post(f"{address}/refuse", {"reason": ""}).status_code == 422
    assert second.post(f"{address}/approve", {"reason": "go"}).status_code == 303
    assert "Granted" in bo.get(address).content.decode()
    other = bo.post(reverse("access:request-new"), {**form, "role": "requester"})["Location"]
    assert bo.post(f"{other}/withdraw").status_code == 303
    assert bo.post(f"{other}/approve").status_code == 403


def test_pages_carry_an_exception_from_the_proposal_to_its_end(cast: dict[str, Actor]) -> None:
    admin, second = sign_in(Client(), cast["admin"]), sign_in(Client(), cast["second"])
    form = {
        "subject": cast["bo"].id,
        "pairs": ["access-approve"],
        "project": "shop",
        "environment": "",
        "reason": "two of us",
        "control": "Read every Monday by the auditor.",
        "until": f"{clock.now() + timedelta(days=20):%Y-%m-%d}",
    }
    assert admin.get(reverse("access:exception-new")).status_code == 200
    assert admin.post(reverse("access:exception-new"), {**form, "control": "x"}).status_code == 422
    address = admin.post(reverse("access:exception-new"), form)["Location"]
    assert "Take it back" in admin.get(address).content.decode()
    assert "Your answer" in second.get(address).content.decode()
    assert second.post(f"{address}/approve", {"reason": ""}).status_code == 303
    assert "In force" in second.get(reverse("access:exceptions")).content.decode()
    assert second.post(f"{address}/nothing").status_code == 404
    assert second.post(f"{address}/end", {"reason": "over"}).status_code == 303
    assert "Ended" in second.get(address).content.decode()
    assert sign_in(Client(), cast["bo"]).get(reverse("access:exception-new")).status_code == 403


def test_what_one_person_gave_alone_is_reviewed_on_its_page(db: str) -> None:
    shop(project="web")
    root = add_person("Root", "admin")
    at = clock.now()
    for row in Grant.objects.filter(role="admin").exclude(subject=root.id):
        grants.end(actor=root, at=at, grant_id=row.pk)
    bo = add_person("Bo Dahl")
    give(actor=root, at=at, subject=bo.id, wish=Wish(role="approver"), reason="we are two")
    later = sign_in(Client(), add_person("Later", "admin"))
    listing = later.get(reverse("access:requests")).content.decode()
    assert "Wait for your review" in listing
    assert "By one person alone" in listing
    address = reverse("access:request", args=[AccessRequest.objects.get().pk])
    assert "The role is right" in later.get(address).content.decode()
    assert later.post(f"{address}/review", {"reason": "Bo does approve."}).status_code == 303
    assert "reviewed since" in later.get(address).content.decode()


def test_requests_and_exceptions_are_told_in_the_log(cast: dict[str, Actor]) -> None:
    at = clock.now()
    requests.ask(actor=cast["bo"], at=at, role="developer", scope=Scope("shop"), lasts=timedelta(hours=1), reason="r")
    exceptions.propose(
        actor=cast["admin"], at=at, subject=cast["bo"].id, pairs=["access-approve"], scope=Scope("shop"),
        reason="two of us", control="Read every Monday.", expires_at=at + timedelta(days=3),
    )  # fmt: skip
    page = sign_in(Client(), cast["admin"]).get("/log").content.decode()
    assert "developer for Bo Dahl" in page
    assert "access-approve for Bo Dahl" in page
