"""Claims: `scim2-cli test` finds nothing against the real server, and what Okta and Entra send, in the forms that their
documentation shows, does what they mean by it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from ensign_testkit.directory import ENTERPRISE, GROUP, PATCH, USER, Directory, provisioned
from ensign_testkit.server import Server, serving
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

MICROSOFT_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("scim") / "data"
    return {"folder": str(folder), **provisioned(folder)}


@pytest.fixture(scope="module")
def server(made: dict[str, str]) -> Iterator[Server]:
    with serving(Path(made["folder"])) as running:
        yield running


@pytest.fixture
def idp(server: Server, made: dict[str, str]) -> Directory:
    def send(
        method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            connection.request(
                method, path.replace(" ", "%20"), None if body is None else json.dumps(body), dict(headers or {})
            )
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, dict(answer.headers), json.loads(text) if text else None
        finally:
            connection.close()

    return Directory(send=send, token=made["token"])


def test_the_conformance_tester_finds_nothing(server: Server, made: dict[str, str]) -> None:
    """What `scim2-cli test` runs, with the patience that a busy machine needs."""
    headers = {"Authorization": f"Bearer {made['token']}"}
    with httpx2.Client(base_url=f"{server.url}/scim/v2", headers=headers, timeout=120) as client:
        results = check_server(SyncSCIMClient(client))
    assert [(one.title, one.reason) for one in results if one.status is not Status.SUCCESS] == []
    assert len(results) > 80


def test_oktas_own_test_of_a_server(idp: Directory) -> None:
    idp.media_type = "application/scim+json; charset=utf-8"
    idp.headers = {"Accept": "application/scim+json", "User-Agent": "Okta SCIM Client 1.0.0"}
    user = {
        "schemas": [USER], "userName": "runscope.abc@atko.com", "name": {"familyName": "Scope", "givenName": "Run"},
        "emails": [{"primary": True, "value": "runscope.abc@atko.com", "type": "work"}], "displayName": "Run Scope",
        "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7", "groups": [], "password": "1mz050nq", "active": True,
    }  # fmt: skip
    assert idp.call("GET", '/Users?filter=userName eq "runscope.abc@atko.com"')["totalResults"] == 0
    created = idp.call("POST", "/Users", user, status=201)
    assert (created["active"], created["userName"]) == (True, user["userName"])
    assert created["name"] == {"familyName": "Scope", "givenName": "Run"}
    assert created["schemas"][0] == USER
    first = idp.call("GET", "/Users?count=1&startIndex=1")
    assert first["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert (first["itemsPerPage"], first["startIndex"]) == (1, 1)
    assert isinstance(first["totalResults"], int)
    assert first["Resources"][0]["emails"][0]["value"]
    assert idp.call("GET", f"/Users/{created['id']}")["name"]["familyName"] == "Scope"
    missing = idp.call("GET", "/Users/010101001010101011001010101011", status=404)
    assert missing["detail"]
    assert missing["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert idp.call("POST", "/Users", user, status=409)["scimType"] == "uniqueness"
    assert "totalResults" in idp.call("GET", "/Groups")


def test_what_okta_sends_over_a_persons_life(idp: Directory) -> None:
    idp.media_type = "application/scim+json; charset=utf-8"
    made = idp.add("okta.life@example.com", name={"givenName": "Life", "familyName": "Okta"})
    path = f"/Users/{made['id']}"
    replaced = {**made, "name": {"givenName": "Another", "familyName": "Okta"}, "groups": [], "password": "x"}
    assert idp.call("PUT", path, replaced)["name"]["givenName"] == "Another"
    assert idp.patch(path, {"op": "replace", "value": {"active": False}})["active"] is False
    assert idp.patch(path, {"op": "replace", "value": {"active": True}})["active"] is True
    group = idp.group("Test SCIMv2")
    where = f"/Groups/{group['id']}"
    idp.patch(where, {"op": "replace", "value": {"id": group["id"], "displayName": "Test SCIMv2 renamed"}}, status=204)
    assert idp.call("GET", where)["displayName"] == "Test SCIMv2 renamed"
    member = {"value": made["id"], "display": "okta.life@example.com"}
    idp.patch(where, {"op": "add", "path": "members", "value": [member]}, status=204)
    idp.patch(where, {"op": "add", "path": "members", "value": [member]}, status=204)
    assert [one["value"] for one in idp.call("GET", where)["members"]] == [made["id"]]
    idp.patch(where, {"op": "remove", "path": f'members[value eq "{made["id"]}"]'}, status=204)
    assert "members" not in idp.call("GET", where)
    idp.patch(where, {"op": "replace", "path": "members", "value": [member]}, status=204)
    whole = {"schemas": [GROUP], "id": group["id"], "displayName": "Test SCIMv2", "members": [member]}
    assert idp.call("PUT", where, whole)["displayName"] == "Test SCIMv2"
    idp.call("DELETE", where, status=204)


def test_what_entra_sends_over_a_persons_life(idp: Directory) -> None:
    idp.headers = {"Accept": "application/scim+json"}
    name = "Test_User_ab6490ee@testuser.com"
    assert idp.call("GET", f'/Users?filter=userName eq "{name}"')["Resources"] == []
    made = idp.call(
        "POST",
        "/Users",
        {
            "schemas": [USER, ENTERPRISE], "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": name,
            "active": True, "emails": [{"primary": True, "type": "work", "value": "Test_User_fd0ea19b@testuser.com"}],
            "meta": {"resourceType": "User"}, "roles": [],
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        },
        status=201,
    )  # fmt: skip
    path = f"/Users/{made['id']}"
    found = idp.call("GET", '/Users?filter=externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"')
    assert [one["id"] for one in found["Resources"]] == [made["id"]]
    patched = idp.patch(
        path,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "updatedEmail@microsoft.com"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Payments"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+46 8 123"},
    )
    assert patched["emails"][0]["value"] == "updatedEmail@microsoft.com"
    assert patched["name"]["familyName"] == "updatedFamilyName"
    assert patched[ENTERPRISE]["department"] == "Payments"
    boss = idp.add("entra.boss@example.com")
    assert idp.patch(path, {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": boss["id"]})[ENTERPRISE][
        "manager"
    ] == {"value": boss["id"]}
    dotted = {"op": "add", "value": {"name.givenName": "Dotted", f"{ENTERPRISE}:department": "Sales", "Active": "True"}}
    after = idp.patch(path, dotted)
    assert (after["name"]["givenName"], after[ENTERPRISE]["department"]) == ("Dotted", "Sales")
    assert idp.patch(path, {"op": "Replace", "path": "active", "value": "False"})["active"] is False
    assert idp.patch(path, {"op": "Replace", "path": "active", "value": "True"})["active"] is True
    assert idp.patch(path, {"op": "Replace", "path": "userName", "value": "5b50642d@testuser.com"})["userName"] == (
        "5b50642d@testuser.com"
    )
    idp.call("DELETE", path, status=204)
    idp.call("GET", path, status=404)


def test_what_entra_sends_over_a_groups_life(idp: Directory) -> None:
    anna, bo = idp.add("entra.anna@example.com"), idp.add("entra.bo@example.com")
    made = idp.call(
        "POST",
        "/Groups",
        {
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "schemas": [GROUP, MICROSOFT_GROUP],
            "displayName": "displayName", "meta": {"resourceType": "Group"},
        },
        status=201,
    )  # fmt: skip
    path = f"/Groups/{made['id']}"
    assert "members" not in idp.call("GET", f"{path}?excludedAttributes=members")
    found = idp.call("GET", '/Groups?excludedAttributes=members&filter=displayName eq "displayName"')
    assert [one["id"] for one in found["Resources"]] == [made["id"]]
    add = {
        "op": "Add",
        "path": "members",
        "value": [{"$ref": None, "value": anna["id"]}, {"$ref": None, "value": bo["id"]}],
    }
    assert idp.ask("PATCH", path, {"schemas": [PATCH], "Operations": [add]})[0] == 204
    belongs = idp.call("GET", f'/Groups?filter=id eq "{made["id"]}" and members eq "{anna["id"]}"&attributes=id')
    assert belongs["totalResults"] == 1
    idp.patch(path, {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": anna["id"]}]}, status=204)
    assert [one["value"] for one in idp.call("GET", path)["members"]] == [bo["id"]]
    idp.patch(path, {"op": "Replace", "path": "displayName", "value": "1879db59"}, status=204)
    idp.call("DELETE", path, status=204)
