"""Claims: the exchange answers as RFC 8693 says, to whoever holds a job's ID token and to nobody else; pages and
endpoints of rules answer whom they should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from ensign.control.federation import issuers
from ensign.control.federation.api import ACCESS_TOKEN, GRANT, SUBJECT_TYPES
from ensign_testkit.federating import AUDIENCE, CLAIMS, World, world_of
from ensign_testkit.issuer import issuing
from ensign_testkit.people import add_person, sign_in

PATH = "/api/v1/oidc/token-exchange"


@pytest.fixture
def world(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    with issuing() as issuer:
        yield world_of(issuer)
        issuers.ISSUERS.forget(issuer.url)


def send(form: dict[str, str] | list[tuple[str, str]], **headers: str) -> Any:
    kind = headers.pop("content_type", "application/x-www-form-urlencoded")
    return Client().post(PATH, urlencode(form), content_type=kind, **headers)


def form(token: str, **more: str) -> dict[str, str]:
    return {"grant_type": GRANT, "subject_token": token, "subject_token_type": SUBJECT_TYPES[0], **more}


@pytest.mark.parametrize("kind", SUBJECT_TYPES)
def test_an_exchange_answers_as_the_rfc_says_and_the_token_opens_the_api(world: World, kind: str) -> None:
    answer = send(form(world.issuer.token(), subject_token_type=kind))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in"}
    assert (body["issued_token_type"], body["token_type"], body["expires_in"]) == (ACCESS_TOKEN, "Bearer", 900)
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    who = Client().get("/api/v1/whoami", headers=bearer).json()
    assert (who["kind"], who["id"], who["via"]) == ("service", world.account, "token")
    assert Client().get("/api/v1/projects/shop/flags", headers=bearer).status_code == 200
    assert Client().get("/api/v1/people", headers=bearer).status_code == 403


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"subject_token": "x"}, "invalid_grant"),
        ({"audience": "somebody else"}, "invalid_grant"),
    ],
)
def test_what_is_not_a_request_or_not_done_says_so(world: World, more: dict[str, str], error: str) -> None:
    answer = send({**form(world.issuer.token()), **more})
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["error_description"]
    assert answer["Cache-Control"] == "no-store"


def test_a_parameter_that_stands_twice_is_refused(world: World) -> None:
    pairs = [*form(world.issuer.token()).items(), ("subject_token", "other")]
    assert send(pairs).json()["error"] == "invalid_request"


def test_the_body_is_a_form(world: World) -> None:
    answer = Client().post(PATH, json.dumps(form(world.issuer.token())), content_type="application/json")
    assert answer.status_code == 415


def test_a_session_or_another_token_makes_no_difference(world: World) -> None:
    """The ID token is the credential: whoever sits in a session gets nothing more, and nothing without one."""
    client = sign_in(Client(), world.admin)
    answer = client.post(PATH, urlencode(form("x")), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400


def test_an_issuer_that_is_away_is_503_and_says_when_to_come_again(world: World) -> None:
    world.issuer.answer("/jwks", b"", status=500)
    answer = send(form(world.issuer.token()))
    assert (answer.status_code, answer["Retry-After"], answer.json()["code"]) == (503, "60", "issuer_away")


def test_the_answer_to_a_refusal_tells_no_pattern(world: World) -> None:
    answer = send(form(world.issuer.token(ref="refs/heads/topic")))
    assert answer.json()["code"] == "claims"
    assert "refs/heads/main" not in answer.content.decode()


def rule_body(world: World, **more: object) -> str:
    said = {
        "name": "second", "shape": "github", "issuer": world.issuer.url, "audience": AUDIENCE,
        "claims": {**CLAIMS, "environment": "production"}, **more,
    }  # fmt: skip
    return json.dumps(said)


def call(client: Client, method: str, path: str, body: str = "{}", **headers: str) -> Any:
    return client.generic(method, f"/api/v1{path}", body, content_type="application/json", headers=headers)


def test_rules_are_made_changed_tried_and_ended_in_a_session(world: World) -> None:
    client = sign_in(Client(), world.admin)
    made = call(client, "POST", f"/service-accounts/{world.account}/federation-rules", rule_body(world))
    assert made.status_code == 201, made.content
    id = made.json()["id"]
    assert call(client, "GET", f"/federation-rules/{id}").json()["claims"]["environment"] == "production"
    changed = call(client, "PUT", f"/federation-rules/{id}", rule_body(world, minutes=30), **{"If-Match": '"1"'})
    assert changed.json()["minutes"] == 30
    assert call(client, "PUT", f"/federation-rules/{id}", rule_body(world), **{"If-Match": '"1"'}).status_code == 412
    verdict = call(client, "POST", f"/federation-rules/{id}/try", json.dumps({"subject_token": world.issuer.token()}))
    assert verdict.json()["good"] is False
    assert [claim["problem"] for claim in verdict.json()["claims"] if claim["name"] == "environment"] == [
        "the token does not say it"
    ]
    assert call(client, "POST", f"/federation-rules/{id}/end").json()["status"] == "ended"
    listed = call(client, "GET", f"/service-accounts/{world.account}/federation-rules").json()["items"]
    assert [rule["id"] for rule in listed] == [world.rule.id]


@pytest.mark.parametrize("role", ["viewer", "developer", "approver", "requester", "auditor"])
def test_others_read_rules_and_change_nothing(world: World, role: str) -> None:
    client = sign_in(Client(), add_person("Other", role))
    assert call(client, "GET", f"/federation-rules/{world.rule.id}").status_code == 200
    for method, path in (
        ("POST", f"/service-accounts/{world.account}/federation-rules"),
        ("PUT", f"/federation-rules/{world.rule.id}"),
    ):
        assert call(client, method, path, rule_body(world)).status_code == 403
    assert call(client, "POST", f"/federation-rules/{world.rule.id}/end").status_code == 403
    tried = json.dumps({"subject_token": "x"})
    assert call(client, "POST", f"/federation-rules/{world.rule.id}/try", tried).status_code == 403


def test_pages_make_try_change_and_end_a_rule(world: World) -> None:
    client = sign_in(Client(), world.admin)
    home = f"/service-accounts/{world.account}/ci"
    typed = {
        "name": "from a page", "shape": "github", "issuer": world.issuer.url, "audience": AUDIENCE, "minutes": "20",
        "claims": "repository = acme/other\nref = refs/heads/*", "project": "", "environment": "",
    }  # fmt: skip
    wide = client.post(f"{home}/new", {**typed, "claims": "ref = refs/heads/main"})
    assert wide.status_code == 422
    assert "Pin the repository" in wide.content.decode()
    made = client.post(f"{home}/new", typed)
    assert made.status_code == 303
    page = client.get(made["Location"]).content.decode()
    assert "acme/other" in page
    tried = client.post(f"{made['Location']}/try", {"subject_token": (token := world.issuer.token())})
    text = tried.content.decode()
    assert "the token says something else" in text
    assert "acme/shop" in text
    assert token not in text, "a token that was tried is not shown again"
    assert client.post(made["Location"], {**typed, "claims": "repository = acme/shop"}).status_code == 303
    assert "It lets the job in" in client.post(f"{made['Location']}/try", {"subject_token": token}).content.decode()
    assert client.post(f"{made['Location']}/end", {"reason": "moved"}).status_code == 303
    assert "from a page" in client.get(home).content.decode()


def test_pages_are_for_whom_they_should_be(world: World) -> None:
    viewer = sign_in(Client(), add_person("Vera", "viewer"))
    assert viewer.get(f"/service-accounts/{world.account}/ci").status_code == 200
    assert viewer.get(f"/service-accounts/{world.account}/ci/new").status_code == 403
    assert viewer.post(f"/federation-rules/{world.rule.id}/try", {"subject_token": "x"}).status_code == 403
    assert viewer.post(f"/federation-rules/{world.rule.id}/end").status_code == 403
    nobody = sign_in(Client(), add_person("Nils"))
    assert nobody.get(f"/federation-rules/{world.rule.id}").status_code == 403
    assert Client().get(f"/federation-rules/{world.rule.id}").status_code == 302
