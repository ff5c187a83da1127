"""Claims: no page can be forged, framed, cached, fixed or led astray; generated over every route there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from ensign.control.access import people, sign_in_rules, tokens
from ensign.control.access.tokens import TokenWish
from ensign.control.api import auth
from ensign.control.api.limits import Guesses
from ensign.control.audit.models import Entry
from ensign.control.identity import operations, sign_in
from ensign.control.identity.models import Account
from ensign.control.identity.rules import Rules
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Unauthenticated
from ensign_testkit.people import add_person
from ensign_testkit.people import sign_in as seat
from ensign_testkit.routes import Route, pages

pytestmark = pytest.mark.once

ROUTES = pages()
PASSWORD = "correct horse battery staple"
EMAIL = "anna.berg@example.com"

#: Views that a request without the CSRF token reaches, and why that is safe. A view that is exempt and stands not here
#: fails the test.
CSRF_EXEMPT = {
    "scim:root": "a directory calls it with a token of its own; it looks at no cookie",
    "scim:root-slash": "the same",
    "scim:endpoint": "the same",
    "sso:backchannel-logout": "an identity provider calls it, and what it sends is signed",
    "incidents:hook": "a monitoring system calls it, signed or with a secret of its own; it looks at no cookie",
    "incidents:hook-secret": "the same; the secret is in the address",
    "monitoring:hook": "a monitoring system calls it, signed or with a token of its own; it looks at no cookie",
    "identity:saml-acs": "an identity provider's page posts it across sites; what it posts is signed, and answers a"
    " question that this browser's session asked",
}

#: Pages that somebody who is not signed in may see, and why.
PUBLIC = {
    "identity:sign-in": "that is where one signs in",
    "identity:second-factor": "half signed in; leads back to the sign-in page without that",
    "identity:passkey": "signing in",
    "identity:passkey-question": "a question for signing in; it holds nothing of anybody",
    "identity:sign-out": "ends nothing when nobody is signed in",
    "identity:join": "the secret is in the address",
    "identity:reset": "the secret is in the address",
    "access:setup": "the secret is in the address",
    "identity:emergency": "signing in when every provider is down, by a sealed code",
    "identity:emergency-factor": "its second half; leads back to the code without that",
    "scim:root": "a directory's door: without its token it says so and nothing more",
    "scim:root-slash": "the same",
    "scim:endpoint": "the same",
    "incidents:hook": "a monitoring system's door: without its secret it says so and nothing more",
    "incidents:hook-secret": "the same; the secret is in the address",
    "monitoring:hook": "a monitoring system's door: without its signature or token it says so and nothing more",
    "sso:route": "signing in begins here",
    "sso:login": "leads to the identity provider",
    "sso:callback": "comes back from it; what it carries answers a question that this browser asked",
    "sso:backchannel-logout": "an identity provider calls it, signed",
    "identity:saml-metadata": "what an identity provider's administrator enters there; nothing of anybody",
    "identity:saml-acs": "an identity provider's answer, signed",
    "identity:saml-finish": "its second half, by a ticket that counts once",
    "identity:saml-logout": "an identity provider ends sessions, signed",
}


@pytest.fixture
def admin(db: str) -> Actor:
    return add_person("Ada", "admin", "developer", "approver", "auditor")


def test_the_routes_are_really_read() -> None:
    names = {route.name for route in ROUTES}
    assert len(ROUTES) > 80
    assert {"identity:sign-in", "access:setup", "home:index", "evidence:log"} <= names
    assert set(PUBLIC) <= names
    assert set(CSRF_EXEMPT) <= names


# --- Forged requests ---------------------------------------------------------------------------------


def test_no_write_gets_through_without_its_csrf_token_on_any_route(admin: Actor) -> None:
    client = seat(Client(enforce_csrf_checks=True), admin)
    before = Entry.objects.count()
    for route in ROUTES:
        exempt = bool(getattr(route.view, "csrf_exempt", False))
        assert exempt is (route.name in CSRF_EXEMPT), route.name
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            if exempt:
                continue
            for headers in ({}, {"Origin": "https://evil.example"}, {"Referer": "https://evil.example/"}):
                answer = client.generic(method, route.address, headers=headers)
                assert answer.status_code == 403, (route.name, method, headers)
    assert Entry.objects.count() == before
    assert client.get("/account").status_code == 200


def test_a_token_of_another_origin_does_not_count(admin: Actor) -> None:
    client = seat(Client(enforce_csrf_checks=True), admin)
    client.get("/account")
    token = client.cookies["csrftoken"].value
    sent = {"name": "New", "csrfmiddlewaretoken": token}
    assert client.post("/account", sent, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/account", sent).status_code == 303


def test_reading_a_page_writes_nothing(admin: Actor) -> None:
    """A link or a picture elsewhere can make a browser send GET; it must change nothing."""
    client = seat(Client(), admin)
    before = list(Entry.objects.values_list("seq", flat=True))
    for route in ROUTES:
        client.get(route.address)
    new = Entry.objects.exclude(seq__in=before).values_list("action", flat=True)
    # A refusal and a link that nobody made are entries of their own, and change nothing.
    assert set(new) <= {"access.denied", "session.refused", "session.blocked"}


def test_no_header_or_field_turns_one_method_into_another(admin: Actor) -> None:
    client = seat(Client(), admin)
    for route in ROUTES:
        plain = client.get(route.address)
        if plain.status_code != 405:
            continue
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            assert client.get(route.address + "?_method=POST", headers={name: "POST"}).status_code == 405, route.name


# --- Who is let in -----------------------------------------------------------------------------------


def test_a_stranger_is_sent_to_sign_in_from_every_route_but_the_public_ones(db: str) -> None:
    add_person("Anna Berg", "viewer")
    for route in ROUTES:
        for method in ("GET", "POST"):
            answer = Client().generic(method, route.address)
            if route.name in PUBLIC:
                assert answer.status_code < 500, route.name
                continue
            assert answer.status_code in {302, 405}, (route.name, method, answer.status_code)
            if answer.status_code == 302:
                led = answer["Location"]
                if not led.startswith("/login"):  # an address of before, which leads to the present one
                    led = Client().get(led)["Location"]
                assert led.startswith("/login"), route.name


def test_somebody_who_owes_a_factor_reaches_nothing_but_enrolling_and_leaving() -> None:
    allowed = {route.name for route in ROUTES if getattr(route.view, "ensign_while_enrolling", False)}
    assert allowed == {
        "identity:sign-in", "identity:second-factor", "identity:passkey", "identity:passkey-question",
        "identity:sign-out", "identity:confirm", "identity:security", "identity:authenticator", "identity:passkey-new",
        "identity:passkey-new-question", "identity:recovery-codes", "sso:route", "sso:login", "sso:callback",
        "sso:renew", "sso:confirm", "identity:emergency", "identity:emergency-factor",
        "identity:saml-acs", "identity:saml-finish", "identity:saml-logout",
    }  # fmt: skip


def test_peoples_networks_bind_every_page_but_what_machines_call(admin: Actor) -> None:
    machines = {route.name for route in ROUTES if getattr(route.view, "ensign_not_for_people", False)}
    assert machines == {
        "sso:backchannel-logout", "identity:saml-metadata", "scim:root", "scim:root-slash", "scim:endpoint",
        "incidents:hook", "incidents:hook-secret", "monitoring:hook",
    }  # fmt: skip
    sign_in_rules.change(
        actor=admin, at=clock.now(), wanted=Rules(networks=("192.0.2.0/24",)), address="192.0.2.1", way="password"
    )
    client = seat(Client(), admin)
    for route in ROUTES:
        for method in ("GET", "POST"):
            answer = client.generic(method, route.address)
            assert (answer.status_code == 403) is (route.name not in machines), (route.name, answer.status_code)


# --- Headers -----------------------------------------------------------------------------------------


def _check_headers(route: Route, answer: object) -> None:
    headers = {name.lower(): value for name, value in answer.headers.items()}  # type: ignore[attr-defined]  # a response
    policy = headers.get("content-security-policy", "")
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
        assert part in policy, (route.name, policy)
    assert "unsafe" not in policy, route.name
    assert headers["x-content-type-options"] == "nosniff", route.name
    assert headers["x-frame-options"] == "DENY", route.name
    assert headers["referrer-policy"] == "same-origin", route.name
    assert headers["cross-origin-opener-policy"] == "same-origin", route.name
    assert headers["cross-origin-resource-policy"] == "same-origin", route.name
    assert "camera=()" in headers["permissions-policy"], route.name
    kept = headers["cache-control"]
    assert "private" in kept or "no-store" in kept, (route.name, kept)
    assert "public" not in kept, (route.name, kept)
    assert "server" not in headers, route.name
    assert "x-powered-by" not in headers, route.name


def test_every_page_carries_the_protecting_headers_for_strangers_and_people(admin: Actor) -> None:
    client = seat(Client(), admin)
    for route in ROUTES:
        for answer in (Client().get(route.address), client.get(route.address)):
            assert answer.status_code < 500, route.name
            _check_headers(route, answer)


def test_pages_behind_a_secret_address_are_not_stored_and_not_told_to_others(db: str) -> None:
    for name in ("identity:join", "identity:reset", "access:setup"):
        route = next(route for route in ROUTES if route.name == name)
        answer = Client().get(route.address)
        assert "no-store" in answer["Cache-Control"] or "no-cache" in answer["Cache-Control"]
        assert answer["Referrer-Policy"] == "same-origin"


def test_over_https_cookies_are_secure_and_browsers_are_told_to_stay_there(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    secure = {"SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "SECURE_HSTS_SECONDS": 31_536_000}
    with override_settings(**secure):
        client = Client()
        client.get("/login", secure=True)
        answer = client.post("/login", {"email": EMAIL, "password": PASSWORD}, secure=True)
        for cookie in client.cookies.values():
            assert cookie["secure"], cookie.key
            assert cookie["samesite"] == "Lax", cookie.key
        session = client.cookies["sessionid"]
        assert session["httponly"]
        assert not session["domain"]
        assert answer["Strict-Transport-Security"].startswith("max-age=31536000")


def test_an_https_address_turns_these_settings_on() -> None:
    code = (
        "from ensign import settings as s;"
        "print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS, s.SESSION_COOKIE_HTTPONLY)"
    )
    found = {}
    for address in ("https://flags.example.com", "http://localhost:8000"):
        env = {**os.environ, "ENSIGN_PUBLIC_URL": address, "ENSIGN_DATA_DIR": str(settings.DATA_DIR)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        found[address] = done.stdout.split()
    assert list(found.values()) == [["True", "True", "31536000", "True"], ["False", "False", "0", "True"]]


# --- Led astray --------------------------------------------------------------------------------------

TARGETS = [
    "javascript:alert(1)",
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "https:evil.example",
    "https:/evil.example", "https://evil.example", "http:///evil.example", "HTTPS://EVIL.EXAMPLE",
    "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example/%2f..", "/\t/evil.example", "/\n/evil.example",
    "\t//evil.example", " //evil.example", "\x00//evil.example", "//evil%E3%80%82example", "//evil。example",
    "//testserver@evil.example", "https://testserver.evil.example", "https://testserver@evil.example/",
    "/\u2028/evil.example", "\u2029//evil.example", "/\r\nSet-Cookie: a=b", "ftp://evil.example", "?next=//evil",
    "evil.example", "./evil", "//[::1]/", "http:\\\\evil.example", "/%09/evil.example", "/%2Fevil.example",
    "%2F%2Fevil.example", "/..//evil.example", "/.evil", "//evil.example\\@testserver",
]  # fmt: skip


def _lands_on(location: str) -> str | None:
    """The host on which a browser ends that follows ``location`` (WHATWG URL: no tabs, backslash is slash)."""
    text = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urlsplit(urljoin("http://testserver/login", text)).hostname


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_signing_in_leads_nowhere_else_however_it_is_written(db: str, target: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    client = Client()
    page = client.get("/login", {"next": target}).content.decode()
    kept = re.search(r'name="next" value="([^"]*)"', page)
    assert kept is not None
    assert _lands_on(kept.group(1)) == "testserver"
    answer = client.post("/login", {"email": EMAIL, "password": PASSWORD, "next": target})
    for location in (answer["Location"], client.get("/login", {"next": target})["Location"]):
        assert _lands_on(location) == "testserver"
        assert "\n" not in location
        assert urlsplit(location).scheme == ""
    assert "a" not in client.cookies


def test_no_route_at_all_redirects_to_another_host(admin: Actor) -> None:
    client = seat(Client(), admin)
    asked = {"next": "//evil.example", "back": "//evil.example", "url": "//evil.example", "return_to": "//evil.example"}
    headers = {"Referer": "https://evil.example/people", "HX-Current-URL": "https://evil.example/people"}
    for route in ROUTES:
        for answer in (client.get(route.address, asked, headers=headers), client.post(route.address, asked)):
            if "Location" in answer:
                assert _lands_on(answer["Location"]) == "testserver", route.name
        if route.name == "identity:sign-out":
            client = seat(Client(), admin)


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"]
)
def test_links_name_this_server_whatever_a_request_says_of_itself(admin: Actor, header: str) -> None:
    client = seat(Client(), admin)
    value = "host=evil.example" if header == "Forwarded" else "evil.example"
    answer = client.post("/people/invite", {"email": "new@example.com"}, headers={header: value})
    if header == "Host":
        assert answer.status_code == 400
        assert not Entry.objects.filter(action="person.invited").exists()
        return
    assert answer.status_code == 200
    text = answer.content.decode()
    assert f"{settings.PUBLIC_URL}/invite/" in text
    assert "evil.example" not in text


def test_a_parameter_given_twice_misleads_nothing(db: str) -> None:
    anna = add_person("Anna Berg", password=PASSWORD)
    add_person("Bo Dahl", password=PASSWORD + " too")
    client = Client()
    body = f"email=bo.dahl%40example.com&email=anna.berg%40example.com&password=x&password={PASSWORD.replace(' ', '+')}"
    body += "&next=/people&next=//evil.example"
    answer = client.post("/login", body, content_type="application/x-www-form-urlencoded")
    assert answer["Location"] == "/"
    assert json.loads(Entry.objects.order_by("-seq")[0].body)["actor"]["id"] == anna.id
    twice = client.get("/api/v1/sign-ins?limit=1&limit=2&person=x&person=" + anna.id)
    assert twice.status_code in {200, 422}


# --- Fixed sessions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["password", "totp", "recovery_code", "passkey", "invitation", "setup"])
def test_no_way_to_sign_in_keeps_a_session_that_was_there_before(db: str, way: sign_in.Way) -> None:
    person = add_person("Anna Berg", "viewer")
    request = RequestFactory().get("/login")
    request.session, request.user = SessionStore(), AnonymousUser()
    request.session["planted"] = "by an attacker"
    request.session.save()
    planted = request.session.session_key
    csrf = request.META.get("CSRF_COOKIE")
    sign_in.complete(request, Account.objects.get(person_id=person.id), way=way, at=clock.now())
    assert request.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()
    assert request.META.get("CSRF_COOKIE") != csrf  # that token was known to whoever planted it


def test_signing_in_as_somebody_else_keeps_nothing_of_the_first(db: str) -> None:
    first, second = add_person("Anna Berg", "viewer"), add_person("Bo Dahl", "viewer")
    request = RequestFactory().get("/login")
    request.session, request.user = SessionStore(), AnonymousUser()
    at = clock.now()
    sign_in.complete(request, Account.objects.get(person_id=first.id), way="passkey", at=at)
    request.session["kept"] = "the first one's"
    sign_in.complete(request, Account.objects.get(person_id=second.id), way="password", at=at)
    assert "kept" not in request.session
    assert "ensign_mfa_at" not in request.session


def test_a_made_up_cookie_opens_and_keeps_nothing(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    client = Client()
    client.cookies["sessionid"] = "a" * 32
    assert client.get("/people").status_code == 302
    client.post("/login", {"email": EMAIL, "password": PASSWORD})
    assert client.cookies["sessionid"].value != "a" * 32


# --- Guessing ----------------------------------------------------------------------------------------


def test_a_known_and_an_unknown_account_cost_the_same_work(db: str) -> None:
    """Counted, not timed: as many statements, and in test_sign_in as many hashings."""
    add_person("Anna Berg", password=PASSWORD)
    costs = []
    for email in (EMAIL, "nobody@example.com", EMAIL, "somebody@example.com"):
        with CaptureQueriesContext(connection) as queries, pytest.raises(Unauthenticated):
            sign_in.authenticate(email=email, password="wrong", address="192.0.2.1", at=clock.now())
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert costs[2] == costs[3]


@pytest.fixture
def few_guesses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(auth, "_guesses", Guesses(per_minute=30))
    return


@pytest.mark.usefixtures("few_guesses")
def test_guessing_tokens_is_stopped_per_address_and_summed_up_while_valid_ones_work(db: str) -> None:
    person = add_person("Anna Berg", "viewer")
    good = tokens.create_personal(actor=person, at=clock.now(), wish=TokenWish(name="t")).text
    client = Client()
    statuses = [
        client.get("/api/v1/whoami", headers={"Authorization": f"Bearer ensign_pat_{number:043d}"}).status_code
        for number in range(50)
    ]
    assert statuses == [401] * 30 + [429] * 20
    assert client.get("/api/v1/whoami", headers={"Authorization": f"Bearer {good}"}).status_code == 200
    elsewhere = Client(REMOTE_ADDR="203.0.113.9")
    assert elsewhere.get("/api/v1/whoami", headers={"Authorization": "Bearer ensign_pat_x"}).status_code == 401
    assert Entry.objects.filter(action="session.refused").count() == sign_in.LOUD
    assert "ensign_pat_0" not in "".join(Entry.objects.values_list("body", flat=True))


@pytest.mark.parametrize("kind", ["setup", "invite", "reset"])
def test_guessing_links_is_stopped_and_a_good_one_is_not_told_apart_before(db: str, kind: str) -> None:
    client = Client()
    statuses = [client.get(f"/{kind}/{number:043d}").status_code for number in range(40)]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    assert statuses.index(429) <= 30
    assert client.get(f"/{kind}/{'x' * 5000}").status_code in {404, 429}


def test_a_link_of_one_kind_opens_nothing_of_another(db: str) -> None:
    admin = add_person("Ada", "admin")
    anna = add_person("Anna Berg", password=PASSWORD)
    reset = people.make_reset_link(actor=admin, at=clock.now(), person_id=anna.id).link
    invited = people.invite(actor=admin, at=clock.now(), email="new@example.com").link
    for kind, text in (("invite", reset), ("setup", reset), ("reset", invited), ("setup", invited)):
        assert Client().get(f"/{kind}/{text}").status_code == 404
    with pytest.raises(Exception, match="set up already"):
        operations.create_setup_link(at=clock.now())
