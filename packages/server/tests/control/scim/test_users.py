"""Claims: the directory adds, adopts, changes, lets go and takes back people by the rules of ``scim.users``; whatever
it does is an entry, and no entry holds what it said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ensign.control.access import as_of, people
from ensign.control.access import groups as access_groups
from ensign.control.access.queries import grants
from ensign.control.audit import inspect, redaction
from ensign.control.audit.models import Entry, Touch
from ensign.control.evidence.drift import accounts
from ensign.control.identity import queries as identity
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict
from ensign.control.scim.models import DirectoryUser
from ensign_testkit.changing import last_entry, rows_equal_the_log
from ensign_testkit.directory import EMPLOYMENT, ENTERPRISE, Directory
from ensign_testkit.people import add_person, give


def entries_after(seq: int) -> list[dict[str, Any]]:
    return [
        json.loads(body) for body in Entry.objects.filter(seq__gte=seq).order_by("seq").values_list("body", flat=True)
    ]


def test_a_new_person_is_invited_and_everything_kept_comes_back(idp: Directory) -> None:
    before = Entry.objects.count()
    made = idp.add(
        "Bo.Dahl@Example.com",
        externalId="00u1",
        name={"givenName": "Bo", "familyName": "Dahl"},
        title="Engineer",
        emails=[{"value": "bo@example.com", "type": "work", "primary": True}],
        **{
            "phoneNumbers": [{"value": "+46 8 123", "type": "work"}],
            "password": "Geheimnis-4711",
            ENTERPRISE: {"department": "Payments", "manager": {"value": "00u9"}, "employeeNumber": "77"},
            EMPLOYMENT: {"terminationAt": "2027-01-31T17:00:00+01:00"},
        },
    )
    person = identity.person(made["id"])
    assert (person.email, person.name, person.status) == ("bo@example.com", "Bo Dahl", "invited")
    assert made["active"] is True
    assert (made["userName"], made["externalId"], made["title"]) == ("Bo.Dahl@Example.com", "00u1", "Engineer")
    assert made[ENTERPRISE] == {"department": "Payments", "manager": {"value": "00u9"}}
    assert made[EMPLOYMENT] == {"terminationAt": "2027-01-31T17:00:00+01:00"}
    assert "phoneNumbers" not in made
    stored = DirectoryUser.objects.get(pk=made["id"]).content
    assert "+46" not in stored
    assert "Geheimnis" not in stored
    for entry in entries_after(before):
        assert entry["actor"]["id"] == "sys_directory"
        assert not any(text in json.dumps(entry) for text in ("Dahl", "example.com", "Payments", "00u"))
    assert rows_equal_the_log()


def test_a_user_name_or_address_is_taken_once(idp: Directory) -> None:
    idp.add("anna@example.com")
    refused = idp.add("ANNA@example.com", status=409)
    assert refused["scimType"] == "uniqueness"
    again = idp.add("other", emails=[{"value": "anna@example.com", "primary": True}], status=409)
    assert again["scimType"] == "uniqueness"
    other = idp.add("other@example.com")
    refused = idp.patch(
        f"/Users/{other['id']}", {"op": "replace", "path": "userName", "value": "Anna@Example.com"}, status=409
    )
    assert refused["scimType"] == "uniqueness"


def test_somebody_local_is_adopted_once_by_an_entry(idp: Directory, admin: Actor) -> None:
    local = add_person("Bo Dahl", "developer", email="bo@example.com")
    made = idp.add("bo@example.com", displayName="Bo D.")
    assert made["id"] == local.id
    assert last_entry("directory.user_adopted")["detail"] == {"person": local.id, "again": False}
    assert identity.person(local.id).name == "Bo D."
    assert [grant.role for grant in grants(subject=local.id)] == ["developer"]
    idp.add("bo@example.com", status=409)


def test_who_is_known_by_no_address_gets_one_that_receives_nothing(idp: Directory) -> None:
    made = idp.add("jdoe")
    assert identity.person(made["id"]).email == f"{made['id'].replace('_', '-')}@no-address.invalid"
    idp.patch(f"/Users/{made['id']}", {"op": "add", "path": "title", "value": "x"})
    assert identity.person(made["id"]).email.endswith("@no-address.invalid")


def test_a_changed_address_is_the_accounts_too(idp: Directory) -> None:
    local = add_person("Bo Dahl", email="bo@example.com")
    made = idp.add("bo@example.com")
    idp.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"userName": "bo.berg@example.com"}})
    assert identity.person(local.id).email == "bo.berg@example.com"
    assert Account.objects.get(person_id=local.id).email == "bo.berg@example.com"
    assert list(accounts()) == []


def test_soft_delete_and_return(idp: Directory) -> None:
    local = add_person("Bo Dahl", "developer", email="bo@example.com")
    made = idp.add("bo@example.com")
    gone = idp.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": False})
    assert gone["active"] is False
    assert identity.person(local.id).status == "disabled"
    assert idp.call("GET", '/Users?filter=userName eq "bo@example.com"')["totalResults"] == 1
    back = idp.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": True})
    assert back["active"] is True
    assert identity.person(local.id).status == "active"
    assert last_entry("person.reactivated")["actor"]["id"] == "sys_directory"


def test_whom_the_directory_takes_back_is_in_its_groups_again_also_where_they_approve(idp: Directory) -> None:
    made = idp.add("bo@example.com")
    group = idp.group("Release managers", made["id"])
    give(group["id"], "approver")
    for active in (False, True):
        idp.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": active})
    assert [one.id for one in identity.groups_of(made["id"])] == [group["id"]]
    assert [one["value"] for one in idp.call("GET", f"/Groups/{group['id']}")["members"]] == [made["id"]]


def test_who_was_deactivated_by_hand_comes_back_by_hand(idp: Directory, admin: Actor) -> None:
    local = add_person("Bo Dahl", email="bo@example.com")
    idp.add("bo@example.com")
    people.deactivate(actor=admin, at=clock.now(), person_id=local.id, reason="compromised")
    assert idp.call("GET", f"/Users/{local.id}")["active"] is False
    refused = idp.patch(f"/Users/{local.id}", {"op": "replace", "path": "active", "value": True}, status=409)
    assert "administrator of Ensign" in refused["detail"]
    idp.patch(f"/Users/{local.id}", {"op": "replace", "path": "title", "value": "Still goes through"})
    people.reactivate(actor=admin, at=clock.now(), person_id=local.id)
    assert idp.call("GET", f"/Users/{local.id}")["active"] is True


def test_hard_delete_ends_roles_for_good_and_a_rehire_starts_without(idp: Directory, admin: Actor) -> None:
    local = add_person("Bo Dahl", "developer", email="bo@example.com")
    made = idp.add("bo@example.com", title="Engineer")
    group = idp.group("Engineers", made["id"])
    by_hand = access_groups.create(actor=admin, at=clock.now(), name="By hand")
    access_groups.add_member(actor=admin, at=clock.now(), group_id=by_hand.id, person_id=local.id)
    idp.call("DELETE", f"/Users/{made['id']}", status=204)
    idp.call("GET", f"/Users/{made['id']}", status=404)
    assert idp.call("GET", "/Users")["totalResults"] == 0
    assert identity.person(local.id).status == "disabled"
    assert grants(subject=local.id) == ()
    assert identity.groups_of(local.id) == ()
    assert "members" not in idp.call("GET", f"/Groups/{group['id']}")
    assert "Engineer" not in DirectoryUser.objects.get(pk=local.id).content
    idp.call("DELETE", f"/Users/{made['id']}", status=404)
    again = idp.add("BO@example.com")
    assert again["id"] == local.id
    assert identity.person(local.id).status == "active"
    assert grants(subject=local.id) == ()
    assert last_entry("directory.user_adopted")["detail"] == {"person": local.id, "again": True, "signal": "returner"}
    assert inspect.verify().ok


def test_the_last_who_can_give_roles_stays_and_the_refusal_is_an_entry_and_a_finding(
    idp: Directory, admin: Actor
) -> None:
    from ensign.control.access.findings import findings

    mine = idp.add("ada.admin@example.com")
    assert mine["id"] == admin.id
    refused = idp.patch(f"/Users/{admin.id}", {"op": "replace", "path": "active", "value": False}, status=409)
    assert "Nobody would be left" in refused["detail"]
    assert identity.person(admin.id).status == "active"
    assert last_entry("directory.leaver_refused")["detail"]["person"] == admin.id
    found = [one for one in findings(at=clock.now()) if one.code == "leaver-still-active"]
    assert [one.subject for one in found] == [admin.id]
    add_person("Eva", "admin")
    idp.patch(f"/Users/{admin.id}", {"op": "replace", "path": "active", "value": False})
    assert not [one for one in findings(at=clock.now()) if one.code == "leaver-still-active"]


def test_born_inactive(idp: Directory) -> None:
    made = idp.add("late@example.com", active=False)
    assert made["active"] is False
    assert identity.person(made["id"]).status == "disabled"
    idp.patch(f"/Users/{made['id']}", {"op": "replace", "path": "active", "value": "True"})
    assert identity.person(made["id"]).status == "invited"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"displayName": "x" * 201}, "displayname"),
        ({"title": "bell \x07"}, "title"),
        ({"emails": [{"type": "work"}]}, "emails"),
        ({"emails": [{"value": "no address", "primary": True}]}, "email"),
        ({EMPLOYMENT: {"terminationAt": "soon"}}, "termination"),
    ],
)
def test_what_cannot_be_kept_is_refused_without_being_repeated(idp: Directory, body: Any, why: str) -> None:
    refused = idp.add("anna@example.com", status=400, **body)
    assert refused["scimType"] == "invalidValue"
    assert why in refused["detail"].lower().replace("_", "")
    assert not any(str(value) in refused["detail"] for value in body.values())
    assert idp.call("GET", "/Users")["totalResults"] == 0


# --- Groups -----------------------------------------------------------------------------------------


def test_a_group_of_the_directory_is_not_changed_by_hand(idp: Directory, admin: Actor) -> None:
    made, at = idp.add(), clock.now()
    group = idp.group("Engineers", made["id"], externalId="g1")
    assert identity.group(group["id"]).managed
    for act in (access_groups.add_member, access_groups.remove_member):
        with pytest.raises(Conflict, match="directory manages"):
            act(actor=admin, at=at, group_id=group["id"], person_id=made["id"])
    with pytest.raises(Conflict, match="directory manages"):
        access_groups.update(actor=admin, at=at, group_id=group["id"], name="Mine", description="")
    assert (
        access_groups.update(actor=admin, at=at, group_id=group["id"], name="Engineers", description="d").description
        == "d"
    )
    assert idp.call("GET", f"/Groups/{group['id']}")["externalId"] == "g1"


def test_groups_made_by_hand_are_none_of_the_directorys(idp: Directory, admin: Actor) -> None:
    mine = access_groups.create(actor=admin, at=clock.now(), name="Admins")
    give(mine.id, "admin")
    assert idp.call("GET", "/Groups")["totalResults"] == 0
    idp.call("GET", f"/Groups/{mine.id}", status=404)
    person = idp.add()
    idp.patch(f"/Groups/{mine.id}", {"op": "add", "path": "members", "value": [{"value": person["id"]}]}, status=404)
    taken = idp.ask(
        "POST", "/Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Admins"}
    )
    assert (taken[0], taken[2]["scimType"]) == (409, "uniqueness")


def test_joining_a_group_that_approves_is_an_entry_that_names_who(idp: Directory) -> None:
    person = idp.add()
    group = idp.group("Approvers")
    give(group["id"], "approver", project="shop", environment="production")
    idp.patch(
        f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": person["id"]}]}, status=204
    )
    joined = last_entry("group.member_added")
    assert joined["actor"]["id"] == "sys_directory"
    assert joined["detail"] == {"group": group["id"], "person": person["id"], "directory": True, "approves": True}


def test_only_people_whom_the_directory_lists_join(idp: Directory) -> None:
    local = add_person("Bo Dahl")
    group = idp.group("Engineers")
    path = f"/Groups/{group['id']}"
    for value in ({"value": local.id}, {"value": "usr_unknown"}, {"value": group["id"], "type": "Group"}):
        refused = idp.patch(path, {"op": "add", "path": "members", "value": [value]}, status=400)
        assert refused["scimType"] == "invalidValue"


def test_a_group_given_up_is_archived_its_roles_end_and_its_name_is_free(idp: Directory) -> None:
    person = idp.add()
    group = idp.group("Engineers", person["id"])
    give(group["id"], "developer")
    idp.call("DELETE", f"/Groups/{group['id']}", status=204)
    assert identity.group(group["id"]).status == "archived"
    assert grants(subject=group["id"]) == ()
    again = idp.group("Engineers", person["id"])
    assert again["id"] != group["id"]
    assert grants(subject=again["id"]) == ()


def test_a_group_archived_by_hand_is_made_anew_by_the_directory_without_roles(idp: Directory, admin: Actor) -> None:
    person = idp.add()
    group = idp.group("Engineers", person["id"])
    give(group["id"], "developer")
    access_groups.archive(actor=admin, at=clock.now(), group_id=group["id"], reason="not any more")
    idp.call("GET", f"/Groups/{group['id']}", status=404)
    again = idp.group("Engineers", person["id"])
    assert again["id"] != group["id"]
    assert [one.id for one in identity.groups_of(person["id"])] == [again["id"]]
    assert grants(subject=again["id"]) == ()


def test_many_members_at_once_are_entries_that_name_all_of_them(idp: Directory) -> None:
    ids = [idp.add(f"p{number}@example.com")["id"] for number in range(120)]
    group = idp.group("Everybody", *ids)
    said = [
        json.loads(body)["detail"]
        for body in Entry.objects.filter(action="group.member_added").values_list("body", flat=True)
    ]
    assert sorted(person for one in said for person in one.get("people", [one.get("person")])) == sorted(ids)
    got = idp.call("GET", f"/Groups/{group['id']}")
    assert sorted(member["value"] for member in got["members"]) == sorted(ids)
    idp.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"}, status=204)
    assert "members" not in idp.call("GET", f"/Groups/{group['id']}")


def test_of_whom_the_directory_made_the_log_tells_when_they_were_here_though_it_was_forgotten_who(
    idp: Directory, admin: Actor
) -> None:
    made, born = idp.add("bo@example.com"), idp.add("cy@example.com", active=False)
    moment = clock.now()
    for one in (made, born):
        first = Touch.objects.get(object=f"person:{one['id']}", version=1).after
        idp.patch(f"/Users/{one['id']}", {"op": "replace", "path": "active", "value": one is born})
        redaction.redact(actor=admin, at=clock.now(), digests=[first], reason="erased")
    past = as_of.at_moment(moment)
    assert (past.people[made["id"]], past.people[born["id"]]) == ("invited", "disabled")
    assert past.unreadable == ()
