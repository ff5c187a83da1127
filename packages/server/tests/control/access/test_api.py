"""Claims: each endpoint answers whom the documented table says, by session and by token, and refuses all others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import service_accounts, tokens
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_testkit.people import add_person, give, sign_in
from ensign_testkit.targets import shop

READS = ["/people", "/groups", "/grants", "/service-accounts", "/access/who-can?permission=org:read"]

#: Path, body, and the roles that may; every other built-in role is refused. A token may only where "token" stands.
WRITES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("/people", {"email": "new@example.com"}, {"admin"}),
    ("/people/{person}/deactivate", {}, {"admin"}),
    ("/people/{person}/password-link", {}, {"admin"}),
    ("/groups", {"name": "Checkout"}, {"admin", "token"}),
    ("/grants", {"subject": "{person}", "role": "viewer"}, {"admin"}),
    ("/service-accounts", {"name": "deploy", "purpose": "deploys", "owner": "{person}"}, {"admin"}),
    ("/service-accounts/{service}/tokens", {"name": "ci"}, {"admin"}),
    ("/service-accounts/{service}/disable", {}, {"admin"}),
    ("/tokens", {"name": "laptop"}, {"admin", "viewer", "developer", "requester", "approver", "auditor"}),
]
ROLES = ["admin", "viewer", "developer", "requester", "approver", "auditor"]


@pytest.fixture
def ids(db: str) -> dict[str, str]:
    admin = add_person("Root", "admin")
    service = service_accounts.create(actor=admin, at=clock.now(), name="robot", purpose="tests", owner=admin.id)
    return {"person": add_person("Target").id, "service": service.id}


def post(client: Client, path: str, body: dict[str, Any], ids: dict[str, str], **extra: Any) -> Any:
    text = json.dumps(body)
    for name, id in ids.items():
        text, path = text.replace(f"{{{name}}}", id), path.replace(f"{{{name}}}", id)
    return client.post(f"/api/v1{path}", text, content_type="application/json", **extra)


def bearer(actor: Actor) -> dict[str, str]:
    made = tokens.create_personal(actor=actor, at=clock.now(), wish=TokenWish(name="test"))
    return {"Authorization": f"Bearer {made.text}"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("path", "body", "allowed"), WRITES)
def test_writes_answer_exactly_the_roles_of_the_table(
    ids: dict[str, str], role: str, path: str, body: dict[str, Any], allowed: set[str]
) -> None:
    client = sign_in(Client(), add_person("Caller", role))
    answer = post(client, path, body, ids)
    assert (answer.status_code in {200, 201}) == (role in allowed), answer.content
    if role not in allowed:
        assert answer.status_code == 403
        assert Entry.objects.order_by("-seq")[0].action == "access.denied"


@pytest.mark.parametrize(("path", "body", "allowed"), WRITES)
def test_a_token_makes_neither_people_nor_access_nor_tokens(
    ids: dict[str, str], path: str, body: dict[str, Any], allowed: set[str]
) -> None:
    answer = post(Client(), path, body, ids, headers=bearer(add_person("Caller", "admin")))
    assert answer.status_code == (201 if "token" in allowed else 403), answer.content


@pytest.mark.parametrize(("path", "body", "allowed"), WRITES)
def test_strangers_and_sessions_without_the_csrf_token_write_nothing(
    ids: dict[str, str], path: str, body: dict[str, Any], allowed: set[str]
) -> None:
    assert post(Client(), path, body, ids).status_code == 401
    strict = sign_in(Client(enforce_csrf_checks=True), add_person("Caller", "admin"))
    assert post(strict, path, body, ids).status_code == 403


@pytest.mark.parametrize("path", READS)
def test_reads_need_a_role_in_the_organisation(ids: dict[str, str], path: str) -> None:
    assert Client().get(f"/api/v1{path}").status_code == 401
    nobody = add_person("Nobody")
    give(nobody.id, "developer", project="shop")
    assert sign_in(Client(), nobody).get(f"/api/v1{path}").status_code == 403
    answer = sign_in(Client(), add_person("Caller", "viewer")).get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.content
    assert answer.json()["next_cursor"] is None


def test_whoami_says_who_and_what(ids: dict[str, str]) -> None:
    caller = add_person("Caller", "developer", project="shop")
    answer = Client().get("/api/v1/whoami", headers=bearer(caller)).json()
    assert (answer["id"], answer["via"], answer["recent_mfa"]) == (caller.id, "token", False)
    assert "flag:create" in answer["access"][0]["permissions"]
    assert "org:read" not in answer["access"][0]["permissions"]


def test_an_invitation_shows_its_link_once_and_the_log_never(ids: dict[str, str]) -> None:
    shop()
    client = sign_in(Client(), add_person("Caller", "admin"))
    body = {"email": "new@example.com", "roles": [{"role": "developer", "project": "shop"}]}
    answer = post(client, "/people", body, ids)
    secret = answer.json()["url"].rsplit("/", 1)[1]
    assert Client().get(f"/invite/{secret}").status_code == 200
    everything = "".join(Entry.objects.values_list("body", flat=True))
    assert secret not in everything
    assert "new@example.com" not in everything


def test_a_narrowed_token_reads_only_what_it_was_narrowed_to(ids: dict[str, str]) -> None:
    caller = add_person("Caller", "viewer")
    wish = TokenWish(name="t", permissions=frozenset({"project:read"}))
    made = tokens.create_personal(actor=caller, at=clock.now(), wish=wish)
    answer = Client().get("/api/v1/people", HTTP_AUTHORIZATION=f"Bearer {made.text}")
    assert answer.status_code == 403
    assert "narrowed" in answer.json()["detail"]


def test_if_match_refuses_a_stale_version(ids: dict[str, str]) -> None:
    client = sign_in(Client(), add_person("Caller", "admin"))
    group = post(client, "/groups", {"name": "A"}, ids).json()
    path = f"/api/v1/groups/{group['id']}"
    tag = client.get(path)["ETag"]
    for expected in (200, 412):
        body = json.dumps({"name": "A", "description": f"after {expected}"})
        answer = client.put(path, body, content_type="application/json", HTTP_IF_MATCH=tag)
        assert answer.status_code == expected
