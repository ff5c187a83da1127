"""Claims: a certified OpenID provider (npm oidc-provider) signs people in, renews and ends their sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from ensign.control.audit.models import Entry
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.oidc import metadata
from ensign_testkit.openid import CLIENT_ID, CLIENT_SECRET, Browser, OpenIdProvider, openid_provider
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider

BASE = {"client_id": CLIENT_ID, "scopes": "openid profile email groups", "tenant": "", "trust_email": False}


@pytest.fixture(scope="module")
def op() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    metadata.forget()


def connect(op: OpenIdProvider, **more: Any) -> ProviderView:
    settings = {**BASE, "issuer": op.issuer, "strong_acr": "", **more.pop("settings", {})}
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
