"""Claims: roles are read, made, previewed, changed and archived over the API in a session, and by no token; a grant
says for which flags, since when and why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import catalogue, tokens
from ensign.control.access.permissions import BY_CODE
from ensign.control.access.tokens import TokenWish
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_testkit.people import add_person, give, sign_in
from ensign_testkit.targets import shop

ROOT = "/api/v1"


@pytest.fixture
def admin(db: str) -> Actor:
    shop()
    return add_person("Root", "admin")


@pytest.fixture
def client(admin: Actor) -> Client:
    return sign_in(Client(), admin)


def call(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(
        method,
        f"{ROOT}{path}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        **headers,
    )  # type: ignore[arg-type]  # headers are those of the WSGI environment


FLIPPER = {"key": "flipper", "name": "Flipper", "permissions": ["project:read", "change:draft", "change:switch"]}


def test_a_role_lives_over_the_api(client: Client) -> None:
    assert {one["code"] for one in call(client, "GET", "/permissions").json()["items"]} == set(BY_CODE)
    made = call(client, "POST", "/roles", FLIPPER)
    assert made.status_code == 201
    assert made.json()["built_in"] is False
    bo = add_person("Bo")
    give(bo.id, "flipper", project="shop")
    change = {"name": "Flipper", "permissions": ["project:read", "change:apply"]}
    seen = call(client, "PUT", "/roles/flipper?dry_run=true", change).json()
    assert seen["gained"] == ["change:apply"]
    assert "1 person gains change:apply in shop" in seen["sentences"]
    assert call(client, "GET", "/roles/flipper").json()["permissions"] == sorted(
        FLIPPER["permissions"], key=list(BY_CODE).index
    )
    assert call(client, "PUT", "/roles/flipper", change, HTTP_IF_MATCH='"99"').status_code == 412
    changed = call(client, "PUT", "/roles/flipper", change, HTTP_IF_MATCH='"1"')
    assert (changed.status_code, changed.json()["permissions"]) == (200, ["project:read", "change:apply"])
    assert call(client, "POST", "/roles/flipper/archive", {}).status_code == 409
    copied = call(client, "POST", "/roles", {"key": "copy", "name": "Copy", "cloned_from": "flipper"})
    assert (copied.json()["permissions"], copied.json()["cloned_from"]) == (
        ["project:read", "change:apply"],
        "flipper",
    )
    assert call(client, "POST", "/roles/copy/archive", {"reason": "A trial"}).json()["archived"] is True
    assert "copy" not in [one["key"] for one in call(client, "GET", "/roles").json()["items"]]
    assert "copy" in [one["key"] for one in call(client, "GET", "/roles?archived=true").json()["items"]]


@pytest.mark.parametrize("body", [{**FLIPPER, "permissions": ["flag:destroy"]}, {**FLIPPER, "key": "A B"}])
def test_what_makes_no_sense_is_refused_and_named(client: Client, body: dict[str, Any]) -> None:
    answer = call(client, "POST", "/roles", body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_no_token_makes_changes_or_archives_a_role_nor_moves_an_end(admin: Actor, client: Client) -> None:
    call(client, "POST", "/roles", FLIPPER)
    grant = give(add_person("Bo").id, "flipper", project="shop")
    made = tokens.create_personal(actor=admin, at=clock.now(), wish=TokenWish(name="t"))
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {made.text}"}
    change = {"name": "Flipper", "permissions": ["change:apply"]}
    for method, path, body in (
        ("POST", "/roles", {**FLIPPER, "key": "other", "name": "Other"}),
        ("PUT", "/roles/flipper", change),
        ("POST", "/roles/flipper/archive", {}),
        ("POST", f"/grants/{grant}/end-date", {"ends_at": None}),
    ):
        assert call(Client(), method, path, body, **bearer).status_code == 403, path
    preview = call(Client(), "PUT", "/roles/flipper?dry_run=true", change, **bearer)
    assert preview.json()["gained"] == ["change:apply"]
    assert not catalogue.role("flipper").role.permissions & {BY_CODE["change:apply"]}


def test_a_grant_says_for_which_flags_since_when_and_why(client: Client) -> None:
    bo = add_person("Bo")
    wish = {"subject": bo.id, "role": "developer", "project": "shop", "tags": ["payments"], "reason": "Their team"}
    given = call(client, "POST", "/grants", wish | {"flag_types": ["release"]}).json()
    assert (given["tags"], given["flag_types"], given["reason"]) == (["payments"], ["release"], "Their team")
    assert call(client, "POST", "/grants", wish | {"starts_at": "2020-01-01T00:00:00Z"}).status_code == 422
    assert call(client, "POST", "/grants", wish | {"ends_at": "2030-01-01T00:00:00"}).status_code == 422
    moved = call(client, "POST", f"/grants/{given['id']}/end-date", {"ends_at": "2099-01-01T00:00:00Z", "reason": "x"})
    assert moved.json()["ends_at"].startswith("2099-01-01")


@pytest.mark.parametrize("role", ["viewer", "developer", "approver", "auditor"])
def test_others_read_roles_and_change_none(admin: Actor, role: str) -> None:
    person = sign_in(Client(), add_person("Bo", role))
    assert call(person, "GET", "/roles").status_code == 200
    assert call(person, "POST", "/roles", FLIPPER).status_code == 403
