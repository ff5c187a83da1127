"""Claims: guessing is stopped and logged without what was typed; sessions are fresh, end when they must, go nowhere
else."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import hashers
from django.contrib.sessions.models import Session
from django.test import Client
from ensign.control.access import people, tokens
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity import attempts, sign_in
from ensign.control.identity.models import Account, Attempts, Token
from ensign.control.kernel import clock
from ensign.control.kernel.errors import RateLimited, Unauthenticated
from ensign_testkit.people import add_person

PASSWORD = "correct horse battery staple"


def post(client: Client, email: str, password: str, **more: str) -> int:
    return client.post("/login", {"email": email, "password": password, **more}).status_code


def actions() -> list[str]:
    return list(Entry.objects.order_by("seq").values_list("action", flat=True))[2:]


def test_the_right_password_opens_a_fresh_session_with_an_entry(db: str) -> None:
    person = add_person("Anna Berg", "viewer", password=PASSWORD)
    client = Client()
    client.get("/login")
    assert post(client, " Anna.Berg@example.com ", PASSWORD, next="/people") == 303
    assert client.get("/people").status_code == 200
    assert UserSession.objects.get().user.person_id == person.id
    entry = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert (entry["action"], entry["actor"]["id"], entry["detail"]) == (
        "session.started",
        person.id,
        {"way": "password"},
    )


def test_a_session_planted_before_does_not_survive_signing_in(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    client = Client()
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = planted or ""
    assert post(client, "anna.berg@example.com", PASSWORD) == 303
    assert client.cookies["sessionid"].value != planted
    assert not Session.objects.filter(pk=planted).exists()


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http:evil",
        "\t//evil",
        "evil",
    ],
)
def test_signing_in_leads_nowhere_else(db: str, target: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    client = Client()
    answer = client.post("/login", {"email": "anna.berg@example.com", "password": PASSWORD, "next": target})
    assert answer["Location"] == "/"
    assert client.get("/login", {"next": target})["Location"] == "/"


def test_wrong_password_unknown_address_and_disabled_account_answer_alike(db: str) -> None:
    admin = add_person("Root", "admin")
    add_person("Anna Berg", password=PASSWORD)
    gone = add_person("Bo Dahl", password=PASSWORD)
    people.deactivate(actor=admin, at=clock.now(), person_id=gone.id)
    pages = set()
    for email, password in (
        ("anna.berg@example.com", "wrong"),
        ("nobody@example.com", "wrong"),
        ("bo.dahl@example.com", PASSWORD),
    ):
        answer = Client().post("/login", {"email": email, "password": password})
        assert answer.status_code == 422
        pages.add("do not fit together" in answer.content.decode())
    assert pages == {True}


def test_an_unknown_address_costs_as_much_hashing_as_a_known_one(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_person("Anna Berg", password=PASSWORD)
    add_person("Invited Only")
    hashed: list[str] = []
    hasher = hashers.Argon2PasswordHasher
    encode, verify = hasher.encode, hasher.verify

    def counted(work: Any) -> Any:
        def run(*arguments: Any) -> Any:
            hashed.append("x")
            return work(*arguments)

        return run

    monkeypatch.setattr(hasher, "encode", counted(encode))
    monkeypatch.setattr(hasher, "verify", counted(verify))
    costs = []
    for email in ("anna.berg@example.com", "nobody@example.com", "invited.only@example.com"):
        hashed.clear()
        with pytest.raises(Unauthenticated):
            sign_in.authenticate(email=email, password="wrong", address="192.0.2.1", at=clock.now())
        costs.append(len(hashed))
    assert costs == [1, 1, 1]


@pytest.mark.parametrize("email", ["anna.berg@example.com", "nobody@example.com"])
def test_five_wrong_tries_stop_even_the_right_password_and_the_pause_ends(db: str, email: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    at = clock.now()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            sign_in.authenticate(email=email, password="wrong", address="192.0.2.1", at=at)
    with pytest.raises(RateLimited) as caught:
        sign_in.authenticate(email=email, password=PASSWORD, address="192.0.2.1", at=at)
    assert 0 < caught.value.retry_after <= 901
    assert "session.blocked" in actions()
    if email.startswith("anna"):
        sign_in.authenticate(email=email, password=PASSWORD, address="198.51.100.7", at=at)
        sign_in.authenticate(email=email, password=PASSWORD, address="192.0.2.1", at=at + timedelta(minutes=16))


def test_guessing_from_many_addresses_is_stopped_too(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    at = clock.now()
    for number in range(attempts.ACCOUNT.tries):
        with pytest.raises(Unauthenticated):
            sign_in.authenticate(email="anna.berg@example.com", password="wrong", address=f"192.0.2.{number}", at=at)
    with pytest.raises(RateLimited):
        sign_in.authenticate(email="anna.berg@example.com", password=PASSWORD, address="203.0.113.9", at=at)


def test_a_success_takes_its_own_try_back_only(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    at = clock.now()
    for _ in range(4):
        with pytest.raises(Unauthenticated):
            sign_in.authenticate(email="anna.berg@example.com", password="no", address="192.0.2.1", at=at)
    sign_in.authenticate(email="anna.berg@example.com", password=PASSWORD, address="192.0.2.1", at=at)
    counts = {row.key: row.count for row in Attempts.objects.all()}
    assert attempts.key_of(attempts.PAIR, "anna.berg@example.com", "192.0.2.1") not in counts
    assert counts[attempts.key_of(attempts.ACCOUNT, "anna.berg@example.com")] == 4


def test_refusals_above_a_rate_are_summed_up_and_nothing_typed_stands_in_the_log(db: str) -> None:
    at = clock.now()
    for number in range(40):
        with pytest.raises(Unauthenticated):
            sign_in.authenticate(
                email=f"typed{number}@example.com", password="typed-secret", address="192.0.2.1", at=at
            )
    assert actions().count("session.refused") == sign_in.LOUD
    sign_in.summarise(at=at + timedelta(minutes=2))
    last = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert (last["action"], last["detail"]["count"]) == ("session.refusals_summarised", 20)
    everything = "".join(Entry.objects.values_list("body", flat=True))
    assert "typed" not in everything
    assert "192.0.2.1" not in everything
    # A keyed hash and nothing else: letters and digits by themselves may begin like an address.
    assert all(re.fullmatch(r"[0-9a-f]{64}", key) for key in Attempts.objects.values_list("key", flat=True))


def test_deactivation_ends_sessions_and_personal_tokens_in_one_transaction(db: str) -> None:
    admin, person = add_person("Root", "admin"), add_person("Anna Berg", "viewer", password=PASSWORD)
    client, second = Client(), Client()
    for each in (client, second):
        assert post(each, "anna.berg@example.com", PASSWORD) == 303
    tokens.create_personal(actor=person, at=clock.now(), wish=TokenWish(name="t"))
    people.deactivate(actor=admin, at=clock.now(), person_id=person.id, reason="left")
    entry = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert entry["detail"] == {"sessions": 2, "tokens": 1, "links": 0}
    assert {touch["object"].split(":")[0] for touch in entry["touch"]} == {"person", "token"}
    assert not Session.objects.exists()
    assert set(Token.objects.values_list("status", flat=True)) == {"revoked"}
    for each in (client, second):
        assert each.get("/people")["Location"].startswith("/login")
    assert not Account.objects.get(person_id=person.id).is_active


def test_a_session_of_somebody_disabled_behind_its_back_is_emptied(db: str) -> None:
    add_person("Anna Berg", "viewer", password=PASSWORD)
    client = Client()
    post(client, "anna.berg@example.com", PASSWORD)
    key = client.cookies["sessionid"].value
    Account.objects.update(is_active=False)
    assert client.get("/people").status_code == 302
    assert not Session.objects.filter(pk=key).exists()


def test_no_session_outlives_twelve_hours(db: str) -> None:
    add_person("Anna Berg", "viewer", password=PASSWORD)
    client = Client()
    post(client, "anna.berg@example.com", PASSWORD)
    began = clock.now()
    for minutes in range(0, 12 * 60, 50):
        with clock.simulated(began + timedelta(minutes=minutes)):
            assert client.get("/people").status_code == 200
    with clock.simulated(began + timedelta(minutes=12 * 60 + 1)):
        assert client.get("/people").status_code == 302


def test_signing_out_ends_the_session_by_post_only(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    client = Client()
    post(client, "anna.berg@example.com", PASSWORD)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 303
    assert not UserSession.objects.exists()
    assert client.get("/account").status_code == 302
    assert actions()[-1] == "session.ended"
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/login", {"email": "anna.berg@example.com", "password": PASSWORD}).status_code == 403


def test_another_password_ends_every_other_session_and_keeps_this_one(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    here, there = Client(), Client()
    for each in (here, there):
        post(each, "anna.berg@example.com", PASSWORD)
    new = "purple monkey dishwasher lantern"
    assert here.post("/account/password", {"old": "wrong", "new": new}).status_code == 422
    assert here.post("/account/password", {"old": PASSWORD, "new": "password1"}).status_code == 422
    assert here.post("/account/password", {"old": PASSWORD, "new": new}).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 302
    assert UserSession.objects.count() == 1
    assert post(Client(), "anna.berg@example.com", new) == 303


def test_sessions_are_listed_and_ended_one_by_one_and_only_ones_own(db: str) -> None:
    add_person("Anna Berg", password=PASSWORD)
    add_person("Bo Dahl", password=PASSWORD)
    here, there, other = Client(), Client(), Client()
    post(here, "anna.berg@example.com", PASSWORD)
    post(there, "anna.berg@example.com", PASSWORD)
    post(other, "bo.dahl@example.com", PASSWORD)
    assert here.get("/account/sessions").content.decode().count("This one") == 1
    foreign = UserSession.objects.get(user__email="bo.dahl@example.com").pk
    here.post(f"/account/sessions/{foreign}/end")
    assert other.get("/account").status_code == 200
    here.post("/account/sessions/end-others")
    assert "That session has ended. Sign in again." in there.get("/account", follow=True).content.decode()
    assert "That session has ended" not in there.get("/account", follow=True).content.decode(), "told once"
    assert here.get("/account").status_code == 200
