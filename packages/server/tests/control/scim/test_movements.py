"""Claims: the report shows who came and who moved with who asked, who approved, when roles came and when the old ones
ended; it follows from the log alone; the same by page, API and file."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import fields
from datetime import datetime, timedelta

import pytest
from django.test import Client
from ensign.control.access import grants, groups, people, requests
from ensign.control.access.asked import RequestView
from ensign.control.access.domain import GrantView, Scope
from ensign.control.access.grants import Wish
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid
from ensign.control.scim import movements
from ensign.control.scim.movements import Movement
from ensign_testkit.changing import last_entry
from ensign_testkit.directory import Directory
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.targets import shop

DAY = timedelta(days=1)
SHOP, DEV = Scope("shop"), Scope("shop", "development")
FOREVER = "since=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z"


@pytest.fixture
def second(admin: Actor) -> Actor:
    shop()
    return add_person("Second", "admin")


def rows(since: datetime, until: datetime | None = None) -> dict[str, Movement]:
    at = clock.now()
    made = movements.report(since=since, until=until or at + DAY, at=at)
    found = {one.person_id: one for one in made.rows}
    assert len(found) == len(made.rows)
    return found


def developer(admin: Actor, who: str, scope: Scope = SHOP) -> GrantView:
    given = grants.give(actor=admin, at=clock.now(), subject=who, wish=Wish(role="developer", scope=scope))
    assert isinstance(given, GrantView)
    return given


def test_a_joiner_by_invitation_with_who_asked_approved_and_the_first_sign_in(admin: Actor, second: Actor) -> None:
    since = clock.now()
    wish = Wish(role="approver", scope=SHOP)
    made = people.invite(actor=admin, at=clock.now(), email="bo@example.com", wishes=[wish], reason="on call")
    (waiting,) = made.waiting
    (before,) = rows(since).values()
    assert (before.event, before.way, before.requested_by) == ("joined", "invitation", admin.id)
    assert (before.approved_by, before.provisioned_at, before.first_use_at) == ((), None, None)
    requests.approve(actor=second, at=clock.now(), request_id=waiting.id)
    (row,) = rows(since).values()
    assert row.approved_by == (admin.id, second.id)
    assert row.provisioned_at == row.approved_at
    assert row.effective_at < row.provisioned_at  # type: ignore[operator]  # it is there, as the line above says
    assert row.seq == last_entry("person.invited")["seq"]


def test_a_joiner_of_the_directory_has_a_role_when_the_group_has_one(idp: Directory, admin: Actor) -> None:
    shop()
    since = clock.now()
    bo = idp.add("bo@example.com")
    idle = idp.group("Everybody", bo["id"])
    (row,) = rows(since).values()
    assert (row.way, row.requested_by, row.provisioned_at) == ("directory", "sys_directory", None)
    assert identity.group(idle["id"]).members == (bo["id"],)
    group = idp.group("Engineers")
    developer(admin, group["id"])
    idp.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": bo["id"]}]}, status=204)
    (row,) = rows(since).values()
    assert row.approved_by == ("sys_directory",)
    assert row.provisioned_at is not None
    born = idp.add("gone@example.com", active=False)
    assert born["id"] not in rows(since)


def test_whom_one_lets_in_again_is_a_joiner_whose_roles_of_before_count(admin: Actor, second: Actor) -> None:
    bo = add_person("Bo Dahl", "viewer")
    since = clock.now()
    people.deactivate(actor=admin, at=clock.now(), person_id=bo.id)
    assert rows(since) == {}  # a leaver is none of this report
    people.reactivate(actor=admin, at=clock.now(), person_id=bo.id)
    sign_in(Client(), bo)
    (row,) = rows(since).values()
    assert (row.event, row.way, row.new_roles) == ("returned", "reactivation", ("viewer",))
    assert row.provisioned_at == row.effective_at


def test_a_mover_with_roles_before_and_after_and_when_the_old_ones_ended(admin: Actor, second: Actor) -> None:
    bo = add_person("Bo Dahl")
    old = developer(admin, bo.id, DEV)
    group = groups.create(actor=admin, at=clock.now(), name="Readers").id
    grants.give(actor=admin, at=clock.now(), subject=group, wish=Wish(role="viewer", scope=SHOP))
    groups.add_member(actor=admin, at=clock.now(), group_id=group, person_id=bo.id)
    since = clock.now()
    begun = grants.give(
        actor=admin, at=clock.now(), subject=bo.id, wish=Wish(role="approver", scope=SHOP), reason="moves"
    )
    assert isinstance(begun, RequestView)
    done = requests.approve(actor=second, at=clock.now(), request_id=begun.id)
    (kept,) = rows(since).values()
    assert (kept.old_removed_at, kept.exceptions) == (None, (movements.KEPT_ALL,))
    grants.end(actor=admin, at=clock.now(), grant_id=old.id)
    ended = last_entry("grant.ended")["ts"]
    (row,) = rows(since).values()
    assert clock.text(row.old_removed_at or since) == ended
    groups.remove_member(actor=admin, at=clock.now(), group_id=group, person_id=bo.id)
    (row,) = rows(since).values()
    assert (row.event, row.person_id) == ("moved", bo.id)
    assert row.old_roles == ("developer in shop/development", "viewer in shop via Readers")
    assert row.new_roles == ("approver in shop",)
    assert (row.requested_by, row.approved_by) == (admin.id, (admin.id, second.id))
    assert (row.requested_at, row.approved_at) == (begun.requested_at, done.decided_at)
    assert clock.text(row.old_removed_at or since) == last_entry("group.member_removed")["ts"]
    assert row.exceptions == ()
    assert rows(since, until=since + timedelta(microseconds=1)) == {}  # the end is not of the period
    assert rows(clock.now()) == {}


def test_a_role_that_ran_out_ended_when_it_ran_out(admin: Actor, second: Actor) -> None:
    bo = add_person("Bo Dahl")
    at = clock.now()
    ends = at + timedelta(hours=1)
    grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role="developer", scope=DEV, ends_at=ends))
    with clock.simulated(at + timedelta(hours=2)):
        requests.tick(at=clock.now())
        (row,) = rows(at + timedelta(minutes=30)).values()
    assert (row.new_roles, row.old_removed_at, row.requested_by) == ((), ends, "")


def test_page_api_and_file_say_the_same(admin: Actor, second: Actor) -> None:
    since = clock.now()
    people.invite(actor=admin, at=since, email="bo@example.com", name="Bo Dahl")
    client = sign_in(Client(), add_person("Au Ditor", "auditor"))
    found = client.get(f"/api/v1/access/movements?{FOREVER}").json()
    assert "Bo Dahl" in [one["name"] for one in found["items"]]
    page = client.get("/access/movements").content.decode()
    assert "Bo Dahl" in page
    assert "by an invitation" in page
    assert client.get("/access/movements?since=x&until=y").status_code == 422
    assert client.get("/access/movements?since=0001-01-01&until=9999-12-31").status_code == 200
    for report in ("movements", "leavers"):
        edge = f"/api/v1/access/{report}?since=0001-01-01T00:00:00%2B14:00&until=2999-01-01T00:00:00Z"
        assert client.get(edge).status_code == 422
    assert client.get("/access/movements?since=2999-01-01&until=2999-01-02").status_code == 422
    body = {"since": "2020-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}
    file = client.post("/api/v1/access/movements/export", body, content_type="application/json").content
    lines = list(csv.reader(io.StringIO(file.decode())))
    assert lines[0] == [field.name for field in fields(Movement)]
    assert len(lines) == 1 + len(found["items"])
    detail = last_entry("movements.exported")["detail"]
    assert (detail["sha256"], detail["rows"]) == (hashlib.sha256(file).hexdigest(), len(found["items"]))
    assert (detail["root"], detail["size"]) == (found["root"], found["entries"])
    by_page = client.post("/access/movements/export", {"since": "2020-01-01", "until": "2999-12-31"})
    assert by_page["Content-Type"].startswith("text/csv")
    with pytest.raises(Denied):
        movements.export(actor=add_person("Vi", "viewer"), at=clock.now(), since=since, until=clock.now())
    with pytest.raises(Invalid):
        movements.report(since=clock.now(), until=since, at=clock.now())
