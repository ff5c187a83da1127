"""Claims: a certified OpenID provider (npm oidc-provider) signs people in, in every shape, and renews sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client
from ensign.control.access import groups
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.identity.actors import MFA_AT
from ensign.control.identity.models import Person
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.kernel import clock
from ensign_testkit.openid import ANNA, CLIENT_ID, CLIENT_SECRET, Browser, OpenIdProvider, openid_provider
from ensign_testkit.people import add_person
from ensign_testkit.people import sign_in as sit
from ensign_testkit.providers import add_provider

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
BASE = {
    "client_id": CLIENT_ID,
    "scopes": "openid profile email groups",
    "tenant": "",
    "trust_email": False,
    "strong_acr": "",
}
PAGE = {"Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
def op() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


def connect(op: OpenIdProvider, **more: Any) -> ProviderView:
    settings = {**BASE, "issuer": op.issuer, **more.pop("settings", {})}
    return add_provider("op", settings=settings, secret=CLIENT_SECRET, **more)


def back(url: str) -> str:
    """The address at Ensign, as Django's client takes it."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def sign_in(
    client: Client, op: OpenIdProvider, browser: Browser | None = None, login: str = "anna", **query: str
) -> Any:
    first = client.get("/sso/op/login", query)
    assert first.status_code == 302, first.content.decode()
    return client.get(back((browser or Browser(op)).follow(first["Location"], login=login)))


def entry() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return found


def test_a_person_signs_in_and_comes_back_where_they_wanted_to_go(db: str, op: OpenIdProvider) -> None:
    person = add_person("Anna Berg", "viewer")
    connect(op)
    client = Client()
    answer = sign_in(client, op, next="/people?status=active")
    assert (answer.status_code, answer["Location"]) == (303, "/people?status=active")
    assert client.get("/people").status_code == 200
    assert (entry()["action"], entry()["actor"]["id"]) == ("session.started", person.id)


def test_what_a_thin_token_lacks_is_asked_of_the_user_info(db: str) -> None:
    admin = add_person("Root", "admin")
    person = add_person("Anna Berg", "viewer")
    group = groups.create(actor=admin, at=clock.now(), name="Payments")
    with openid_provider(thin=True, token_endpoint_auth_method="client_secret_post") as op:
        connect(op, mapping=[("eng-payments", group.id)])
        assert sign_in(Client(), op).status_code == 303
    assert [one.name for one in identity.groups_of(person.id)] == ["Payments"]


def test_somebody_new_is_made_with_name_and_groups(db: str, op: OpenIdProvider) -> None:
    admin = add_person("Root", "admin")
    group = groups.create(actor=admin, at=clock.now(), name="Payments")
    connect(op, provisioning=True, mapping=[("eng-payments", group.id)])
    assert sign_in(Client(), op).status_code == 303
    made = Person.objects.get(email="anna.berg@example.com")
    assert made.name == "Anna Berg"
    assert [one.name for one in identity.groups_of(made.pk)] == ["Payments"]


def test_who_declines_at_the_provider_is_told_so(db: str, op: OpenIdProvider) -> None:
    connect(op)
    answer = sign_in(Client(), op, login="nobody")
    assert answer.status_code == 422
    assert "access denied" in answer.content.decode()
    assert entry()["detail"]["why"] == "provider_access_denied"


def test_a_code_that_was_used_is_not_taken_again_by_the_provider(db: str, op: OpenIdProvider) -> None:
    add_person("Anna Berg", "viewer")
    connect(op)
    browser, first, second = Browser(op), Client(), Client()
    answer = back(browser.follow(first.get("/sso/op/login")["Location"]))
    assert first.get(answer).status_code == 303
    code = answer.split("code=")[1].split("&")[0]
    mine = back(browser.follow(second.get("/sso/op/login")["Location"]))
    stolen = mine.replace(mine.split("code=")[1].split("&")[0], code)
    assert second.get(stolen).status_code == 422
    assert entry()["detail"]["why"] == "code_refused"
    assert SESSION_KEY not in second.session


