"""Claims: a token that a leaver may have kept goes on and is found until it is rotated; so is one without an owner, one
that nobody uses and one that ends soon; the list of all tokens has every one, for administrators and auditors alone."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from ensign.control.access import people, rotation, service_accounts, tokens
from ensign.control.access.findings import findings
from ensign.control.access.tokens import NewToken, TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity.actors import from_token
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid
from ensign.control.privacy import erasure
from ensign.control.projects import inventory, queries, token_rotation
from ensign.control.projects.tokens import create_token
from ensign.control.scim import tokens as directory
from ensign_testkit.people import add_person
from ensign_testkit.targets import shop

DAY = timedelta(days=1)


@pytest.fixture
def root(db: str) -> Actor:
    shop()
    return add_person("Root", "admin")


def found(code: str, at: object = None) -> dict[str, str]:
    """Subject -> title."""
    return {one.subject: one.title for one in findings(at=at or clock.now()) if one.code == code}


def service_token(actor: Actor, owner: Actor, **more: object) -> NewToken:
    at = clock.now()
    account = service_accounts.create(actor=actor, at=at, name="ci", purpose="deploys", owner=owner.id)
    return tokens.create_for_service(
        actor=actor, at=at, service_account_id=account.id, wish=TokenWish(name="deploy", **more)
    )


def test_tokens_of_whoever_left_go_on_and_are_due_until_they_are_rotated(root: Actor) -> None:
    leaver = add_person("Leaver", "admin")
    service = service_token(leaver, root)
    client = create_token(
        actor=leaver, at=clock.now(), name="web", type="backend", projects=["shop"], environment="staging"
    )
    public = create_token(
        actor=leaver, at=clock.now(), name="page", type="frontend", projects=["shop"], environment="staging"
    )
    own = tokens.create_personal(actor=leaver, at=clock.now(), wish=TokenWish(name="laptop"))
    assert found("rotation-due") == {}
    left = clock.now()
    people.deactivate(actor=root, at=left, person_id=leaver.id)
    assert set(found("rotation-due")) == {service.token.id, client.row.id}
    assert public.row.id not in found("rotation-due"), "a front-end token is public by nature"
    assert own.token.id not in found("rotation-due"), "it ended with its owner"
    assert next(one.since for one in findings(at=clock.now()) if one.code == "rotation-due") == left
    assert from_token(service.text, at=clock.now()).kind == "service"
    assert queries.token(client.row.id).live(at=clock.now())
    rotation.rotate(actor=root, at=clock.now(), token_id=service.token.id)
    token_rotation.rotate_token(actor=root, at=clock.now(), id=client.row.id)
    assert found("rotation-due") == {}


def test_erasing_whoever_left_does_not_make_their_tokens_unknown_to_them(root: Actor) -> None:
    leaver, second = add_person("Leaver", "admin"), add_person("Second", "admin")
    made = service_token(leaver, root)
    people.deactivate(actor=root, at=clock.now(), person_id=leaver.id)
    asked = erasure.ask(actor=root, at=clock.now(), person_id=leaver.id, reason="They asked us to", early=True)
    erasure.confirm(actor=second, at=clock.now(), erasure_id=asked.id)
    assert set(found("rotation-due")) == {made.token.id}
    rotation.rotate(actor=root, at=clock.now(), token_id=made.token.id)
    assert found("rotation-due") == {}


def test_a_reactivated_person_has_not_left(root: Actor) -> None:
    leaver = add_person("Leaver", "admin")
    service_token(leaver, root)
    people.deactivate(actor=root, at=clock.now(), person_id=leaver.id)
    people.reactivate(actor=root, at=clock.now(), person_id=leaver.id)
    assert found("rotation-due") == {}


def test_a_service_account_without_owner_is_an_orphan_and_taking_it_over_leaves_its_tokens_due(root: Actor) -> None:
    owner = add_person("Owner")
    made = service_token(root, owner)
    people.deactivate(actor=root, at=clock.now(), person_id=owner.id)
    assert set(found("orphan-account")) == {made.token.subject}
    assert set(found("rotation-due")) == {made.token.id}
    service_accounts.take_over(actor=root, at=clock.now(), service_account_id=made.token.subject)
    assert found("orphan-account") == {}
    assert set(found("rotation-due")) == {made.token.id}, "who owned it may have kept a copy"
    rotation.rotate(actor=root, at=clock.now(), token_id=made.token.id)
    assert found("rotation-due") == {}


def test_rotating_alone_ends_what_the_former_owner_knows(root: Actor) -> None:
    owner = add_person("Owner")
    made = service_token(root, owner)
    people.deactivate(actor=root, at=clock.now(), person_id=owner.id)
    rotation.rotate(actor=root, at=clock.now(), token_id=made.token.id)
    assert found("rotation-due") == {}
    assert set(found("orphan-account")) == {made.token.subject}


def test_who_owned_it_before_a_token_was_made_does_not_know_it(root: Actor) -> None:
    before = add_person("Before")
    account = service_accounts.create(actor=root, at=clock.now(), name="ci", purpose="x", owner=before.id)
    service_accounts.take_over(actor=root, at=clock.now(), service_account_id=account.id)
    tokens.create_for_service(actor=root, at=clock.now(), service_account_id=account.id, wish=TokenWish(name="t"))
    people.deactivate(actor=root, at=clock.now(), person_id=before.id)
    assert found("rotation-due") == {}


def test_whoever_answered_for_a_client_token_is_asked_for_too(root: Actor) -> None:
    bo = add_person("Bo")
    client = create_token(actor=root, at=clock.now(), name="web", type="edge", projects=["*"], environment="staging")
    token_rotation.describe_token(actor=root, at=clock.now(), id=client.row.id, owner=bo.id)
    people.deactivate(actor=root, at=clock.now(), person_id=bo.id)
    assert set(found("rotation-due")) == {client.row.id}
    done = token_rotation.rotate_token(actor=root, at=clock.now(), id=client.row.id)
    assert done.new.row.owner == root.id
    assert found("rotation-due") == {}


def test_a_token_is_found_when_it_ends_soon_and_when_nobody_uses_it(root: Actor) -> None:
    made = service_token(root, root, days=120)
    end = made.token.expires_at
    assert found("token-expiring", end - 15 * DAY) == {}
    assert set(found("token-expiring", end - 13 * DAY)) == {made.token.id}
    assert set(found("token-unused", made.token.created_at + 89 * DAY)) == set()
    assert "never used" in found("token-unused", made.token.created_at + 90 * DAY)[made.token.id]
    from_token(made.text, at=made.token.created_at + 60 * DAY)
    assert found("token-unused", made.token.created_at + 119 * DAY) == {}
    rotation.rotate(actor=root, at=end - 13 * DAY, token_id=made.token.id)
    assert found("token-expiring", end - 13 * DAY) == {}


def test_a_token_made_for_a_week_does_not_end_soon_on_its_first_day(root: Actor) -> None:
    made = service_token(root, root, days=7)
    assert found("token-expiring", made.token.created_at + 3 * DAY) == {}
    assert set(found("token-expiring", made.token.created_at + 4 * DAY)) == {made.token.id}


def test_the_list_has_every_token_with_the_columns_of_the_export(root: Actor) -> None:
    service = service_token(root, root, permissions=frozenset({"project:read"}))
    own = tokens.create_personal(actor=root, at=clock.now(), wish=TokenWish(name="laptop", purpose="scripts"))
    client = create_token(
        actor=root, at=clock.now(), name="web", type="backend", projects=["shop"], environment="staging"
    )
    at = clock.now()
    assert {one.id for one in inventory.listed(actor=root, at=at)} == {service.token.id, own.token.id, client.row.id}
    tokens.revoke(actor=root, at=at, token_id=own.token.id)
    assert own.token.id not in {one.id for one in inventory.listed(actor=root, at=at)}
    assert [one.id for one in inventory.listed(actor=root, at=at, state="revoked")] == [own.token.id]
    done = inventory.export(actor=root, at=at, format="csv")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(done.data.decode()))}
    assert list(next(iter(rows.values()))) == list(inventory.COLUMNS)
    assert rows[own.token.id]["revoked_at"] == clock.text(at)
    assert (rows[own.token.id]["purpose"], rows[service.token.id]["purpose"]) == ("scripts", "deploys")
    assert (rows[client.row.id]["scope"], rows[client.row.id]["kind"]) == ("shop/staging", "backend")
    assert rows[service.token.id]["prefix"] == service.text[:15]
    assert rows[service.token.id]["permissions"] == "project:read"
    body = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert (body["action"], body["detail"]["sha256"], body["detail"]["rows"]) == ("tokens.exported", done.sha256, 3)
    for text in (service.text, own.text, client.text):
        assert text.encode() not in done.data
    parsed = json.loads(inventory.export(actor=root, at=at, format="json").data)
    assert {row["id"] for row in parsed["rows"]} == set(rows)


def test_the_directorys_tokens_are_in_the_list_and_are_found_when_who_made_them_left(root: Actor) -> None:
    leaver = add_person("Leaver", "admin")
    made = directory.create(actor=leaver, at=clock.now(), name="Okta")
    listed = inventory.listed(actor=root, at=clock.now(), kind="directory")
    assert [(one.id, one.hint) for one in listed] == [(made.token.id, made.text[:15])]
    people.deactivate(actor=root, at=clock.now(), person_id=leaver.id)
    assert set(found("rotation-due")) == {made.token.id}
    directory.rotate(actor=root, at=clock.now(), token_id=made.token.id)
    assert found("rotation-due") == {}


def test_the_list_is_for_administrators_and_auditors(root: Actor) -> None:
    assert inventory.listed(actor=add_person("Audi", "auditor"), at=clock.now()) == []
    for role in ("viewer", "developer", "requester", "approver"):
        who = add_person(f"P {role}", role)
        with pytest.raises(Denied):
            inventory.listed(actor=who, at=clock.now())
        with pytest.raises(Denied):
            inventory.export(actor=who, at=clock.now())
    for wrong in ({"kind": "x"}, {"state": "x"}):
        with pytest.raises(Invalid):
            inventory.listed(actor=root, at=clock.now(), **wrong)
