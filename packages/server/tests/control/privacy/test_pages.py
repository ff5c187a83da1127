"""Claims: pages and API do the same as the operations, show who may see it what is held, and never a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from ensign.control.access import people, tokens
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity.models import Account, Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.privacy import erasure, holding, queries
from ensign.control.privacy.lines import LINES
from ensign_testkit.leaving import EMAIL, NAME, NOW, World
from ensign_testkit.people import add_person, sign_in

AT = clock.now()


@pytest.fixture
def ada(db: str) -> Actor:
    return add_person("Ada Admin", "admin")


@pytest.fixture
def leaver(ada: Actor) -> Actor:
    gone = add_person("Gus Gone", "viewer", password="correct horse battery staple")
    people.deactivate(actor=ada, at=clock.now(), person_id=gone.id, reason="Last day")
    return gone


def page(actor: Actor, name: str, *arguments: str) -> Any:
    return sign_in(Client(), actor).get(reverse(name, args=arguments))


def test_one_asks_on_the_page_and_another_confirms(ada: Actor, leaver: Actor) -> None:
    bea = add_person("Bea Admin", "admin")
    address = reverse("privacy:person", args=[leaver.id])
    first = sign_in(Client(), ada)
    refused = first.post(address, {"reason": "they asked us to"})
    assert refused.status_code == 422
    assert "Evidence needs to know who this was until" in refused.content.decode()
    assert first.post(address, {"reason": "they asked us to", "early": "on"}).status_code == 303
    (asked,) = queries.erasures()
    assert "another administrator confirms" in first.get(address).content.decode()
    confirm = reverse("privacy:confirm", args=[asked.id])
    assert first.post(confirm).status_code == 403
    second = sign_in(Client(), bea)
    assert "Erase Gus Gone" in second.get(address).content.decode()
    assert second.post(confirm).status_code == 303
    assert Person.objects.get(pk=leaver.id).status == "erased"
    for shown in (address, reverse("access:person", args=[leaver.id]), reverse("privacy:map"), "/people?status=erased"):
        text = second.get(shown).content.decode()
        assert f"former person ({leaver.id})" in text, shown
        assert "Gus" not in text, shown


def test_without_the_permission_the_pages_are_refused(ada: Actor, leaver: Actor) -> None:
    dev = add_person("Dan Dev", "developer")
    client = sign_in(Client(), dev)
    address = reverse("privacy:person", args=[leaver.id])
    assert client.get(address).status_code == 403
    assert client.post(address, {"reason": "x"}).status_code == 403
    assert client.post(reverse("privacy:held", args=[leaver.id])).status_code == 403
    assert client.post(reverse("privacy:rules"), {"keep_months": "1", "reason": "x"}).status_code in {403, 422}
    assert queries.keep_months() == 24
    text = client.get(reverse("privacy:map")).content.decode()
    assert "identity_person" in text
    assert "h-erasures" not in text


def test_strangers_see_no_map(db: str) -> None:
    for name in ("privacy:map", "privacy:mine"):
        assert Client().get(reverse(name)).status_code in {302, 303}


def test_the_rule_is_changed_on_the_map(ada: Actor) -> None:
    client = sign_in(Client(), ada)
    bad = client.post(reverse("privacy:rules"), {"keep_months": "999", "reason": "x"})
    assert bad.status_code == 422
    assert client.post(reverse("privacy:rules"), {"keep_months": "36", "reason": "our law"}).status_code == 303
    assert "36 months at least" in client.get(reverse("privacy:map")).content.decode()


def test_everybody_sees_what_is_held_on_them_and_no_secret(db: str) -> None:
    anna = add_person("Anna Berg", "viewer", password="correct horse battery staple")
    made = tokens.create_personal(actor=anna, at=clock.now(), wish=TokenWish(name="Laptop"))
    client = sign_in(Client(), anna)
    text = client.get(reverse("privacy:mine")).content.decode()
    data = client.get(reverse("privacy:mine") + "?format=json")
    assert data["Content-Disposition"] == f'attachment; filename="ensign-{anna.id}.json"'
    hash_ = Account.objects.get(person_id=anna.id).password
    for body in (text, data.content.decode()):
        assert "anna.berg@example.com" in body
        assert "Laptop" in body
        for secret in (hash_, made.text, client.session.session_key):
            assert secret is not None
            assert secret not in body
    held = json.loads(data.content)
    assert held["about"]["identity_account"][0]["password"] == holding.HIDDEN
    assert held["identity"][0]["name"] == "Anna Berg"
    assert held["acts"] == {"token.created": 1}
    assert not Entry.objects.filter(action="privacy.exported").exists()


def test_looking_at_what_is_held_on_somebody_else_is_an_entry(ada: Actor, leaver: Actor) -> None:
    client = sign_in(Client(), ada)
    address = reverse("privacy:held", args=[leaver.id])
    assert "Gus Gone" in client.post(address).content.decode()
    assert json.loads(client.post(address, {"format": "json"}).content)["person"] == leaver.id
    entry = Entry.objects.filter(action="privacy.exported").first()
    assert entry is not None
    assert json.loads(entry.body)["detail"]["person"] == leaver.id


def test_what_is_held_on_somebody_names_every_table_that_is_about_people(db: str) -> None:
    """Whatever has a subject in the data map stands in the answer when there is a row."""
    world = World()
    made = holding.dossier(world.zed.id, at=NOW)
    assert {held.table for held in made.about} == {
        "identity_person", "identity_account", "identity_token", "identity_external", "access_grant",
    }  # fmt: skip
    assert {held.table for held in made.by} == {"identity_token", "changes_request"}
    assert made.versions[-1]["status"] == "disabled"
    assert EMAIL in json.dumps(holding.as_json(made))
    erasure.confirm(actor=Actor(kind="person", id=world.bea.id, via="session", mfa_at=NOW), at=NOW,
                    erasure_id=world.ask())  # fmt: skip
    after = json.dumps(holding.as_json(holding.dossier(world.zed.id, at=NOW)))
    assert EMAIL not in after
    assert NAME not in after


def call(client: Client, method: str, path: str, body: Any = None) -> Any:
    send = getattr(client, method)
    return send(f"/api/v1{path}", json.dumps(body) if body is not None else None, content_type="application/json")


def test_the_api_does_the_same(ada: Actor, leaver: Actor) -> None:
    bea = add_person("Bea Admin", "admin")
    first, second = sign_in(Client(), ada), sign_in(Client(), bea)
    asked = call(first, "post", "/privacy/erasures", {"person": leaver.id, "reason": "asked", "early": True})
    assert asked.status_code == 201, asked.content
    id = asked.json()["id"]
    assert call(first, "post", f"/privacy/erasures/{id}/confirm").status_code == 403
    assert call(second, "post", f"/privacy/erasures/{id}/withdraw").json()["status"] == "withdrawn"
    id = call(first, "post", "/privacy/erasures", {"person": leaver.id, "reason": "asked", "early": True}).json()["id"]
    held = call(second, "post", f"/privacy/people/{leaver.id}/export").json()
    assert held["identity"][0]["name"] == "Gus Gone"
    assert call(second, "post", f"/privacy/erasures/{id}/confirm").json()["status"] == "done"
    assert [one["status"] for one in call(first, "get", "/privacy/erasures").json()["items"]] == ["done", "withdrawn"]
    assert first.get(f"/api/v1/people/{leaver.id}").json()["email"] == ""
    set_ = call(first, "put", "/privacy/rules", {"keep_months": 30, "reason": "policy"})
    assert set_.json() == {"keep_months": 30}
    found = call(first, "get", "/privacy/map").json()
    assert {one["table"] for one in found["tables"]} == {line.table for line in LINES}
    assert found["keep_months"] == 30
    assert call(first, "get", "/privacy/me").json()["person"] == ada.id


def test_a_token_reads_about_its_owner_and_erases_nobody(ada: Actor, leaver: Actor) -> None:
    made = tokens.create_personal(actor=ada, at=clock.now(), wish=TokenWish(name="robot", days=1))
    client = Client(headers={"authorization": f"Bearer {made.text}"})
    assert call(client, "get", "/privacy/me").json()["person"] == ada.id
    body = {"person": leaver.id, "reason": "x", "early": True}
    assert call(client, "post", "/privacy/erasures", body).status_code == 403
    assert call(client, "post", f"/privacy/people/{leaver.id}/export").status_code == 403
    assert queries.erasures() == ()


def test_a_stale_second_factor_is_asked_for_again(leaver: Actor, ada: Actor) -> None:
    weak = Actor(kind="person", id=ada.id, via="session", mfa_at=AT - timedelta(hours=2))
    answer = sign_in(Client(), weak).post(
        reverse("privacy:person", args=[leaver.id]), {"reason": "asked", "early": "on"}
    )
    assert answer.status_code in {302, 303, 403}
    assert queries.erasures() == ()
