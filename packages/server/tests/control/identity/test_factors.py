"""Claims: codes work once; enrolment needs the password, change a recent factor; the step-up gives ``mfa_at``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.test import Client
from ensign.control.access import people
from ensign.control.audit.models import Entry
from ensign.control.identity import factors
from ensign.control.identity.models import Account
from ensign.control.identity.webauthn import origin_allowed
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid, NeedsMfa
from ensign_testkit.people import add_person

PASSWORD = "correct horse battery staple"


def code(secret: str, at: datetime) -> str:
    return str(format_hotp_value(hotp_value(secret, int(at.timestamp()) // 30)))


def enrolled(at: datetime) -> tuple[Actor, str]:
    person = add_person("Anna Berg", "approver", password=PASSWORD)
    secret = factors.new_totp_secret()
    factors.enrol_totp(actor=person, at=at, secret=secret, code=code(secret, at), password=PASSWORD)
    return person, secret


def sign_in_by_password(client: Client) -> None:
    answer = client.post("/login", {"email": "anna.berg@example.com", "password": PASSWORD, "next": "/account"})
    assert answer["Location"] == "/login/second-factor?next=%2Faccount"


def test_the_secret_is_sealed_at_rest(db: str) -> None:
    _, secret = enrolled(clock.now())
    assert secret not in str(Authenticator.objects.get().data)
    assert secret not in "".join(Entry.objects.values_list("body", flat=True))


def test_enrolment_needs_the_password_and_the_apps_code(db: str) -> None:
    at = clock.now()
    person = add_person("Anna Berg", password=PASSWORD)
    secret = factors.new_totp_secret()
    for password, digits in ((PASSWORD, "000000"), ("wrong", code(secret, at)), ("", code(secret, at))):
        with pytest.raises(Invalid):
            factors.enrol_totp(actor=person, at=at, secret=secret, code=digits, password=password)
    token = Actor(kind="person", id=person.id, via="token", token_id="tok_x")
    with pytest.raises(Denied):
        factors.enrol_totp(actor=token, at=at, secret=secret, code=code(secret, at), password=PASSWORD)


def test_a_second_factor_is_changed_only_with_a_recent_one(db: str) -> None:
    at = clock.now()
    person, _ = enrolled(at)
    stale = Actor(kind="person", id=person.id, via="session", mfa_at=at - timedelta(minutes=31))
    with pytest.raises(NeedsMfa):
        factors.make_recovery_codes(actor=stale, at=at)
    with pytest.raises(NeedsMfa):
        factors.remove(actor=stale, at=at, factor_id=Authenticator.objects.get().pk)


def test_the_password_alone_opens_nothing_once_a_factor_is_enrolled(db: str) -> None:
    at = clock.now()
    _, secret = enrolled(at)
    client = Client()
    sign_in_by_password(client)
    assert client.get("/account").status_code == 302
    later = at + timedelta(seconds=60)
    with clock.simulated(later):
        assert client.post("/login/second-factor", {"code": "000000"}).status_code == 422
        answer = client.post("/login/second-factor", {"code": code(secret, later), "next": "/account"})
        assert answer["Location"] == "/account"
        assert client.get("/account").status_code == 200
    assert client.session["ensign_mfa_at"] == clock.text(later)


def test_a_code_is_accepted_once(db: str) -> None:
    at = clock.now()
    person, secret = enrolled(at)
    account = Account.objects.get(person_id=person.id)
    with pytest.raises(Invalid):
        factors.use_code(account, code(secret, at), at=at)
    later = at + timedelta(seconds=90)
    assert factors.use_code(account, code(secret, later), at=later) == "totp"
    for replayed in (later, later + timedelta(seconds=30)):
        with pytest.raises(Invalid):
            factors.use_code(account, code(secret, later), at=replayed)


def test_six_digits_are_not_guessed(db: str) -> None:
    at = clock.now()
    _, secret = enrolled(at)
    client = Client()
    sign_in_by_password(client)
    later = at + timedelta(seconds=60)
    with clock.simulated(later):
        answers = [client.post("/login/second-factor", {"code": f"{n:06d}"}).status_code for n in range(5)]
        assert answers == [422] * 5
        assert client.post("/login/second-factor", {"code": code(secret, later)}).status_code == 429
    assert "session.blocked" in Entry.objects.values_list("action", flat=True)


def test_the_second_factor_must_follow_within_ten_minutes(db: str) -> None:
    at = clock.now()
    _, secret = enrolled(at)
    client = Client()
    sign_in_by_password(client)
    late = clock.now() + timedelta(minutes=11)
    with clock.simulated(late):
        answer = client.post("/login/second-factor", {"code": code(secret, late)})
    assert answer["Location"].startswith("/login?")


def test_recovery_codes_open_once_each_but_are_no_step_up(db: str) -> None:
    at = clock.now()
    person, _ = enrolled(at)
    codes = factors.make_recovery_codes(actor=person, at=at)
    assert len(codes) == 10
    client = Client()
    sign_in_by_password(client)
    assert client.post("/login/second-factor", {"code": codes[0]}).status_code == 303
    assert "ensign_mfa_at" not in client.session
    assert client.post("/account/confirm", {"code": codes[1]}).status_code == 422
    account = Account.objects.get(person_id=person.id)
    with pytest.raises(Invalid):
        factors.use_code(account, codes[0], at=at)
    assert factors.use_code(account, codes[1], at=at) == "recovery_code"


def test_the_step_up_proves_it_is_still_them(db: str) -> None:
    at = clock.now()
    person, secret = enrolled(at)
    codes = factors.make_recovery_codes(actor=person, at=at)
    client = Client()
    sign_in_by_password(client)
    client.post("/login/second-factor", {"code": codes[0]})
    later = at + timedelta(minutes=2)
    with clock.simulated(later):
        answer = client.post("/account/confirm", {"code": code(secret, later), "next": "/account/security"})
    assert answer["Location"] == "/account/security"
    assert client.session["ensign_mfa_at"] == clock.text(later)
    assert Entry.objects.order_by("-seq")[0].action == "factor.proved"


def test_the_page_enrols_by_scanning_and_shows_recovery_codes_once(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    client = Client()
    client.post("/login", {"email": "anna.berg@example.com", "password": PASSWORD})
    page = client.get("/account/security/authenticator").content.decode()
    assert "<svg" in page
    assert "style=" not in page[page.index("<svg") :]
    secret = client.session["ensign_totp_secret"]
    at = clock.now()
    body = {"code": code(secret, at), "password": PASSWORD}
    with clock.simulated(at):
        assert client.post("/account/security/authenticator", body).status_code == 303
        shown = client.post("/account/security/recovery-codes")
    assert "no-store" in shown["Cache-Control"]
    assert len(re.findall(r"<li>\d{8}</li>", shown.content.decode())) == 10
    assert "ensign_totp_secret" not in client.session


def test_an_administrator_removes_lost_factors_with_their_own_recent_one_and_never_their_own(db: str) -> None:
    at = clock.now()
    person, _ = enrolled(at)
    admin = add_person("Root", "admin", at=at)
    stale = Actor(kind="person", id=admin.id, via="session")
    with pytest.raises(NeedsMfa):
        people.remove_factors(actor=stale, at=at, person_id=person.id, reason="lost")
    with pytest.raises(Denied):
        people.remove_factors(actor=admin, at=at, person_id=admin.id, reason="lost")
    assert people.remove_factors(actor=admin, at=at, person_id=person.id, reason="lost") == 1
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8123", True),
        ("https://localhost", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1:8000", False),
        ("https://evil.example", False),
    ],
)
def test_only_our_own_origin_may_ask_for_a_passkey(origin: str, allowed: bool) -> None:
    assert origin_allowed(origin) == allowed


def test_behind_tls_the_origin_is_exact(settings_of: object) -> None:
    assert origin_allowed("https://flags.example.com")
    assert not origin_allowed("https://flags.example.com:8443")
    assert not origin_allowed("http://flags.example.com")
    assert not origin_allowed("https://other.flags.example.com")


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://flags.example.com")
