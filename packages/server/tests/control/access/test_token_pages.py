"""Claims: pages rotate tokens and show the successor once; the list of all tokens is shown, exported and ruled from a
page; a service account without owner is taken over from its page."""

from __future__ import annotations

import pytest
from django.test import Client
from ensign.control.access import people, service_accounts, tokens
from ensign.control.access.tokens import TokenWish
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects import queries, token_rules
from ensign.control.projects.tokens import create_token
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.targets import shop


@pytest.fixture
def root(db: str) -> Actor:
    shop()
    return add_person("Root", "admin")


@pytest.fixture
def client(root: Actor) -> Client:
    return sign_in(Client(), root)


def test_a_service_token_is_rotated_from_its_page_and_shown_once(client: Client, root: Actor) -> None:
    account = service_accounts.create(actor=root, at=clock.now(), name="ci", purpose="deploys", owner=root.id)
    made = tokens.create_for_service(
        actor=root, at=clock.now(), service_account_id=account.id, wish=TokenWish(name="deploy")
    )
    page = f"/account/tokens/{made.token.id}/rotate"
    assert client.get(page).status_code == 200
    done = client.post(page, {"overlap": "1", "days": "", "reason": "yearly"})
    assert "no-store" in done["Cache-Control"]
    new = next(one for one in identity.tokens_of(account.id) if one.id != made.token.id)
    assert new.hint in done.content.decode()
    listed = client.get(f"/service-accounts/{account.id}").content.decode()
    assert "Being replaced" in listed
    again = client.post(page, {"overlap": "1", "days": "", "reason": ""})
    assert again.status_code == 422
    assert "has a successor" in again.content.decode()


def test_ones_own_token_is_rotated_and_nobody_elses(client: Client, root: Actor) -> None:
    mine = tokens.create_personal(actor=root, at=clock.now(), wish=TokenWish(name="laptop"))
    assert client.post(f"/account/tokens/{mine.token.id}/rotate", {"overlap": "0"}).status_code == 200
    other = sign_in(Client(), add_person("Dev", "developer"))
    assert other.get(f"/account/tokens/{mine.token.id}/rotate").status_code == 403


def test_a_client_token_is_rotated_from_the_projects_page(client: Client, root: Actor) -> None:
    made = create_token(
        actor=root, at=clock.now(), name="web", type="backend", projects=["shop"], environment="production"
    )
    page = f"/projects/shop/tokens/{made.row.id}/rotate"
    assert client.get(page).status_code == 200
    done = client.post(page, {"overlap": "24"})
    assert "shop:production.ensign_ct_" in done.content.decode()
    assert "no-store" in done["Cache-Control"]
    assert queries.token(made.row.id).successor is not None
    assert "Being replaced" in client.get("/projects/shop").content.decode()
    assert client.post(page, {"overlap": "24"}).status_code == 422


def test_all_tokens_are_listed_filtered_exported_and_ruled(client: Client, root: Actor) -> None:
    tokens.create_personal(actor=root, at=clock.now(), wish=TokenWish(name="laptop"))
    create_token(actor=root, at=clock.now(), name="web", type="edge", projects=["*"], environment="staging")
    page = client.get("/tokens").content.decode()
    assert "laptop" in page
    assert "*/staging" in page
    assert "laptop" not in client.get("/tokens?kind=edge").content.decode()
    assert client.get("/tokens?kind=nothing").status_code == 200
    file = client.post("/tokens/export", {"format": "csv", "kind": "", "state": "all"})
    assert file["Content-Disposition"].startswith("attachment")
    assert b"laptop" in file.content
    assert client.post("/tokens/rules", {"max_days": "30", "never": "nowhere"}).status_code == 302
    assert token_rules.current().max_days == 30
    assert client.post("/tokens/rules", {"max_days": "0", "never": "nowhere"}).status_code == 422
    auditor = sign_in(Client(), add_person("Audi", "auditor"))
    assert "At most 30 days" in auditor.get("/tokens").content.decode()
    assert auditor.post("/tokens/rules", {"max_days": "99", "never": "everywhere"}).status_code == 403
    assert sign_in(Client(), add_person("Vi", "viewer")).get("/tokens").status_code == 403


def test_a_token_that_a_leaver_made_is_marked_and_an_orphan_is_taken_over(client: Client, root: Actor) -> None:
    owner = add_person("Owner")
    account = service_accounts.create(actor=root, at=clock.now(), name="ci", purpose="deploys", owner=owner.id)
    tokens.create_for_service(actor=root, at=clock.now(), service_account_id=account.id, wish=TokenWish(name="t"))
    people.deactivate(actor=root, at=clock.now(), person_id=owner.id)
    assert "Rotate it" in client.get("/tokens").content.decode()
    assert "Take it over" in client.get(f"/service-accounts/{account.id}").content.decode()
    assert client.post(f"/service-accounts/{account.id}/take-over").status_code == 303
    assert identity.service_account(account.id).owner == root.id
    assert "Take it over" not in client.get(f"/service-accounts/{account.id}").content.decode()
