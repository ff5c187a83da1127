"""Claims: providers are connected, mapped and enforced on their pages; what cannot be is said at its field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import groups
from ensign.control.identity.models import Account
from ensign.control.identity.sessions import SIGNED_IN_AT
from ensign.control.identity.sso import arrival, queries
from ensign.control.kernel import clock
from ensign_testkit.browsing import Codes
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.providers import add_identity, add_provider, asserting, browser_request


@pytest.fixture(autouse=True)
def own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")


FORM = {
    "name": "Example Identity",
    "key": "op",
    "shape": "generic",
    "issuer": "http://127.0.0.1:9",
    "client_id": "ensign",
    "secret": "the secret",
    "domains": "example.com, example.org",
    "group_claim": "groups",
    "provisioning": "on",
    "recheck_minutes": "30",
    "session_hours": "8",
}


def test_a_provider_is_connected_enabled_mapped_and_changed(db: str) -> None:
    admin = add_person("Root", "admin")
    group = groups.create(actor=admin, at=clock.now(), name="Payments")
    client = sign_in(Client(), admin)
    made = client.post("/identity-providers/new?kind=oidc", FORM)
    assert made.status_code == 303
    page = made["Location"]
    provider = queries.by_key("op")
    assert (provider.domains, provider.recheck_minutes) == (("example.com", "example.org"), 30)
    assert "http://localhost:8000/sso/op/callback" in client.get(page).content.decode()
    assert client.post(f"{page}/enable", {"reason": "Only me"}).status_code == 303
    assert client.post(f"{page}/map", {"value": "eng", "group": group.id}).status_code == 303
    assert [one.value for one in queries.by_key("op").group_mapping] == ["eng"]
    assert client.post(page, {**FORM, "name": "Another", "secret": ""}).status_code == 303
    assert queries.by_key("op").name == "Another"
    assert client.post(f"{page}/unmap", {"value": "eng", "group": group.id}).status_code == 303
    assert queries.by_key("op").group_mapping == ()
    assert client.post(f"{page}/disable", {"reason": "Over"}).status_code == 303
    assert queries.by_key("op").status == "disabled"


def test_what_is_wrong_stands_at_its_field(db: str) -> None:
    client = sign_in(Client(), add_person("Root", "admin"))
    answer = client.post("/identity-providers/new", {**FORM, "domains": "gmail.com", "key": "Not A Key"})
    assert answer.status_code == 422
    assert "Use 1 to 40 of a-z" in answer.content.decode()
    answer = client.post("/identity-providers/new", {**FORM, "domains": "gmail.com"})
    assert "Anybody gets an address at gmail.com" in answer.content.decode()
    assert client.get("/identity-providers/new?kind=unknown").status_code == 404


def test_without_a_recent_second_factor_the_step_up_is_the_answer(db: str) -> None:
    admin = add_person("Root", "admin", mfa=False)
    answer = sign_in(Client(), admin).post("/identity-providers/new", FORM)
    assert answer.status_code in {302, 303}
    assert answer["Location"].startswith("/account/confirm")
    assert queries.providers() == ()


def test_the_page_says_what_enforcing_lacks(db: str) -> None:
    admin = add_person("Root", "admin")
    provider = add_provider()
    client = sign_in(Client(), admin)
    page = f"/identity-providers/{provider.id}"
    told = client.post(f"{page}/enforce", {"without_emergency": "1"}, follow=True).content.decode()
    assert "Nobody who could end the enforcement again" in told
    add_identity(provider, admin.id)
    arrived: dict[str, Any] = {"without_emergency": "1", "reason": "Policy"}
    assert client.post(f"{page}/enforce", arrived).status_code == 303
    assert queries.provider(provider.id).enforced


def test_an_auditor_sees_how_people_sign_in_and_changes_nothing(db: str) -> None:
    provider = add_provider(settings={"issuer": "https://op.example.com"})
    client = sign_in(Client(), add_person("Au Ditor", "auditor"))
    text = client.get(f"/identity-providers/{provider.id}").content.decode()
    assert "https://op.example.com" in text
    assert "Save" not in text
    assert client.post(f"/identity-providers/{provider.id}/disable").status_code == 403
    assert sign_in(Client(), add_person("Vi", "viewer")).get("/identity-providers").status_code == 403


def test_who_has_no_password_enrols_a_first_factor_soon_after_signing_in_only(db: str) -> None:
    person = add_person("Anna Berg", "viewer")
    request = browser_request()
    arrival.arrive(request, asserting(add_provider(recheck_minutes=0)), at=clock.now())
    client = Client()
    client.cookies["sessionid"] = request.session.session_key or ""
    form = client.get("/account/security/authenticator").content.decode()
    assert 'name="password"' not in form
    code = Codes(client.session["ensign_totp_secret"]).next()
    session = client.session
    began, early = session[SIGNED_IN_AT], clock.now() - timedelta(minutes=16)
    session[SIGNED_IN_AT] = clock.text(early)  # older than its person's last sign-in, which is somewhere else
    session.save()
    assert Account.objects.get(person_id=person.id).last_login > early
    refused = client.post("/account/security/authenticator", {"code": code})
    assert refused.status_code == 422
    assert "too long ago" in refused.content.decode()
    session[SIGNED_IN_AT] = began
    session.save()
    assert client.post("/account/security/authenticator", {"code": code}).status_code == 303


def test_the_page_of_a_person_says_through_which_provider_they_come(db: str) -> None:
    admin, person = add_person("Root", "admin"), add_person("Anna Berg", "viewer")
    client = sign_in(Client(), admin)
    assert "no provider yet" in client.get(f"/people/{person.id}").content.decode()
    add_identity(add_provider("okta"), person.id)
    assert "<dt>Signs in through</dt><dd>Okta</dd>" in client.get(f"/people/{person.id}").content.decode()
