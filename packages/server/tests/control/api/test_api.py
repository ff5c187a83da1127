"""Claims about every endpoint: who calls is known, input is read strictly, errors are problems, repeats happen once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path, re_path
from ensign.control.api import etag, pages, problems
from ensign.control.api.auth import AUTHENTICATION
from ensign.control.api.limits import ADDRESS_FACTOR
from ensign.control.api.models import Answer
from ensign.control.api.parser import StrictParser
from ensign.control.api.root import EnsignAPI
from ensign.control.api.schemas import Input
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.audit.staging import stage
from ensign.control.identity.actions import TOKEN_CREATED, TOKEN_REVOKED
from ensign.control.identity.models import Token
from ensign.control.identity.tokens import hashed, new_token
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid, RateLimited, Unavailable
from ensign.control.kernel.transactions import write_door
from ensign_testkit.people import SYSTEM, add_person, sign_in
from ninja import Router

router = Router(tags=["toy"])
made: list[str] = []


class Part(Input):
    """A part of a body."""

    key: str
    weight: int = 0


class Body(Input):
    """A body."""

    name: str
    parts: list[Part] = []


@router.post("/things")
def make(request: HttpRequest, payload: Body) -> dict[str, Any]:
    made.append(payload.name)
    return {"made": len(made), "by": request.actor.id}  # type: ignore[attr-defined]  # set by the authentication


@router.get("/things")
def list_things(request: HttpRequest, cursor: pages.Cursor = None, limit: pages.Limit = 50) -> dict[str, Any]:
    position = pages.decode(cursor, length=2)
    return {"items": [position], "next_cursor": pages.encode("2026", 7)}


@router.put("/things/{version}")
def change(request: HttpRequest, version: int, response: HttpResponse) -> dict[str, Any]:
    etag.require_match(request, version=version)
    etag.give(response, version=version + 1)
    return {}


@router.get("/fail/{kind}")
def fail(request: HttpRequest, kind: str) -> dict[str, Any]:
    raise {
        "denied": Denied("You may not.", permission="flag:read", scope="shop/production", remedy="Ask."),
        "invalid": Invalid("Bad.", fields={"strategies[0].parameters.rollout": "must be 0 to 100"}),
        "limited": RateLimited("Slow down.", retry_after=7),
        "gone": Unavailable("No disk.", remedy="Find one."),
        "bug": RuntimeError("secret detail"),
    }[kind]


@pytest.fixture(scope="module")
def urlconf() -> ModuleType:
    api = EnsignAPI(urls_namespace="toy", docs_url=None, auth=AUTHENTICATION, parser=StrictParser())
    problems.install(api)
    api.add_router("", router)
    module = ModuleType("toy_urls")
    module.urlpatterns = [path("api/v1/", api.urls), re_path(r"^api/", problems.not_found)]  # type: ignore[attr-defined]
    return module


@pytest.fixture
def client(db: str, urlconf: ModuleType) -> Iterator[Client]:
    made.clear()
    with override_settings(ROOT_URLCONF=urlconf):
        yield Client(raise_request_exception=False)


@pytest.fixture
def anna(db: str) -> Actor:
    return add_person("Anna Berg", password="correct horse battery")


@pytest.fixture
def bearer(anna: Actor) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(anna)}"}


def token_for(actor: Actor) -> str:
    at = clock.now()
    text = new_token("personal")
    state = {
        "kind": "personal", "name": "t", "subject": actor.id, "token_hash": hashed(text), "hint": text[:15],
        "permissions": None, "project": None, "environment": None, "created_by": actor.id,
        "created_at": clock.text(at), "expires_at": clock.text(at.replace(year=at.year + 1)), "status": "active",
    }  # fmt: skip
    with write_door():
        record(
            action=TOKEN_CREATED, actor=SYSTEM, at=at, staged=[stage(Token, id=ids.new_id("tok", at=at), state=state)]
        )
    return text


def send(client: Client, body: Any, headers: dict[str, str], raw: bytes | None = None) -> Any:
    content = json.dumps(body).encode() if raw is None else raw
    return client.post("/api/v1/things", content, content_type="application/json", headers=headers)


def errors_of(response: Any) -> dict[str, str]:
    assert response["Content-Type"] == "application/problem+json"
    return {one["pointer"]: one["detail"] for one in response.json().get("errors", [])}


def test_without_credentials_the_answer_is_401_with_a_remedy(client: Client) -> None:
    response = client.get("/api/v1/things")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == "unauthenticated"
    assert "ensign_pat_" in response.json()["remedy"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic YTpi", f"Bearer ensign_pat_{'A' * 43}"])
def test_a_bad_authorization_header_never_falls_back_to_the_session(client: Client, anna: Actor, header: str) -> None:
    sign_in(client, anna)
    assert client.get("/api/v1/things").status_code == 200
    assert client.get("/api/v1/things", headers={"Authorization": header}).status_code == 401


def test_a_token_acts_as_its_owner(client: Client, bearer: dict[str, str], anna: Actor) -> None:
    assert send(client, {"name": "x"}, bearer).json() == {"made": 1, "by": anna.id}


def test_a_session_writes_only_with_its_csrf_token(db: str, urlconf: ModuleType, anna: Actor) -> None:
    with override_settings(ROOT_URLCONF=urlconf):
        client = Client(enforce_csrf_checks=True)
        sign_in(client, anna)
        refused = send(client, {"name": "x"}, {})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf-failed")
        client.cookies["csrftoken"] = token = "a" * 32
        assert send(client, {"name": "x"}, {"X-CSRFToken": token}).status_code == 200


def test_unknown_fields_are_refused_by_name_at_any_depth(client: Client, bearer: dict[str, str]) -> None:
    response = send(client, {"name": "x", "nmae": 1, "parts": [{"key": "k", "wieght": 1}]}, bearer)
    assert response.status_code == 422
    assert set(errors_of(response)) == {"/nmae", "/parts/0/wieght"}
    assert "not known" in errors_of(response)["/nmae"]
    assert made == []


def test_missing_and_wrong_fields_are_named(client: Client, bearer: dict[str, str]) -> None:
    found = errors_of(send(client, {"parts": [{"key": "k", "weight": "heavy"}]}, bearer))
    assert set(found) == {"/name", "/parts/0/weight"}


@pytest.mark.parametrize(
    "raw",
    [b"{", b'{"name": "a", "name": "b"}', b'{"name": NaN}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b"\xff",
     b"[" * 50 + b"]" * 50, b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_not_one_clear_json_value_is_refused(client: Client, bearer: dict[str, str], raw: bytes) -> None:
    response = send(client, None, bearer, raw)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


def test_a_body_of_another_type_is_415_and_a_huge_one_413(client: Client, bearer: dict[str, str]) -> None:
    plain = client.post("/api/v1/things", b'{"name": "x"}', content_type="text/plain", headers=bearer)
    assert plain.status_code == 415
    assert send(client, {"name": "x" * 2_000_000}, bearer).status_code == 413


def test_unknown_addresses_and_methods_are_problems(client: Client, bearer: dict[str, str]) -> None:
    missing = client.get("/api/v1/nothing", headers=bearer)
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    assert client.get("/api/v9/x").status_code == 404
    wrong = client.delete("/api/v1/things", headers=bearer)
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert set(wrong["Allow"].replace(",", " ").split()) == {"GET", "POST"}


def test_a_denied_read_becomes_an_entry(client: Client, bearer: dict[str, str], anna: Actor) -> None:
    response = client.get("/api/v1/fail/denied", headers=bearer)
    assert (response.status_code, response.json()["remedy"]) == (403, "Ask.")
    entry = json.loads(Entry.objects.get(action="access.denied").body)
    assert entry["actor"]["id"] == anna.id
    assert entry["where"] == {"project": "shop", "environment": "production"}


def test_expected_failures_keep_their_words_and_point_at_the_field(client: Client, bearer: dict[str, str]) -> None:
    found = errors_of(client.get("/api/v1/fail/invalid", headers=bearer))
    assert found == {"/strategies/0/parameters/rollout": "must be 0 to 100"}
    limited = client.get("/api/v1/fail/limited", headers=bearer)
    assert (limited.status_code, limited["Retry-After"]) == (429, "7")
    assert client.get("/api/v1/fail/gone", headers=bearer).status_code == 503


def test_a_bug_is_a_500_that_tells_nothing(client: Client, bearer: dict[str, str]) -> None:
    response = client.get("/api/v1/fail/bug", headers=bearer)
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert b"secret detail" not in response.content


def test_the_request_id_is_in_the_answer_and_in_the_entry(client: Client, bearer: dict[str, str]) -> None:
    mine = uuid.uuid4().hex
    response = client.get("/api/v1/fail/denied", headers={**bearer, "X-Request-ID": mine})
    assert response["X-Request-ID"] == response.json()["request_id"] == mine
    assert Entry.objects.get(action="access.denied").request_id == mine


def test_a_request_id_cannot_carry_words_into_the_log(client: Client, bearer: dict[str, str]) -> None:
    response = client.get("/api/v1/fail/denied", headers={**bearer, "X-Request-ID": "anna.berg@example.com"})
    assert uuid.UUID(response["X-Request-ID"])


def test_if_match_lets_only_the_seen_version_be_changed(client: Client, bearer: dict[str, str]) -> None:
    def put(tag: str) -> Any:
        return client.put("/api/v1/things/3", headers={**bearer, "If-Match": tag})

    good, stale, odd = put('"3"'), put('"2"'), put("W/3")
    assert (good.status_code, good["ETag"]) == (200, '"4"')
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    assert odd.status_code == 422


def test_cursors_are_opaque_and_made_up_ones_are_refused(client: Client, bearer: dict[str, str]) -> None:
    first = client.get("/api/v1/things", headers=bearer).json()
    again = client.get("/api/v1/things", {"cursor": first["next_cursor"]}, headers=bearer).json()
    assert again["items"] == [["2026", 7]]
    for bad in ("x", "WzFd", "e30", "é", "W251bGwsbnVsbF0"):
        response = client.get("/api/v1/things", {"cursor": bad}, headers=bearer)
        assert (response.status_code, bad) == (422, bad)
    assert "?limit" in errors_of(client.get("/api/v1/things", {"limit": "9000"}, headers=bearer))


def test_the_same_key_and_body_happen_once_and_answer_the_same(client: Client, bearer: dict[str, str]) -> None:
    headers = {**bearer, "Idempotency-Key": "k-1"}
    first, again = send(client, {"name": "x"}, headers), send(client, {"name": "x"}, headers)
    assert made == ["x"]
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert b"made" not in Answer.objects.get().answer.encode(), "the kept answer is sealed"


def test_a_reused_key_with_another_body_is_refused(client: Client, bearer: dict[str, str]) -> None:
    headers = {**bearer, "Idempotency-Key": "k-1"}
    send(client, {"name": "x"}, headers)
    response = send(client, {"name": "y"}, headers)
    assert (response.status_code, response.json()["code"]) == (422, "idempotency-key-reused")
    assert made == ["x"]


def test_a_key_belongs_to_its_caller(client: Client, bearer: dict[str, str]) -> None:
    other = {"Authorization": f"Bearer {token_for(add_person('Bo Lind'))}"}
    for headers in (bearer, other):
        send(client, {"name": "x"}, {**headers, "Idempotency-Key": "k-1"})
    assert made == ["x", "x"]


def test_a_replay_needs_a_valid_caller(client: Client, anna: Actor, bearer: dict[str, str]) -> None:
    headers = {**bearer, "Idempotency-Key": "k-1"}
    send(client, {"name": "x"}, headers)
    token = Token.objects.get(subject=anna.id)
    with write_door():
        staged = stage(Token, id=token.pk, state={**token.state, "status": "revoked"}, current=token)
        record(action=TOKEN_REVOKED, actor=SYSTEM, at=clock.now(), staged=[staged])
    assert send(client, {"name": "x"}, headers).status_code == 401


def test_a_write_that_died_unanswered_is_never_run_again(client: Client, bearer: dict[str, str]) -> None:
    headers = {**bearer, "Idempotency-Key": "k-1"}
    send(client, {"name": "x"}, headers)
    Answer.objects.update(status=None, answer="")
    response = send(client, {"name": "x"}, headers)
    assert (response.status_code, response.json()["code"]) == (409, "idempotency-outcome-unknown")
    assert made == ["x"]


def test_too_many_requests_are_told_when_to_come_back(db: str, urlconf: ModuleType, bearer: dict[str, str]) -> None:
    with override_settings(ROOT_URLCONF=urlconf, API_RATE=3, API_WRITE_RATE=1):
        client = Client()
        assert send(client, {"name": "x"}, bearer).status_code == 200
        assert send(client, {"name": "x"}, bearer).status_code == 429
        assert client.get("/api/v1/things", headers=bearer).status_code == 200
        limited = client.get("/api/v1/things", headers=bearer)
        assert limited.status_code == 429
        assert 1 <= int(limited["Retry-After"]) <= 60
        answers = [
            client.get("/api/v1/things", headers={"Authorization": f"Bearer {n}"}).status_code
            for n in range(3 * ADDRESS_FACTOR)
        ]
        assert answers[-1] == 429, "made-up tokens share the limit of their address"
