"""Claims: one-time links work once, for their time, for their purpose; set-up makes exactly one first person."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import people, presets, queries
from ensign.control.access.decisions import decide
from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish
from ensign.control.access.people import Invitation
from ensign.control.access.permissions import Permission
from ensign.control.access.presets import Preset
from ensign.control.audit.models import Entry
from ensign.control.identity import operations
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import check_password
from ensign.control.identity.models import Link
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.projects import operations as projects
from ensign.control.projects import presets as project_presets
from ensign.control.projects.policies import policy
from ensign_testkit.people import add_person

PASSWORD = "correct horse battery staple"
FIRST = {
    "organisation": "Shop Ltd",
    "name": "Anna Berg",
    "email": "Anna@Example.com",
    "password": PASSWORD,
    "preset": "small-team",
    "control": "",
}


def test_set_up_makes_the_first_person_with_roles_and_preset_in_one_entry(db: str) -> None:
    text = operations.create_setup_link(at=clock.now())
    client = Client()
    assert "Set up Ensign" in client.get(f"/setup/{text}").content.decode()
    assert client.post(f"/setup/{text}", FIRST)["Location"] == "/account/security"
    person = identity.people()[0]
    assert (person.email, person.name, person.status) == ("anna@example.com", "Anna Berg", "active")
    actor = Actor(kind="person", id=person.id, via="session")
    assert decide(actor, Permission.ORG_ACCESS_GRANT, at=clock.now())
    decided = queries.organisation()
    assert decided is not None
    assert (decided.preset.key, decided.preset.approvals) == (Preset.SMALL_TEAM, 1)
    assert decided.enforced_since is not None
    entry = json.loads(Entry.objects.get(action="person.set_up").body)
    touched = {touch["object"].split(":")[0] for touch in entry["touch"]}
    assert touched == {"duty_exception", "grant", "organisation", "person"}
    assert entry["actor"] == {"kind": "person", "id": person.id, "via": "setup"}
    assert client.get("/access").content.decode().count("Enforced since") == 1


def test_the_choice_of_being_alone_states_its_control_and_enforces_nothing(db: str) -> None:
    text = operations.create_setup_link(at=clock.now())
    Client().post(f"/setup/{text}", {**FIRST, "preset": "solo", "control": "My auditor looks weekly."})
    decided = queries.organisation()
    assert decided is not None
    assert (decided.enforced_since, decided.compensating_control) == (None, "My auditor looks weekly.")


@pytest.mark.parametrize(
    ("field", "value"),
    [("password", "password123"), ("email", "not an address"), ("name", " "), ("preset", "none"), ("password", "")],
)
def test_set_up_keeps_what_was_typed_and_names_the_field(db: str, field: str, value: str) -> None:
    text = operations.create_setup_link(at=clock.now())
    answer = Client().post(f"/setup/{text}", {**FIRST, field: value})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'id="id_{field}_error"' in page or "fieldset" in page
    assert "Shop Ltd" in page
    assert PASSWORD not in page
    assert not identity.anybody()


def test_a_set_up_link_is_replaced_used_once_and_expires(db: str) -> None:
    at = clock.now()
    first = operations.create_setup_link(at=at)
    second = operations.create_setup_link(at=at)
    assert "replaced" in Client().get(f"/setup/{first}").content.decode()
    with clock.simulated(at + timedelta(hours=25)):
        expired = Client().get(f"/setup/{second}")
    assert expired.status_code == 410
    assert "ensign serve" in expired.content.decode()
    assert Client().post(f"/setup/{second}", FIRST).status_code == 303
    assert Client().post(f"/setup/{second}", {**FIRST, "email": "b@example.com"}).status_code == 410
    assert len(identity.people()) == 1
    with pytest.raises(Conflict):
        operations.create_setup_link(at=clock.now())
    assert Client().get("/setup/" + "x" * 43).status_code == 404
    assert not Link.objects.filter(token_hash__in=[first, second]).exists()


def invited(at: Any, *wishes: Wish) -> tuple[Actor, Invitation]:
    admin = add_person("Root", "admin")
    return admin, people.invite(actor=admin, at=at, email="new@example.com", wishes=wishes)


def test_joining_chooses_name_and_password_and_begins_the_roles(db: str) -> None:
    at = clock.now()
    _, made = invited(at, Wish(role="developer"))
    actor = Actor(kind="person", id=made.person.id, via="session")
    assert not decide(actor, Permission.FLAG_CREATE, Scope("shop"), at=clock.now())
    client = Client()
    address = f"/invite/{made.link}"
    assert "new@example.com" in client.get(address).content.decode()
    assert client.post(address, {"name": "New", "password": "new@example.com"}).status_code == 422
    assert client.post(address, {"name": "New", "password": PASSWORD}).status_code == 303
    assert client.get("/account").status_code == 200
    assert decide(actor, Permission.FLAG_CREATE, Scope("shop"), at=clock.now())
    assert Client().get(address).status_code == 410


def test_an_invitation_expires_is_replaced_and_ends_with_deactivation(db: str) -> None:
    at = clock.now()
    admin, made = invited(at)
    with clock.simulated(at + timedelta(days=8)):
        assert "expired" in Client().get(f"/invite/{made.link}").content.decode()
    again = people.invite_again(actor=admin, at=at, person_id=made.person.id)
    assert Client().get(f"/invite/{made.link}").status_code == 410
    assert Client().get(f"/invite/{again.link}").status_code == 200
    assert Client().get(f"/reset/{again.link}").status_code == 404
    people.deactivate(actor=admin, at=at, person_id=made.person.id)
    assert Client().get(f"/invite/{again.link}").status_code == 410


def test_an_invitation_with_a_role_needs_the_right_to_grant_it(db: str) -> None:
    at = clock.now()
    with pytest.raises(Denied):
        people.invite(actor=add_person("Bo", "developer"), at=at, email="x@example.com", wishes=[Wish(role="admin")])
    assert identity.person_by_email("x@example.com") is None


def test_a_reset_link_sets_a_password_ends_sessions_and_keeps_second_factors(db: str) -> None:
    admin, person = add_person("Root", "admin"), add_person("Anna Berg", password=PASSWORD)
    client = Client()
    client.post("/login", {"email": "anna.berg@example.com", "password": PASSWORD})
    made = people.make_reset_link(actor=admin, at=clock.now(), person_id=person.id)
    new = "purple monkey dishwasher lantern"
    assert Client().post(f"/reset/{made.link}", {"password": "anna.berg"}).status_code == 422
    assert Client().post(f"/reset/{made.link}", {"password": new}).status_code == 303
    assert client.get("/account").status_code == 302
    assert Client().post("/login", {"email": "anna.berg@example.com", "password": new}).status_code == 303
    assert Client().get(f"/reset/{made.link}").status_code == 410


def test_unknown_links_are_limited_by_address(db: str) -> None:
    statuses = [Client().get("/invite/" + f"{number:043d}").status_code for number in range(31)]
    assert statuses[0] == 404
    assert statuses[-1] == 429


def test_two_people_race_for_one_invitation_and_one_joins(db: str) -> None:
    at = clock.now()
    _, made = invited(at)
    body = {"name": "New", "password": PASSWORD}
    answers = [Client().post(f"/invite/{made.link}", body).status_code for _ in range(2)]
    assert answers == [303, 410]


@pytest.mark.parametrize("password", ["", "password", "annaberg1", "shop-ltd-2026", "qwertyuiop", "x" * 1025])
def test_poor_passwords_are_refused_with_advice(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_password(password, about=("anna.berg@example.com", "Anna Berg", "shop-ltd-2026"))
    assert caught.value.fields["password"]


def test_a_very_long_password_is_judged_in_time() -> None:
    started = clock.now()
    check_password("correct horse battery staple " * 30)
    assert (clock.now() - started).total_seconds() < 2


def test_every_preset_of_projects_is_offered_at_set_up_and_new_projects_get_what_was_chosen(db: str) -> None:
    assert {key: view.approvals for key, view in presets.PRESETS.items()} == {
        key: one.approvals for key, one in project_presets.PRESETS.items()
    }
    text = operations.create_setup_link(at=clock.now())
    client = Client()
    page = client.get(f"/setup/{text}").content.decode()
    assert all(f'value="{key}"' in page for key in project_presets.PRESETS)
    client.post(f"/setup/{text}", {**FIRST, "preset": "regulated"})
    person = identity.people()[0]
    actor = Actor(kind="person", id=person.id, via="session", mfa_at=clock.now())
    projects.create_project(actor=actor, at=clock.now(), key="shop", name="Shop")
    rules = policy("shop", "production").rules
    assert (rules.preset, rules.always.signed, rules.always.required) == ("regulated", True, 2)
