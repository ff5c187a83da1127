"""Claims: who leaves at the provider is out here, at once or at the next check; no forgery ends a session."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client
from ensign.control.access import people
from ensign.control.audit.models import Entry
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.oidc import metadata
from ensign.control.identity.sso.oidc.rules import LOGOUT_EVENT
from ensign.control.kernel import clock
from ensign_testkit.hostile_openid import CLIENT_ID, HostileProvider
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider

SETTINGS: dict[str, Any] = {
    "client_id": CLIENT_ID, "scopes": "openid email", "tenant": "", "trust_email": False, "strong_acr": ""
}  # fmt: skip
PAGE = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


def connect(liar: HostileProvider, **more: Any) -> ProviderView:
    settings = {**SETTINGS, "issuer": liar.issuer}
    return add_provider("op", settings=settings, secret="a secret", **more)


def asked_in(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def answered(client: Client, liar: HostileProvider, asked: dict[str, str], **claims: Any) -> Any:
    liar.token = liar.signed(liar.claims(nonce=asked["nonce"], **claims))
    return client.get(f"/sso/op/callback?{urlencode({'code': 'abc', 'state': asked['state']})}")


def arrive(liar: HostileProvider, **claims: Any) -> Client:
    client = Client()
    asked = asked_in(client.get("/sso/op/login")["Location"])
    assert answered(client, liar, asked, **claims).status_code == 303
    return client


def last_entry() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return found


# --- Back-channel log-out ---------------------------------------------------------------------------


def logout_claims(liar: HostileProvider, **more: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "iss": liar.issuer,
        "aud": CLIENT_ID,
        "iat": now,
        "exp": now + 120,
        "jti": "one",
        "sub": "00u1anna",
        "events": {LOGOUT_EVENT: {}},
        **more,
    }
    return {name: value for name, value in given.items() if value is not None}


def announce(token: str) -> int:
    return Client(enforce_csrf_checks=True).post("/sso/op/backchannel-logout", {"logout_token": token}).status_code


def logged_out(liar: HostileProvider, **more: Any) -> str:
    return liar.signed(logout_claims(liar, **more), header={"typ": "logout+jwt"})


def test_the_providers_log_out_ends_the_session_that_it_names_at_once(db: str, liar: HostileProvider) -> None:
    person = add_person("Anna Berg", "viewer")
    connect(liar)
    first, second = arrive(liar, sid="a"), arrive(liar, sid="b")
    assert announce(logged_out(liar, sid="a", sub=None)) == 200
    assert first.get("/people", headers=PAGE).status_code == 302
    assert second.get("/people", headers=PAGE).status_code == 200
    assert announce(logged_out(liar, jti="two")) == 200
    assert not Session.objects.exists()
    assert (last_entry()["action"], last_entry()["detail"]["person"]) == ("session.ended_by_provider", person.id)


FORGED: dict[str, Callable[[HostileProvider, dict[str, Any]], str]] = {
    "another issuer": lambda op, c: op.signed({**c, "iss": "https://evil.example"}),
    "another audience": lambda op, c: op.signed({**c, "aud": "another"}),
    "no events": lambda op, c: op.signed({n: v for n, v in c.items() if n != "events"}),
    "another event": lambda op, c: op.signed({**c, "events": {"http://schemas.openid.net/event/other": {}}}),
    "events as a list": lambda op, c: op.signed({**c, "events": [LOGOUT_EVENT]}),
    "a nonce": lambda op, c: op.signed({**c, "nonce": "n"}),
    "no jti": lambda op, c: op.signed({n: v for n, v in c.items() if n != "jti"}),
    "neither sub nor sid": lambda op, c: op.signed({n: v for n, v in c.items() if n != "sub"}),
    "expired": lambda op, c: op.signed({**c, "exp": c["iat"] - 100}),
    "old": lambda op, c: op.signed({**c, "iat": c["iat"] - 3600, "exp": c["iat"] + 3600}),
    "no signature": lambda op, c: op.unsigned(c),
    "the client secret as key": lambda op, c: op.confused(c, b"a secret"),
    "an unknown key": lambda op, c: op.signed(c, header={"kid": "two"}),
    "an ID token": lambda op, c: op.signed(op.claims(nonce="n")),
    "nothing": lambda op, c: "",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_log_out_ends_nothing(db: str, liar: HostileProvider, name: str) -> None:
    add_person("Anna Berg", "viewer")
    connect(liar)
    client = arrive(liar)
    assert announce(FORGED[name](liar, logout_claims(liar))) == 400
    assert client.get("/people", headers=PAGE).status_code == 200


def test_a_log_out_counts_once(db: str, liar: HostileProvider) -> None:
    """Whoever keeps one cannot throw the person out for ever."""
    add_person("Anna Berg", "viewer")
    connect(liar)
    arrive(liar)
    token = logged_out(liar)
    assert announce(token) == 200
    again = arrive(liar)
    assert announce(token) == 400
    assert again.get("/people", headers=PAGE).status_code == 200


def test_forgeries_are_limited_by_address(db: str, liar: HostileProvider) -> None:
    connect(liar)
    statuses = {announce("x") for _ in range(62)}
    assert statuses == {400, 429}


# --- Checked again ----------------------------------------------------------------------------------


def test_a_page_after_the_check_is_due_asks_the_provider_unseen_and_goes_on(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg", "viewer")
    connect(liar, recheck_minutes=20)
    client = arrive(liar)
    with clock.simulated(clock.now() + timedelta(minutes=21)):
        due = client.get("/people?status=active", headers=PAGE)
        assert due["Location"] == "/sso/renew?next=%2Fpeople%3Fstatus%3Dactive"
        away = client.get(due["Location"], headers=PAGE)
        asked = asked_in(away["Location"])
        assert (asked["prompt"], asked["login_hint"]) == ("none", "anna.berg@example.com")
        now = int(clock.now().timestamp())
        back = answered(client, liar, asked, iat=now, exp=now + 60)
        assert back["Location"] == "/people?status=active"
        assert client.get("/people", headers=PAGE).status_code == 200


def refuse(client: Client, error: str) -> Any:
    asked = asked_in(client.get("/sso/renew?next=/people", headers=PAGE)["Location"])
    return client.get(f"/sso/op/callback?{urlencode({'error': error, 'state': asked['state']})}")


def test_whom_the_provider_does_not_know_any_more_is_out_with_an_entry(db: str, liar: HostileProvider) -> None:
    person = add_person("Anna Berg", "viewer")
    connect(liar)
    client = arrive(liar)
    answer = refuse(client, "login_required")
    assert answer.status_code == 422
    assert SESSION_KEY not in client.session
    assert client.get("/people", headers=PAGE).status_code == 302
    assert last_entry()["action"] == "session.ended_by_provider"
    assert last_entry()["detail"]["person"] == person.id
    assert last_entry()["detail"]["because"] == "not_renewed"


def test_an_outage_is_waited_for_but_not_beyond_twice_the_interval(
    db: str, liar: HostileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person("Anna Berg", "viewer")
    connect(liar, recheck_minutes=20)
    client = arrive(liar)
    began = clock.now()
    with clock.simulated(began + timedelta(minutes=21)):
        assert refuse(client, "temporarily_unavailable")["Location"] == "/people"
        assert client.get("/people", headers=PAGE).status_code == 200
    metadata.forget()
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "")
    with clock.simulated(began + timedelta(minutes=24)):
        assert client.get(client.get("/people", headers=PAGE)["Location"])["Location"] == "/people"
    with clock.simulated(began + timedelta(minutes=41)):
        answer = client.get(client.get("/people", headers=PAGE)["Location"])
        assert answer.status_code == 422
    assert SESSION_KEY not in client.session


def test_what_is_no_page_goes_through_until_the_limit_and_then_nothing_is_served(
    db: str, liar: HostileProvider
) -> None:
    add_person("Anna Berg", "viewer")
    connect(liar, recheck_minutes=20)
    client = arrive(liar)
    began = clock.now()
    with clock.simulated(began + timedelta(minutes=30)):
        assert client.get("/api/v1/whoami").status_code == 200
        assert client.post("/account", {"name": "Anna B."}).status_code == 303
    with clock.simulated(began + timedelta(minutes=41)):
        assert client.get("/api/v1/whoami").status_code == 401
        assert client.post("/account", {"name": "Anna C."})["Location"].startswith("/login")


def test_a_session_is_over_after_its_hours_however_often_it_was_renewed(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg", "viewer")
    connect(liar, session_hours=2, recheck_minutes=0)
    client = arrive(liar)
    began = clock.now()
    for minutes in (40, 80, 119):
        with clock.simulated(began + timedelta(minutes=minutes)):
            assert client.get("/people", headers=PAGE).status_code == 200
    with clock.simulated(began + timedelta(minutes=121)):
        assert client.get("/people", headers=PAGE)["Location"].startswith("/login")
    assert SESSION_KEY not in client.session
    ended = Entry.objects.get(action="session.expired")
    assert json.loads(ended.body)["detail"]["limit"] == "provider_time"


def test_a_renewal_for_somebody_else_ends_the_session(db: str, liar: HostileProvider) -> None:
    add_person("Anna Berg", "viewer")
    add_person("Bo Dahl", "admin")
    connect(liar)
    client = arrive(liar)
    asked = asked_in(client.get("/sso/renew?next=/people", headers=PAGE)["Location"])
    answer = answered(client, liar, asked, sub="bo", email="bo.dahl@example.com")
    assert answer.status_code == 422
    assert SESSION_KEY not in client.session


def test_deactivated_here_is_out_and_stays_out(db: str, liar: HostileProvider) -> None:
    admin = add_person("Root", "admin")
    person = add_person("Anna Berg", "viewer")
    connect(liar, provisioning=True)
    client = arrive(liar)
    people.deactivate(actor=admin, at=clock.now(), person_id=person.id)
    assert client.get("/people", headers=PAGE).status_code == 302
    other = Client()
    asked = asked_in(other.get("/sso/op/login")["Location"])
    assert answered(other, liar, asked).status_code == 422
