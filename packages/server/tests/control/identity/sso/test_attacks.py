"""Claims: no forged, replayed, mixed-up or borrowed answer of a provider opens a session, in bounded time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import SESSION_KEY
from django.test import Client
from ensign.control.audit.models import Entry
from ensign.control.identity.models import Person
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.models import ExternalIdentity
from ensign.control.identity.sso.oidc.rules import half_hash
from ensign_testkit.hostile_openid import CLIENT_ID, HostileProvider
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider

pytestmark = pytest.mark.once

SECRET = "a secret that both know, long enough to be one"
SETTINGS: dict[str, Any] = {
    "client_id": CLIENT_ID, "scopes": "openid email", "tenant": "", "trust_email": False, "strong_acr": ""
}  # fmt: skip


def connect(liar: HostileProvider, key: str = "op", **more: Any) -> ProviderView:
    settings = {**SETTINGS, "issuer": liar.issuer, **more.pop("settings", {})}
    return add_provider(key, settings=settings, secret=SECRET, **more)


def begin(client: Client, key: str = "op", **query: str) -> dict[str, str]:
    """What the redirect to the provider asks."""
    answer = client.get(f"/sso/{key}/login", query)
    assert answer.status_code == 302, answer.content.decode()
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def come_back(client: Client, key: str = "op", **query: str) -> Any:
    return client.get(f"/sso/{key}/callback?{urlencode({'code': 'abc', **query})}")


def signed_in(client: Client) -> bool:
    return SESSION_KEY in client.session


def last_entry() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return found


def refused(client: Client, answer: Any, why: str) -> None:
    assert answer.status_code == 422, answer.content.decode()
    assert not signed_in(client)
    assert (last_entry()["action"], last_entry()["detail"]["why"]) == ("session.refused", why.replace("-", "_"))


def test_what_is_asked_holds_state_nonce_and_a_challenge_and_an_honest_answer_opens_a_session(
    db: str, liar: HostileProvider
) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == "http://localhost:8000/sso/op/callback"
    access = half_hash(liar.access, "RS256")
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"], at_hash=access))
    assert come_back(client, state=asked["state"]).status_code == 303
    assert signed_in(client)
    assert liar.codes[0]["client_secret"] == [SECRET]
    assert len(liar.codes[0]["code_verifier"][0]) >= 43


WRONG: dict[str, tuple[str, Callable[[HostileProvider, dict[str, Any]], str]]] = {
    "another nonce": ("token-nonce", lambda op, c: op.signed({**c, "nonce": "x" * 43})),
    "no nonce": ("token-nonce", lambda op, c: op.signed({n: v for n, v in c.items() if n != "nonce"})),
    "another issuer": ("token-iss", lambda op, c: op.signed({**c, "iss": "https://evil.example"})),
    "another audience": ("token-aud", lambda op, c: op.signed({**c, "aud": "another-client"})),
    "a second audience without azp": ("token-azp", lambda op, c: op.signed({**c, "aud": [CLIENT_ID, "another"]})),
    "made for another client": ("token-azp", lambda op, c: op.signed({**c, "azp": "another"})),
    "expired": ("token-exp", lambda op, c: op.signed({**c, "exp": c["iat"] - 120})),
    "without an end": ("token-exp", lambda op, c: op.signed({n: v for n, v in c.items() if n != "exp"})),
    "made long ago": ("token-iat", lambda op, c: op.signed({**c, "iat": c["iat"] - 3600})),
    "made in the future": ("token-iat", lambda op, c: op.signed({**c, "iat": c["iat"] + 3600})),
    "not valid yet": ("token-nbf", lambda op, c: op.signed({**c, "nbf": c["iat"] + 3600})),
    "the hash of another access token": ("token-at_hash", lambda op, c: op.signed({**c, "at_hash": "x" * 22})),
    "an empty subject": ("token-sub", lambda op, c: op.signed({**c, "sub": ""})),
    "no signature": ("token-alg", lambda op, c: op.unsigned(c)),
    "the client secret as key": ("token-alg", lambda op, c: op.confused(c, SECRET.encode())),
    "the public key as secret": ("token-alg", lambda op, c: op.confused(c, public(op.key))),
    "a critical header": ("token-form", lambda op, c: op.signed(c, header={"crit": ["b64"]})),
    "a log-out token": ("token-typ", lambda op, c: op.signed(c, header={"typ": "logout+jwt"})),
    "an unknown key": ("token-kid", lambda op, c: op.signed(c, header={"kid": "two"})),
    "no token at all": ("token-form", lambda op, c: "abc"),
    "a token of a megabyte": ("token-size", lambda op, c: op.signed({**c, "groups": ["g" * 300_000]})),
}


def public(key: rsa.RSAPrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_is_no_answer_to_our_question_opens_nothing(db: str, liar: HostileProvider, name: str) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    why, forge = WRONG[name]
    liar.token = forge(liar, liar.claims(nonce=asked["nonce"]))
    refused(client, come_back(client, state=asked["state"]), why)


def test_a_token_signed_by_another_key_under_the_right_name_opens_nothing(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    liar.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"]))
    refused(client, come_back(client, state=asked["state"]), "token-signature")


def test_new_keys_are_learnt_but_unknown_ones_do_not_make_us_ask_all_the_time(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    for _ in range(3):
        asked = begin(client)
        liar.token = liar.signed(liar.claims(nonce=asked["nonce"]), header={"kid": "unknown"})
        come_back(client, state=asked["state"])
    assert liar.asked["/jwks"] == 1
    assert liar.asked["/.well-known/openid-configuration"] == 1


def test_a_state_of_another_browser_opens_nothing_in_this_one(db: str, liar: HostileProvider) -> None:
    """Login CSRF: an attacker's answer in the victim's browser."""
    add_person("Anna Berg")
    connect(liar)
    attacker, victim = Client(), Client()
    asked = begin(attacker)
    begin(victim)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"]))
    refused(victim, come_back(victim, state=asked["state"]), "state-unknown")
    refused(victim, come_back(victim), "state-unknown")
    assert liar.codes == []


def test_an_answer_counts_once(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"]))
    assert come_back(client, state=asked["state"]).status_code == 303
    client.post("/logout")
    refused(client, come_back(client, state=asked["state"]), "state-unknown")
    assert len(liar.codes) == 1


def test_an_answer_at_another_providers_address_opens_nothing(db: str, liar: HostileProvider) -> None:
    """Mix-up: the code of one provider must not be taken to another."""
    add_person("Anna Berg")
    connect(liar)
    connect(liar, "evil", settings={"issuer": "https://evil.example"})
    client = Client()
    asked = begin(client)
    refused(client, come_back(client, "evil", state=asked["state"]), "state-of-another")
    asked = begin(client)
    refused(client, come_back(client, state=asked["state"], iss="https://evil.example"), "iss-of-another")
    assert liar.codes == []


def test_a_provider_that_names_itself_must_do_so(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    liar.config["authorization_response_iss_parameter_supported"] = True
    connect(liar)
    client = Client()
    asked = begin(client)
    refused(client, come_back(client, state=asked["state"]), "iss-missing")


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"email": "anna.berg@evil.example"},
        {"email": "anna.berg@example.com@evil.example"},
        {"email": ["anna.berg@example.com"]},
        {"email": None},
    ],
)
def test_an_address_that_is_not_verified_or_foreign_takes_nobody_over(
    db: str, liar: HostileProvider, claims: dict[str, Any]
) -> None:
    add_person("Anna Berg", "admin")
    connect(liar, provisioning=True)
    client = Client()
    asked = begin(client)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"], **claims))
    assert come_back(client, state=asked["state"]).status_code == 422
    assert not signed_in(client)
    assert (Person.objects.count(), ExternalIdentity.objects.count()) == (1, 0)


def test_the_user_info_of_somebody_else_adds_nothing(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"], sub="mallory", email=None))
    liar.info = {"sub": "00u1anna", "email": "anna.berg@example.com", "email_verified": True}
    refused(client, come_back(client, state=asked["state"]), "userinfo-subject")
    asked = begin(client)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"], sub="mallory", email=None, email_verified=True))
    liar.info = {"sub": "mallory", "email": "anna.berg@example.com", "email_verified": False}
    refused(client, come_back(client, state=asked["state"]), "email-unverified")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil"]
)
def test_signing_in_leads_nowhere_else(db: str, liar: HostileProvider, target: str) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client, next=target)
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"]))
    assert come_back(client, state=asked["state"])["Location"] == "/"
    assert client.get("/sso/op/login", {"next": target})["Location"] == "/"
    assert client.get("/sso/renew", {"next": target}).status_code == 302


def test_the_session_is_a_fresh_one(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    planted = client.cookies["sessionid"].value
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"]))
    come_back(client, state=asked["state"])
    assert client.cookies["sessionid"].value != planted


def test_who_never_comes_back_leaves_a_session_of_minutes(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg")
    connect(liar)
    client = Client()
    asked = begin(client)
    assert client.session.get_expiry_age() == 600
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"]))
    come_back(client, state=asked["state"])
    assert client.session.get_expiry_age() > 3600


def test_a_discovery_document_of_somebody_else_is_refused(db: str, liar: HostileProvider) -> None:
    connect(liar)
    liar.config["issuer"] = "https://evil.example"
    answer = Client().get("/sso/op/login")
    assert answer.status_code == 503
    assert "another issuer" in answer.content.decode()


def test_an_endpoint_in_a_private_network_is_not_called(
    db: str, liar: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.1/32")
    add_person("Anna Berg")
    connect(liar)
    liar.config["token_endpoint"] = "http://127.0.0.2:1/token"
    client = Client()
    asked = begin(client)
    assert come_back(client, state=asked["state"]).status_code == 503
    monkeypatch.delenv("ENSIGN_OUTBOUND_ALLOW")
    assert client.get("/sso/op/login").status_code == 302, "what is known is used"


@pytest.mark.parametrize("how", ["silent", "dripping", "gone"])
def test_a_provider_that_does_not_answer_costs_bounded_time_and_the_page_says_what_to_do(
    db: str, liar: HostileProvider, how: str
) -> None:
    provider = connect(liar)
    if how == "gone":
        provider = connect(liar, "gone", settings={"issuer": "http://127.0.0.1:9"})
    liar.delay, liar.drip = (60.0 if how == "silent" else 0.0), how == "dripping"
    began = time.monotonic()
    for _ in range(3):
        answer = Client().get(f"/sso/{provider.key}/login")
        assert answer.status_code == 503
        assert "does not answer" in answer.content.decode()
        assert "ensign sso release" in answer.content.decode()
    assert time.monotonic() - began < 60, "waited for once, remembered for the others"
    assert liar.asked.get("/.well-known/openid-configuration", 0) <= 1
