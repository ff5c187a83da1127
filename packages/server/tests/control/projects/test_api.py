"""Claims: the endpoints of projects, tokens, segments and flags read and write, page, and honour entity tags."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from ensign.control.audit.models import Entry
from ensign.control.flags.domain import Constraint, FlagConfig
from ensign.control.kernel.actor import Actor
from ensign.control.segments.domain import SegmentConfig
from ensign_engine import Ruleset
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.targets import put, put_segment, rollout, shop

API = "/api/v1"


class Caller:
    """A signed-in caller that speaks JSON."""

    def __init__(self, actor: Actor) -> None:
        self._client = sign_in(Client(), actor)

    def __call__(self, method: str, path: str, body: object = None, *, status: int = 200, **headers: str) -> Any:
        """The parsed answer, when it has the expected status; its headers are in ``last``."""
        given = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        self.last = self._client.generic(method, API + path, content or b"", content_type="application/json", **given)
        assert self.last.status_code == status, (method, path, self.last.status_code, self.last.content[:500])
        return json.loads(self.last.content) if self.last.content else None


@pytest.fixture
def call(db: str) -> Caller:
    """An administrator and developer of the project shop with two flags."""
    return Caller(shop("checkout", "menu"))


def test_a_project_is_made_read_and_changed_by_version(call: Caller) -> None:
    made = call("POST", "/projects", {"key": "bank", "name": "Bank"}, status=201)
    assert (made["key"], made["version"], call.last["ETag"]) == ("bank", 1, '"1"')
    assert [p["key"] for p in call("GET", "/projects")["items"]] == ["bank", "shop"]
    call("PATCH", "/projects/bank", {"name": "Old bank"}, if_match='"1"')
    assert call.last["ETag"] == '"2"'
    call("PATCH", "/projects/bank", {"name": "New bank"}, if_match='"1"', status=412)
    assert call("GET", "/projects/bank")["name"] == "Old bank"
    call("POST", "/projects", {"key": "bank", "name": "Bank"}, status=409)


def test_lists_are_paged_by_an_opaque_cursor(call: Caller) -> None:
    first = call("GET", "/projects/shop/flags?limit=1")
    assert [f["key"] for f in first["items"]] == ["checkout"]
    second = call("GET", f"/projects/shop/flags?limit=1&cursor={first['next_cursor']}")
    assert ([f["key"] for f in second["items"]], second["next_cursor"]) == (["menu"], None)
    call("GET", "/projects/shop/flags?cursor=nonsense", status=422)


def test_environments_come_with_their_policies(call: Caller) -> None:
    rows = call("GET", "/projects/shop/environments")
    assert [(e["key"], e["policy"]["approvals"]) for e in rows] == [
        ("development", 0),
        ("staging", 0),
        ("production", 1),
    ]
    call("POST", "/projects/shop/environments", {"key": "qa", "name": "QA", "protected": True}, status=201)
    call("PATCH", "/projects/shop/environments/qa", {"name": "Quality"}, if_match='"1"')
    call("PATCH", "/projects/shop/environments/qa", {"name": "Q"}, if_match='"1"', status=412)
    order = ["qa", "development", "staging", "production"]
    assert [e["key"] for e in call("PUT", "/projects/shop/environment-order", {"order": order})] == order
    assert call("GET", "/projects/shop/environments/qa")["policy"]["approvals"] == 1


def test_a_client_token_is_answered_once(call: Caller) -> None:
    body = {"name": "web", "type": "backend", "projects": ["shop"], "environment": "production"}
    made = call("POST", "/client-tokens", body, status=201)
    assert made["token"].startswith("shop:production.")
    assert call.last["Cache-Control"] == "no-store"
    row = call("GET", f"/client-tokens/{made['id']}")
    assert "token" not in row
    assert made["token"] not in json.dumps(call("GET", "/projects/shop/client-tokens"))
    assert call("POST", f"/client-tokens/{made['id']}/revoke", {})["status"] == "revoked"
    call("POST", "/client-tokens", {**body, "environment": "a.b"}, status=422)
    assert call("POST", "/client-tokens", {**body, "type": "edge"}, status=201)["type"] == "edge"
    call("POST", "/client-tokens", {**body, "type": "admin"}, status=422)


def test_a_flag_is_made_read_and_changed_by_version(call: Caller) -> None:
    made = call("POST", "/projects/shop/flags", {"key": "fresh", "tags": ["b", "a"]}, status=201)
    assert (made["tags"], made["environments"]) == (["a", "b"], {})
    call("PATCH", "/projects/shop/flags/fresh", {"description": "New"}, if_match='"1"')
    call("PATCH", "/projects/shop/flags/fresh", {"description": "Newer"}, if_match='"1"', status=412)
    put({"fresh": FlagConfig(enabled=True, strategies=(rollout(50),))}, environment="production")
    found = call("GET", "/projects/shop/flags/fresh")
    assert found["environments"]["production"]["words"] == "On: Rollout to 50 % of users."
    assert call.last["ETag"] == '"2"'
    listed = call("GET", "/projects/shop/flags?on=production")["items"]
    assert [f["environments"]["production"]["rollout"] for f in listed] == [50]
    call("GET", "/projects/bank/flags/fresh", status=404)


def test_a_segment_is_made_read_and_changed_by_version(call: Caller) -> None:
    call("POST", "/projects/shop/segments", {"key": "nordic", "name": "Nordic"}, status=201)
    constraint = Constraint(context_name="country", operator="IN", values=("SE",))
    put_segment("nordic", SegmentConfig(constraints=(constraint,)))
    found = call("GET", "/projects/shop/segments/nordic")
    assert found["environments"]["development"]["constraints"][0]["values"] == ["SE"]
    call("PATCH", "/projects/shop/segments/nordic", {"name": "North"}, if_match='"1"')
    call("PATCH", "/projects/shop/segments/nordic", {"name": "N"}, if_match='"1"', status=412)
    assert [s["name"] for s in call("GET", "/projects/shop/segments")["items"]] == ["North"]


def test_evaluating_explains_and_writes_nothing(call: Caller) -> None:
    put({"checkout": FlagConfig(enabled=True, strategies=(rollout(100),))}, environment="production")
    before = Entry.objects.count()
    path = "/projects/shop/environments/production/evaluate"
    answers = call("POST", path, {"context": {"userId": "7"}})["answers"]
    assert [(a["flag"], a["enabled"]) for a in answers] == [("checkout", True)]
    explained = call("POST", path, {"context": {"userId": "7"}, "flag": "checkout"})["explanation"]
    assert explained["strategies"][0]["result"] == "on"
    assert Entry.objects.count() == before


def test_the_published_ruleset_starts_an_engine(call: Caller) -> None:
    path = "/projects/shop/environments/production/ruleset"
    empty = call("GET", path)
    assert (empty["revision"], empty["features"]) == ("", [])
    put({"checkout": FlagConfig(enabled=True, strategies=(rollout(100),))}, environment="production")
    found = call("GET", path)
    assert (found["project"], found["environment"], found["version"]) == ("shop", "production", 2)
    assert re.fullmatch(r"\d+\.\d+", found["revision"])
    assert Ruleset.parse(found).is_enabled("checkout", {"userId": "7"})
    call("GET", "/projects/shop/environments/nowhere/ruleset", status=404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/projects", {"key": "b", "name": "B", "colour": "red"}),
        ("POST", "/projects/shop/flags", {"key": "a/b"}),
        ("POST", "/projects/shop/flags", {"key": "x" * 101}),
        ("POST", "/projects/shop/flags", {"key": 7}),
        ("POST", "/projects/shop/flags", {"key": "f", "enabled": True}),
        ("POST", "/projects/shop/segments", {"key": "a.b", "name": "x"}),
        ("POST", "/projects/shop/segments", {"key": "s", "name": ""}),
        ("POST", "/client-tokens", {"name": "t", "type": "x", "projects": ["shop"], "environment": "production"}),
        ("PUT", "/projects/shop/environment-order", {"order": []}),
    ],
)
def test_bad_input_names_the_field(call: Caller, method: str, path: str, body: object) -> None:
    problem = call(method, path, body, status=422)
    assert problem["errors"][0]["pointer"]
    assert problem["errors"][0]["detail"]


def test_reading_and_writing_ask_for_a_role_in_the_project(call: Caller) -> None:
    stranger = Caller(add_person("Bo", "developer", project="bank"))
    for path in (
        "",
        "/environments",
        "/environments/production",
        "/environments/production/ruleset",
        "/client-tokens",
        "/flags",
        "/flags/menu",
        "/segments",
    ):
        stranger("GET", f"/projects/shop{path}", status=403)
    stranger("POST", "/projects/shop/flags", {"key": "f"}, status=403)
    stranger("PATCH", "/projects/shop/flags/menu", {"description": "x"}, status=403)
    stranger("POST", "/projects/shop/segments", {"key": "s", "name": "S"}, status=403)
    stranger("POST", "/projects/shop/environments/production/evaluate", {}, status=403)
    stranger("POST", "/projects", {"key": "b", "name": "B"}, status=403)
    assert stranger("GET", "/projects")["items"] == []
