"""Claims: the report shows who left with all times side by side, marks what stands out, and is worked out from the log
alone; the same by page, API and command line; pages are refused to those without the right."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from ensign.control.access import people
from ensign.control.access import tokens as api_tokens
from ensign.control.access.findings import findings
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.ledger import record
from ensign.control.identity import actions as identity_actions
from ensign.control.identity import sign_in as signing
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid
from ensign.control.kernel.transactions import write_door
from ensign.control.scim import departures, leavers
from ensign_testkit.changing import last_entry
from ensign_testkit.directory import EMPLOYMENT, Directory
from ensign_testkit.people import add_person, sign_in

DAY = timedelta(days=1)


def report(**given: object) -> leavers.Report:
    at = clock.now()
    return leavers.report(since=at - 30 * DAY, until=at + DAY, at=at)


def test_times_stand_side_by_side(idp: Directory, admin: Actor) -> None:
    bo = add_person("Bo Dahl", email="bo@example.com")
    api_tokens.create_personal(actor=bo, at=clock.now(), wish=TokenWish(name="laptop"))
    ended = clock.now() - timedelta(hours=2)
    idp.add("bo@example.com", **{EMPLOYMENT: {"terminationAt": ended.isoformat()}})
    sign_in(Client(), bo)
    idp.patch(f"/Users/{bo.id}", {"op": "replace", "path": "active", "value": False})
    signing.refused("password", person_id=bo.id, at=clock.now())
    made = report()
    (row,) = made.leavers
    assert (row.person_id, row.name, row.disabled_by) == (bo.id, "Bo Dahl", "sys_directory")
    assert row.termination_at == ended
    assert row.idp_disabled_at is not None
    assert row.platform_disabled_at == row.sessions_revoked_at == row.tokens_revoked_at
    assert row.tokens == 1
    assert row.latency_h == 2.0
    assert (row.activity_after_termination, row.refused_after_termination) == (1, 1)  # the token was made afterwards
    assert row.exceptions == (leavers.ACTIVE_AFTER,)
    assert made.exceptions == 1


def test_late_is_more_than_the_organisation_allows(idp: Directory, admin: Actor) -> None:
    bo = add_person("Bo Dahl")
    ended = clock.now() - timedelta(hours=30)
    departures.set_by_hand(actor=admin, at=clock.now(), person_id=bo.id, terminated_at=ended, reason="HR told us")
    assert [one.subject for one in findings(at=clock.now()) if one.code == "leaver-still-active"] == [bo.id]
    (row,) = report().leavers
    assert (row.platform_disabled_at, row.exceptions) == (None, (leavers.STILL_ACTIVE, leavers.LATE))
    people.deactivate(actor=admin, at=clock.now(), person_id=bo.id)
    (row,) = report().leavers
    assert (row.exceptions, row.idp_disabled_at, row.disabled_by) == ((leavers.LATE,), None, admin.id)
    departures.set_hours(actor=admin, at=clock.now(), hours=48)
    (row,) = report().leavers
    assert row.exceptions == ()
    assert last_entry("leaver_policy.set")["detail"] == {"hours": 48}
    assert not [one for one in findings(at=clock.now()) if one.code == "leaver-still-active"]


def test_a_rehire_begins_anew(idp: Directory, admin: Actor) -> None:
    bo = add_person("Bo Dahl", email="bo@example.com")
    idp.add("bo@example.com")
    path = f"/Users/{bo.id}"
    for active in (False, True, False):
        idp.patch(path, {"op": "replace", "path": "active", "value": active})
    second, first = report().leavers
    assert first.idp_disabled_at is not None
    assert second.idp_disabled_at is not None
    assert first.platform_disabled_at is not None
    assert first.platform_disabled_at < second.idp_disabled_at


def test_nothing_is_worked_out_of_nothing(admin: Actor) -> None:
    bo = add_person("Bo Dahl")
    people.deactivate(actor=admin, at=clock.now(), person_id=bo.id)
    (row,) = report().leavers
    assert (row.termination_at, row.idp_disabled_at, row.latency_h, row.exceptions) == (None, None, None, ())
    with pytest.raises(Invalid):
        leavers.report(since=clock.now(), until=clock.now() - DAY, at=clock.now())


def test_activity_counts_entries_of_the_leaver_and_of_nobody_else(admin: Actor) -> None:
    bo = add_person("Bo Dahl")
    ended = clock.now() - timedelta(hours=1)
    departures.set_by_hand(actor=admin, at=clock.now(), person_id=bo.id, terminated_at=ended)
    with write_door():
        for actor in (bo, bo, admin):
            record(action=identity_actions.SIGNED_OUT, actor=actor, at=clock.now())
    people.deactivate(actor=admin, at=clock.now(), person_id=bo.id)
    (row,) = report().leavers
    assert row.activity_after_termination == 2


def test_nobody_writes_evidence_about_their_own_leaving(admin: Actor) -> None:
    with pytest.raises(Invalid):
        departures.set_by_hand(actor=admin, at=clock.now(), person_id=admin.id, terminated_at=clock.now())
    with pytest.raises(Denied):
        departures.set_by_hand(actor=add_person("Vi", "viewer"), at=clock.now(), person_id=admin.id, terminated_at=None)


def test_what_the_directory_does_not_say_leaves_what_was_said_by_hand(idp: Directory, admin: Actor) -> None:
    bo = add_person("Bo Dahl", email="bo@example.com")
    when = clock.now() + DAY
    departures.set_by_hand(actor=admin, at=clock.now(), person_id=bo.id, terminated_at=when)
    made = idp.add("bo@example.com")
    assert departures.terminated_at(bo.id) == when
    idp.patch(f"/Users/{made['id']}", {"op": "add", "path": "title", "value": "x"})
    assert departures.terminated_at(bo.id) == when


def test_the_export_is_the_report_and_an_entry_that_names_its_digest(idp: Directory, admin: Actor) -> None:
    bo = add_person("Bo, “the” Dahl")
    people.deactivate(actor=admin, at=clock.now(), person_id=bo.id)
    at = clock.now()
    data = leavers.export(actor=admin, at=at, since=at - DAY, until=at + DAY)
    (row,) = csv.DictReader(io.StringIO(data.decode()))
    assert (row["person_id"], row["name"], row["exceptions"]) == (bo.id, "Bo, “the” Dahl", "")
    said = last_entry("leavers.exported")["detail"]
    assert (said["rows"], said["sha256"]) == (1, hashlib.sha256(data).hexdigest())
    with pytest.raises(Denied):
        leavers.export(actor=add_person("Dan", "developer"), at=at, since=at - DAY, until=at + DAY)


# --- Pages and API ----------------------------------------------------------------------------------


@pytest.fixture
def filled(idp: Directory, admin: Actor) -> dict[str, str]:
    """A leaver, a refusal, a token; the addresses about them."""
    bo = idp.add("bo@example.com", displayName="Bo Dahl")
    idp.add("bo@example.com", status=409)
    idp.group("Engineers", bo["id"])
    idp.patch(f"/Users/{bo['id']}", {"op": "replace", "path": "active", "value": False})
    token = json.loads(sign_in(Client(), admin).get("/api/v1/directory/tokens").content)["items"][0]["id"]
    return {
        "directory": reverse("scim:directory"),
        "token": reverse("scim:token-new"),
        "rotate": reverse("scim:token-rotate", args=[token]),
        "leavers": reverse("scim:leavers"),
        "departure": reverse("scim:departure", args=[bo["id"]]),
    }


def test_every_page_renders_and_is_refused_to_those_without_the_right(filled: dict[str, str], admin: Actor) -> None:
    viewer = add_person("Vi Viewer", "viewer")
    auditor = add_person("Au Ditor", "auditor")
    for name, address in filled.items():
        assert sign_in(Client(), admin).get(address).status_code == 200, name
        assert sign_in(Client(), viewer).get(address).status_code == 403, name
        assert Client().get(address).status_code == 302, name
        expected = 200 if name in {"directory", "leavers"} else 403
        assert sign_in(Client(), auditor).get(address).status_code == expected, name
    page = sign_in(Client(), auditor).get(filled["directory"]).content.decode()
    assert "/scim/v2" in page
    assert "several" not in page  # every entry says whom or what it is about
    assert "name-taken" in page
    assert "bo@example.com" not in page
    leaving = sign_in(Client(), auditor).get(filled["leavers"] + "?since=2020-01-01&until=2999-12-31").content.decode()
    assert "Bo Dahl" in leaving
    assert sign_in(Client(), auditor).get(filled["leavers"] + "?since=x&until=y").status_code == 422


def test_a_token_is_made_rotated_and_revoked_on_the_pages(filled: dict[str, str], admin: Actor, idp: Directory) -> None:
    client = sign_in(Client(), admin)
    shown = client.post(filled["token"], {"name": "Okta", "days": 30}).content.decode()
    assert "ensign_scim_" in shown
    again = client.post(filled["rotate"], {"days": 30, "overlap_hours": 0}).content.decode()
    assert "ensign_scim_" in again
    idp.call("GET", "/Users", status=401)
    token = client.get("/api/v1/directory/tokens").json()["items"][0]["id"]
    assert client.post(reverse("scim:token-revoke", args=[token])).status_code == 303
    assert client.post(filled["departure"], {"terminated_at": "2026-01-31T17:00"}).status_code == 303
    assert client.post(reverse("scim:leavers-limit"), {"hours": "12"}).status_code == 303
    assert departures.hours() == 12
    exported = client.post(reverse("scim:leavers-export"), {"since": "2020-01-01", "until": "2999-12-31"})
    assert exported["Content-Type"].startswith("text/csv")


def test_the_api_says_the_same(filled: dict[str, str], admin: Actor) -> None:
    client = sign_in(Client(), admin)
    assert client.get("/api/v1/directory").json()["users"] == 1
    assert client.get("/api/v1/directory/refusals").json()["items"][0]["kind"] == "name-taken"
    found = client.get("/api/v1/access/leavers?since=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z").json()
    assert (len(found["items"]), found["limit_hours"], found["items"][0]["name"]) == (1, 24, "Bo Dahl")
    person = found["items"][0]["person_id"]
    body = {"terminated_at": "2026-01-31T17:00:00Z"}
    put = client.put(f"/api/v1/people/{person}/departure", body, content_type="application/json")
    assert put.json() == {"person_id": person, "terminated_at": "2026-01-31T17:00:00Z"}
    mine = api_tokens.create_personal(actor=admin, at=clock.now(), wish=TokenWish(name="x")).text
    by_token = Client(headers={"Authorization": f"Bearer {mine}"})
    assert by_token.get("/api/v1/directory").status_code == 200
    made = by_token.post("/api/v1/directory/tokens", {"name": "x"}, content_type="application/json")
    assert made.status_code == 403
    viewer = sign_in(Client(), add_person("Vi Viewer", "viewer"))
    assert viewer.get("/api/v1/directory").status_code == 403