def test_the_session_is_renewed_unseen_while_the_provider_knows_the_person_and_ends_after(
    db: str, op: OpenIdProvider
) -> None:
    add_person("Anna Berg", "viewer")
    connect(op)
    browser, client = Browser(op), Client()
    sign_in(client, op, browser)
    due = client.get("/sso/renew?next=/people", headers=PAGE)["Location"]
    assert client.get(back(browser.follow(due)))["Location"] == "/people"
    browser.sign_out()
    due = client.get("/sso/renew?next=/people", headers=PAGE)["Location"]
    assert client.get(back(browser.follow(due))).status_code == 422
    assert SESSION_KEY not in client.session
    assert entry()["detail"]["because"] == "not_renewed"


def test_the_step_up_at_the_provider_asks_again_and_counts_if_a_second_factor_was_used(
    db: str, op: OpenIdProvider
) -> None:
    add_person("Anna Berg", "viewer")
    connect(op, mfa_counts=True)
    op.tell("anna", ANNA)
    browser, client = Browser(op), Client()
    sign_in(client, op, browser)
    assert MFA_AT not in client.session
    assert "Confirm through Op" in client.get("/account/confirm?next=/account").content.decode()
    asked = client.get("/sso/confirm?next=/account")["Location"]
    assert client.get(back(browser.follow(asked))).status_code == 422
    assert entry()["detail"]["why"] == "no_factor"
    op.tell("anna", {**ANNA, "amr": ["pwd", "mfa"]})
    asked = client.get("/sso/confirm?next=/account")["Location"]
    assert client.get(back(browser.follow(asked)))["Location"] == "/account"
    assert MFA_AT in client.session
    assert (entry()["action"], entry()["detail"]["way"]) == ("factor.proved", "oidc")
    op.tell("anna", ANNA)


def test_trying_shows_what_is_asserted_and_changes_nothing(db: str, op: OpenIdProvider) -> None:
    admin = add_person("Root", "admin")
    provider = connect(op, status="disabled")
    client = sit(Client(), admin)
    before = Entry.objects.count()
    asked = client.get(f"/identity-providers/{provider.id}/try")["Location"]
    page = client.get(back(Browser(op).follow(asked))).content.decode()
    assert "Nothing was changed" in page
    assert "eng-payments" in page
    assert Entry.objects.count() == before
    assert Person.objects.count() == 1


SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "okta": ({}, {"groups": ["Everyone", "eng-payments"]}, ""),
    "google": ({}, {"hd": "example.com", "groups": None}, ""),
    "google of another organisation": ({}, {"hd": "evil.example"}, "another_organisation"),
    "google without an organisation": ({}, {}, "another_organisation"),
    "entra": ({"tenant": TENANT}, {"tid": TENANT, "email_verified": None, "xms_edov": True}, ""),
    "entra of another tenant": ({"tenant": TENANT}, {"tid": "x", "xms_edov": True}, "another_organisation"),
    "entra with an address of its own choice": (
        {"tenant": TENANT},
        {"tid": TENANT, "email_verified": None},
        "email_unverified",
    ),
    "entra with too many groups": (
        {"tenant": TENANT},
        {"tid": TENANT, "xms_edov": True, "groups": None, "_claim_names": {"groups": "src1"}},
        "groups_overage",
    ),
    "keycloak": ({}, {"groups": "eng-payments"}, ""),
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_lets_in_whom_it_should(db: str, op: OpenIdProvider, name: str) -> None:
    settings, claims, why = SHAPES[name]
    admin = add_person("Root", "admin")
    add_person("Anna Berg", "viewer")
    group = groups.create(actor=admin, at=clock.now(), name="Payments")
    connect(op, shape=name.split()[0], settings=settings, mapping=[("eng-payments", group.id)])
    op.tell("anna", {key: value for key, value in {**ANNA, **claims}.items() if value is not None})
    client = Client()
    answer = sign_in(client, op)
    op.tell("anna", ANNA)
    assert (answer.status_code, SESSION_KEY in client.session) == ((422, False) if why else (303, True))
    assert entry()["detail"].get("why", "") == why
