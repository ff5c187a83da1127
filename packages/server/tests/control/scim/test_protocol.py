"""Claims: who may speak, in which form errors come, what filters, pages, orders and conditions answer; no other token
opens the door and the directory's opens no other; a thousand members and filters from a fool do no harm."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from ensign.control.access import service_accounts
from ensign.control.access import tokens as api_tokens
from ensign.control.access.decisions import held
from ensign.control.access.permissions import Permission
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity.actors import from_token
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid, Unauthenticated
from ensign.control.scim import refusals, tokens
from ensign.control.scim.models import DirectoryToken, DirectoryUser
from ensign_testkit.changing import last_entry
from ensign_testkit.directory import PATCH, USER, Directory
from ensign_testkit.people import add_person, sign_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


# --- Tokens -----------------------------------------------------------------------------------------


def test_no_other_token_and_no_session_opens_the_door(idp: Directory, admin: Actor) -> None:
    at = clock.now()
    service = service_accounts.create(actor=admin, at=at, name="ci", purpose="p", owner=admin.id)
    made = [
        api_tokens.create_personal(actor=admin, at=at, wish=TokenWish(name="x")).text,
        api_tokens.create_for_service(actor=admin, at=at, service_account_id=service.id, wish=TokenWish(name="x")).text,
        "", "ensign_scim_", "ensign_scim_" + "A" * 43, "*:production.abc",
    ]  # fmt: skip
    right = idp.token
    for text in made:
        idp.token = text
        status, headers, body = idp.ask("GET", "/Users")
        assert (status, body["schemas"], body["status"]) == (401, [ERROR], "401")
        assert headers["WWW-Authenticate"].startswith("Bearer")
    assert sign_in(Client(), admin).get("/scim/v2/Users").status_code == 401
    idp.token = right
    idp.call("GET", "/Users")


def test_the_directorys_token_opens_nothing_else(idp: Directory) -> None:
    for path in ("/api/v1/whoami", "/api/v1/people", "/api/v1/log", "/api/v1/directory"):
        assert Client().get(path, headers={"Authorization": f"Bearer {idp.token}"}).status_code == 401
    with pytest.raises(Unauthenticated):
        from_token(idp.token, at=clock.now())
    actor = tokens.actor(idp.token, at=clock.now())
    rights = held(actor, at=clock.now())
    assert not any(rights.allows(permission) for permission in Permission if str(permission).startswith("org:"))


def test_a_token_is_stored_hashed_expires_and_is_revoked_at_once(idp: Directory, admin: Actor) -> None:
    at = clock.now()
    row = DirectoryToken.objects.get()
    assert idp.token not in row.content
    assert idp.token.startswith("ensign_scim_")
    tokens.actor(idp.token, at=at + timedelta(days=179))
    with pytest.raises(Unauthenticated):
        tokens.actor(idp.token, at=at + timedelta(days=181))
    with pytest.raises(Invalid):
        tokens.create(actor=admin, at=at, name="for ever", days=366)
    tokens.revoke(actor=admin, at=at, token_id=row.pk)
    idp.call("GET", "/Users", status=401)
    idp.add(status=401)


def test_rotation_lets_both_work_until_the_overlap_is_over(idp: Directory, admin: Actor) -> None:
    at = clock.now()
    old = DirectoryToken.objects.get()
    made = tokens.rotate(actor=admin, at=at, token_id=old.pk, overlap_hours=2)
    assert made.token.replaces == old.pk
    for text in (idp.token, made.text):
        tokens.actor(text, at=at + timedelta(hours=1))
    tokens.actor(made.text, at=at + timedelta(hours=3))
    with pytest.raises(Unauthenticated):
        tokens.actor(idp.token, at=at + timedelta(hours=3))
    assert last_entry("directory.token_rotated")["detail"] == {"replaces": old.pk, "overlap_hours": 2}


def test_only_who_may_connect_a_directory_makes_tokens(idp: Directory, admin: Actor) -> None:
    at = clock.now()
    for actor in (add_person("Dan", "developer"), add_person("Au", "auditor"), tokens.actor(idp.token, at=at)):
        with pytest.raises(Denied):
            tokens.create(actor=actor, at=at, name="mine")
    mine = api_tokens.create_personal(actor=admin, at=at, wish=TokenWish(name="x")).text
    with pytest.raises(Denied, match="No token may"):
        tokens.create(actor=from_token(mine, at=at), at=at, name="by token")


def test_too_many_requests_are_told_when_to_come_back(idp: Directory) -> None:
    idp.token = "ensign_scim_" + "B" * 43
    with override_settings(SCIM_RATE=3):
        found = [idp.ask("GET", "/Users") for _ in range(5)]
    assert 429 in [status for status, _, _ in found]
    status, headers, body = found[-1]
    assert (status, headers["Retry-After"], body["schemas"]) == (429, "30", [ERROR])


# --- Form -------------------------------------------------------------------------------------------


def test_the_configuration_is_open_and_says_what_is_so(idp: Directory) -> None:
    idp.token = ""
    config = idp.call("GET", "/ServiceProviderConfig")
    assert (config["bulk"]["supported"], config["changePassword"]["supported"]) == (False, False)
    assert all(config[name]["supported"] for name in ("patch", "filter", "sort", "etag"))
    idp.call("GET", "/Schemas", status=401)


def test_what_is_not_supported_says_so_in_scims_form(idp: Directory) -> None:
    assert idp.call("GET", "/Me", status=501)["schemas"] == [ERROR]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": []}
    idp.call("POST", "/Bulk", bulk, status=501)
    assert idp.call("GET", "/Nothing", status=404)["schemas"] == [ERROR]
    status, headers, _ = idp.ask("DELETE", "/Users")
    assert (status, headers["Content-Type"]) == (405, "application/scim+json; charset=utf-8")
    assert "GET" in headers["Allow"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"{}", b"[" * 100_000, b'{"Operations": 1}'])
def test_garbage_is_refused_not_served(idp: Directory, body: bytes) -> None:
    for method, path in (("POST", "/Users"), ("POST", "/Groups"), ("POST", "/Users/.search")):
        status, _, found = idp.ask(method, path, body)
        assert status in {200, 400} if path.endswith(".search") else status == 400
        assert status == 200 or found["schemas"] == [ERROR]
    made = idp.add()
    status, _, found = idp.ask("PATCH", f"/Users/{made['id']}", body)
    assert (status, found["schemas"]) == (400, [ERROR])


def test_what_is_too_large_is_refused(idp: Directory) -> None:
    big = json.dumps({"schemas": [USER], "userName": "a", "title": "x" * 1_100_000}).encode()
    assert idp.ask("POST", "/Users", big)[0] == 413
    made = idp.add()
    many = [{"op": "replace", "path": "title", "value": "x"}] * 101
    assert idp.ask("PATCH", f"/Users/{made['id']}", {"schemas": [PATCH], "Operations": many})[0] == 400
    assert idp.ask("GET", "/Users?filter=" + "(" * 900 + "title pr" + ")" * 900)[0] == 400
    assert idp.ask("GET", "/Users?filter=" + "(" * 480 + "title pr" + ")" * 480)[0] in {200, 400}


def test_refusals_are_kept_for_administrators_without_what_was_sent(idp: Directory) -> None:
    idp.add("anna@example.com")
    idp.add("anna@example.com", title="Secret Agent", status=409)
    idp.call("GET", '/Users?filter=userName zz "Secret"', status=400)
    idp.call("GET", "/Users/usr_nobody", status=404)
    kept = refusals.last()
    assert [(one.status, one.kind) for one in kept] == [(400, "invalidFilter"), (409, "name-taken")]
    assert not any("Secret" in one.message or "anna" in one.message for one in kept)


# --- Conditions, filters, pages ---------------------------------------------------------------------


def test_versions_guard_against_lost_updates(idp: Directory) -> None:
    made = idp.add()
    path = f"/Users/{made['id']}"
    tag = made["meta"]["version"]
    assert idp.ask("GET", path, If_None_Match=tag)[0] == 304
    change = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "One"}]}
    status, headers, _ = idp.ask("PATCH", path, change, If_Match=tag)
    assert (status, headers["ETag"] != tag) == (200, True)
    assert idp.ask("PATCH", path, change, If_Match=tag)[0] == 412
    assert idp.ask("DELETE", path, If_Match=tag)[0] == 412
    assert idp.ask("PATCH", path, change)[1]["ETag"] == headers["ETag"]  # nothing changed, so neither did the version
    group = idp.group("Engineers")
    where, tag = f"/Groups/{group['id']}", group["meta"]["version"]
    idp.patch(where, {"op": "add", "path": "members", "value": [{"value": made["id"]}]}, status=204)
    assert idp.ask("GET", where, If_None_Match=tag)[0] == 200
    assert idp.ask("DELETE", where, If_Match=tag)[0] == 412


PEOPLE = [
    ("anna@example.com", {"title": "Engineer", "externalId": "Ext1", "active": True}),
    ("bo@example.com", {"title": "engineer", "externalId": "ext1", "active": False}),
    ("cy@example.org", {"externalId": "ext3", "emails": [{"value": "c@home.example", "type": "home"}]}),
]
FILTERS = {
    'userName eq "ANNA@example.com"': "a",
    'UserName Eq "anna@example.com"': "a",
    f'{USER}:userName eq "bo@example.com"': "b",
    'externalId eq "ext1"': "b",
    'externalId eq "Ext1"': "a",
    'title eq "ENGINEER"': "ab",
    "title pr": "ab",
    "not (title pr)": "c",
    "active eq false": "b",
    "active eq true": "ac",
    'userName sw "b"': "b",
    'userName ew "example.com"': "ab",
    'userName co "@example."': "abc",
    'title pr and userName ne "bo@example.com"': "a",
    'userName eq "anna@example.com" or externalId eq "ext3"': "ac",
    'emails[type eq "home"]': "c",
    'emails[type eq "home" and value co "@home."]': "c",
    'emails.value eq "c@home.example"': "c",
    'meta.lastModified gt "2001-01-01T00:00:00Z"': "abc",
    'meta.created lt "2001-01-01T00:00:00Z"': "",
    'userName eq "nobody"': "",
}


def test_filters_find_what_they_say(idp: Directory) -> None:
    for name, more in PEOPLE:
        idp.add(name, **more)
    for text, wanted in FILTERS.items():
        found = idp.call("GET", f"/Users?filter={text}")
        assert "".join(sorted(one["userName"][0] for one in found["Resources"])) == wanted, text
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": text}
        assert idp.call("POST", "/Users/.search", body)["totalResults"] == len(wanted)
    for text in ("userName", 'userName zz "x"', 'userName eq "x', "a" * 999, "active gt true"):
        refused = idp.call("GET", f"/Users?filter={text}", status=400)
        assert refused["scimType"] == "invalidFilter", text


def test_pages_by_index_and_by_cursor_hold_everybody_once(idp: Directory) -> None:
    for number in range(7):
        idp.add(f"p{6 - number}@example.com")

    def names(found: Any) -> list[str]:
        return [one["userName"] for one in found["Resources"]]

    everybody = names(idp.call("GET", "/Users"))
    paged = []
    for start in (1, 4, 7):
        page = idp.call("GET", f"/Users?startIndex={start}&count=3")
        assert page["totalResults"] == 7
        paged += names(page)
    assert paged == everybody
    for order in ("", "&sortBy=userName", "&sortBy=userName&sortOrder=descending"):
        found, cursor = [], ""
        while True:
            page = idp.call("GET", f"/Users?count=3&cursor={cursor}{order}")
            found += names(page)
            cursor = page.get("nextCursor", "")
            if not cursor:
                break
        assert sorted(found) == sorted(everybody)
        assert len(found) == 7
        if order:
            assert found == sorted(found, reverse="descending" in order)
    assert idp.call("GET", "/Users?count=0")["totalResults"] == 7
    assert idp.call("GET", "/Users?startIndex=99")["Resources"] == []
    assert idp.call("GET", "/Users?cursor=made-up", status=400)["scimType"] == "invalidCursor"


def test_attributes_asked_for_are_all_that_comes(idp: Directory) -> None:
    idp.add(title="Engineer")
    only = idp.call("GET", "/Users?attributes=userName")["Resources"][0]
    assert set(only) == {"schemas", "id", "userName"}
    less = idp.call("GET", "/Users?excludedAttributes=title")["Resources"][0]
    assert "title" not in less
    assert "userName" in less


# --- PATCH against a model --------------------------------------------------------------------------

TEXTS = ("title", "displayName", "externalId", "name.givenName", "name.familyName")
_values = st.sampled_from(["Å", "b", "Cc", "d e"])
_simple = st.tuples(st.sampled_from(["add", "Replace", "REMOVE"]), st.sampled_from(TEXTS), _values)
_mail = st.tuples(st.sampled_from(["Add", "replace"]), st.sampled_from(["work", "home"]), st.sampled_from("ab"))
_some = st.dictionaries(st.sampled_from(TEXTS), _values, min_size=1, max_size=3)
_whole = st.tuples(st.just("whole"), _some, st.none())


def _apply(model: dict[str, Any], operation: tuple[Any, Any, Any], own: str) -> dict[str, Any]:
    """What an operation does to a model of the user: a flat dictionary, with addresses by type; returns it as JSON."""
    act, where, value = operation
    if act == "whole":
        model.update(where)
        return {"op": "Replace", "value": where}
    if where in ("work", "home"):
        value = f"{value}@{own}.example"  # an address belongs to one person, and stays with who is gone
        model[f"emails.{where}"] = value
        return {"op": act, "path": f'emails[type eq "{where}"].value', "value": value}
    if act == "REMOVE":
        model.pop(where, None)
        return {"op": act, "path": where}
    model[where] = value
    return {"op": act, "path": where, "value": value}


def _flat(user: dict[str, Any]) -> dict[str, Any]:
    found = {name: user[name] for name in ("title", "displayName", "externalId") if name in user}
    found |= {f"name.{name}": value for name, value in user.get("name", {}).items() if name != "formatted"}
    return found | {f"emails.{one['type']}": one["value"] for one in user.get("emails", [])}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(st.lists(_simple | _mail | _whole, min_size=1, max_size=3), min_size=1, max_size=4))
def test_patches_in_all_their_forms_do_what_a_model_says(idp: Directory, steps: list[list[Any]]) -> None:
    own = f"p{DirectoryUser.objects.count()}"
    made = idp.call("POST", "/Users", {"schemas": [USER], "userName": own}, status=201)
    model: dict[str, Any] = {}
    for operations in steps:
        idp.patch(f"/Users/{made['id']}", *[_apply(model, one, own) for one in operations])
        assert _flat(idp.call("GET", f"/Users/{made['id']}")) == model
    idp.call("DELETE", f"/Users/{made['id']}", status=204)


_moves = st.tuples(
    st.sampled_from(["add", "Remove", "filter", "replace", "rename"]), st.sets(st.integers(0, 4), min_size=1)
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(st.lists(_moves, min_size=1, max_size=3), min_size=1, max_size=4))
def test_members_come_and_go_as_in_a_set_whichever_way_it_is_said(
    idp: Directory, steps: list[list[tuple[str, set[int]]]]
) -> None:
    def known(number: int) -> str:
        found = idp.call("GET", f'/Users?filter=userName eq "m{number}"')["Resources"]
        return str(found[0]["id"] if found else idp.add(f"m{number}")["id"])

    ids = [known(number) for number in range(5)]
    group = idp.group(f"g{Entry.objects.count()}", ids[0])
    model = {ids[0]}
    for operations in steps:
        sent: list[dict[str, Any]] = []
        for act, numbers in operations:
            some = {ids[number] for number in numbers}
            values = [{"value": one, "$ref": None} for one in sorted(some)]
            if act == "rename":
                sent.append({"op": "replace", "path": "displayName", "value": f"r{Entry.objects.count()}"})
            elif act == "filter":
                sent += [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in sorted(some)]
                model -= some
            elif act == "Remove":
                sent.append({"op": act, "path": "members", "value": values if len(sent) % 2 else _bare(values)})
                model -= some
            else:
                sent.append({"op": act, "path": "members", "value": _bare(values)})
                model = some if act == "replace" else model | some
        idp.patch(f"/Groups/{group['id']}", *sent, status=204)
        got = idp.call("GET", f"/Groups/{group['id']}")
        assert {one["value"] for one in got.get("members", [])} == model


def _bare(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"value": one["value"]} for one in values]
