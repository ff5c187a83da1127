"""Claims: the history of sign-ins is complete and without an end; sessions are ended and pauses lifted by who may."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import get_args

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from ensign.control.access import logins, signed_in, tokens
from ensign.control.access.logins import Filters
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.audit.registry import actions
from ensign.control.identity import sessions, traces, ways
from ensign.control.identity import sign_in as signing
from ensign.control.identity.models import Token
from ensign.control.identity.sso.actions import SESSION_ENDED_BY_PROVIDER
from ensign.control.identity.sso.sessions import SSO
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.kernel.transactions import write_door
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.providers import add_provider

PASSWORD = "correct horse battery staple"
EMAIL = "anna.berg@example.com"


def login(password: str = PASSWORD, email: str = EMAIL, address: str = "203.0.113.5") -> Client:
    client = Client(REMOTE_ADDR=address, HTTP_USER_AGENT="Mozilla (test)")
    client.post("/login", {"email": email, "password": password})
    return client


def last() -> tuple[str, dict[str, object]]:
    entry = Entry.objects.order_by("-seq")[0]
    return entry.action, json.loads(entry.body).get("detail", {})


@pytest.fixture
def anna(db: str) -> Actor:
    return add_person("Anna Berg", "viewer", password=PASSWORD)


@pytest.fixture
def admin(db: str) -> Actor:
    return add_person("Ada", "admin")


def seen(actor: Actor, **filters: object) -> list[tuple[str, str, str]]:
    page = logins.logins(actor, Filters(**filters), at=clock.now(), limit=500)  # type: ignore[arg-type]  # by name
    return [(one.outcome, one.way, one.name) for one in page.items]


# --- History -----------------------------------------------------------------------------------------


def test_the_history_tells_every_way_in_out_and_every_refusal(anna: Actor, admin: Actor) -> None:
    login("wrong")
    login(email="nobody@example.com")
    client = login()
    client.post("/logout")
    login()
    sessions.end_due(at=clock.now() + timedelta(hours=2))
    assert seen(admin) == [
        ("ended", "idle", "Anna Berg"),
        ("signed-in", "password", "Anna Berg"),
        ("ended", "", "Anna Berg"),
        ("signed-in", "password", "Anna Berg"),
        ("refused", "password", ""),
        ("refused", "password", "Anna Berg"),
    ]
    assert [outcome for outcome, _, _ in seen(admin, person=anna.id)] == [
        "ended", "signed-in", "ended", "signed-in", "refused",
    ]  # fmt: skip
    assert [who for _, _, who in seen(admin, outcome="refused")] == ["", "Anna Berg"]


def test_sessions_that_a_provider_ends_stand_in_the_history_too(anna: Actor, admin: Actor) -> None:
    detail = {"provider": "idp_x", "person": anna.id, "sessions": 2, "because": "logout"}
    with write_door():
        record(action=SESSION_ENDED_BY_PROVIDER, actor=SSO, at=clock.now(), detail=detail)
    assert seen(admin, person=anna.id) == [("ended", "logout", "Anna Berg")]


def test_it_names_the_provider_and_the_rule_by_which_somebody_was_refused(anna: Actor, admin: Actor) -> None:
    provider = add_provider("okta")
    client = sign_in(Client(), admin)
    refusing = {"why": "foreign_domain", "provider": provider.id}
    signing.refused("provider", person_id=anna.id, at=clock.now(), more=refusing)
    page = logins.logins(admin, Filters(person=anna.id), at=clock.now())
    assert [(one.way, one.provider, one.why) for one in page.items] == [("provider", "Okta", "foreign_domain")]
    assert "Okta: foreign domain" in client.get("/access/sign-ins").content.decode()


def test_refusals_that_were_summed_up_say_so(anna: Actor, admin: Actor) -> None:
    client = sign_in(Client(), admin)
    at = clock.now()
    for _ in range(signing.LOUD + 1):
        signing.refused("password", person_id=None, at=at)
    signing.summarise(at=at + timedelta(minutes=2))
    assert "more of them within a minute, summed up" in client.get("/access/sign-ins").content.decode()


def test_every_way_in_and_every_refusal_has_words() -> None:
    assert {*get_args(signing.Way), *get_args(signing.Refusal), *get_args(sessions.Limit)} <= ways.WORDS.keys()


def test_every_kind_of_entry_about_sessions_is_part_of_it() -> None:
    """A new one that is left out of the history fails here; what stays out says nothing about signing in or out."""
    known = {code for codes in logins.OUTCOMES.values() for code in codes}
    about = {code for code in actions() if code.startswith("session.")}
    assert about - known == {"session.history_exported"}


def test_it_has_no_end_and_comes_in_pages(anna: Actor, admin: Actor) -> None:
    for _ in range(4):
        login()
    years_later = clock.now() + timedelta(days=3000)
    first = logins.logins(admin, Filters(), at=years_later, limit=3)
    assert first.next_before is not None
    rest = logins.logins(admin, Filters(), at=years_later, before=first.next_before, limit=3)
    assert (len(first.items), len(rest.items), rest.next_before) == (3, 1, None)
    assert traces.forget(before=years_later) == 4
    assert [one.address for one in logins.logins(admin, Filters(), at=years_later).items] == [""] * 4


def test_people_read_their_own_and_auditors_everybodys(anna: Actor, admin: Actor) -> None:
    login()
    assert len(seen(anna, person=anna.id)) == 1
    assert len(seen(add_person("Au", "auditor"))) == 1
    for wanted in ({}, {"person": admin.id}):
        with pytest.raises(Denied):
            seen(anna, **wanted)
    page = login().get("/account/sign-ins").content.decode()
    assert "203.0.113.5" in page


def test_the_export_holds_all_that_matches_and_is_an_entry(anna: Actor, admin: Actor) -> None:
    login()
    login("wrong")
    client = sign_in(Client(), admin)
    answer = client.post("/access/sign-ins/export", {"format": "csv", "outcome": "signed-in"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["outcome"], row["address"], row["person"]) for row in rows] == [("signed-in", "203.0.113.5", anna.id)]
    assert last() == ("session.history_exported", {"entries": 1, "format": "csv"})
    both = json.loads(client.post("/access/sign-ins/export", {"format": "json"}).content)
    assert len(both) == 2
    assert sign_in(Client(), anna).post("/access/sign-ins/export", {}).status_code == 403


def test_what_a_browser_calls_itself_is_no_formula_in_the_export(anna: Actor, admin: Actor) -> None:
    client = Client(HTTP_USER_AGENT="=HYPERLINK(1)")
    client.post("/login", {"email": EMAIL, "password": PASSWORD})
    text = logins.export(actor=admin, at=clock.now(), filters=Filters(), form="csv")
    assert next(csv.DictReader(io.StringIO(text)))["agent"] == "'=HYPERLINK(1)"


def test_the_api_pages_through_it(anna: Actor, admin: Actor) -> None:
    for _ in range(3):
        login()
    client = sign_in(Client(), admin)
    first = client.get("/api/v1/sign-ins", {"limit": 2, "outcome": "signed-in"}).json()
    assert len(first["items"]) == 2
    second = client.get("/api/v1/sign-ins", {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert (len(second["items"]), second["next_cursor"]) == (1, None)
    assert sign_in(Client(), anna).get("/api/v1/sign-ins").status_code == 403
    assert sign_in(Client(), anna).get("/api/v1/sign-ins", {"person": anna.id}).status_code == 200


# --- Sessions ----------------------------------------------------------------------------------------


def test_an_administrator_sees_and_ends_somebodys_sessions(anna: Actor, admin: Actor) -> None:
    theirs = login()
    client = sign_in(Client(), admin)
    page = client.get(f"/people/{anna.id}/sessions").content.decode()
    assert "203.0.113.5" in page
    assert 'title="Mozilla (test)"' in page
    assert "password" in page
    listed = client.get(f"/api/v1/people/{anna.id}/sessions").json()["items"]
    assert [(one["way"], one["current"]) for one in listed] == [("password", False)]
    assert client.post(f"/people/{anna.id}/sessions/end", {"reason": "lost laptop"}).status_code == 303
    assert theirs.get("/people").status_code == 302
    assert last() == ("session.ended_by_administrator", {"person": anna.id, "sessions": 1})
    assert sign_in(Client(), anna).get(f"/people/{admin.id}/sessions").status_code == 403


@pytest.mark.parametrize("own", [False, True])
def test_everybodys_sessions_end_and_at_will_ones_own_and_personal_tokens(anna: Actor, admin: Actor, own: bool) -> None:
    theirs, mine = login(), sign_in(Client(), admin)
    owing = Client()
    session = owing.session  # somebody halfway through signing in
    session["ensign_pending"] = {"account": 1, "at": clock.text(clock.now())}
    session.save()
    tokens.create_personal(actor=anna, at=clock.now(), wish=TokenWish(name="t"))
    body = {"reason": "stolen", "tokens": "on"} | ({"own": "on"} if own else {})
    assert mine.post("/settings/sign-in/end-sessions", body).status_code == 303
    assert theirs.get("/people").status_code == 302
    assert mine.get("/people").status_code == (302 if own else 200)
    assert UserSession.objects.count() == (0 if own else 1)
    assert not Session.objects.filter(session_key=session.session_key).exists()
    assert set(Token.objects.values_list("status", flat=True)) == {"revoked"}
    entry = json.loads(Entry.objects.filter(action="session.all_ended").get().body)
    assert entry["detail"] == {"sessions": 2 if own else 1, "tokens": 1, "own_kept": not own}
    assert sign_in(Client(), anna).post("/settings/sign-in/end-sessions", body).status_code == 403


def test_one_ends_ones_own_session_by_the_api_and_nobody_elses(anna: Actor, admin: Actor) -> None:
    theirs, mine = login(), sign_in(Client(), admin)
    stranger = UserSession.objects.get(user__person_id=anna.id).pk
    path = "/api/v1/sessions/{}/end"
    assert mine.post(path.format(stranger), content_type="application/json").json() == {"sessions": 0, "tokens": 0}
    assert theirs.get("/people").status_code == 200
    own = theirs.get("/api/v1/sessions").json()["items"]
    assert [one["current"] for one in own] == [True]
    other = login()
    known = next(one["id"] for one in theirs.get("/api/v1/sessions").json()["items"] if not one["current"])
    assert theirs.post(path.format(known), content_type="application/json").json()["sessions"] == 1
    assert other.get("/people").status_code == 302


# --- Pauses ------------------------------------------------------------------------------------------


def test_a_pause_is_seen_and_lifted_by_an_administrator_never_by_oneself(anna: Actor, admin: Actor) -> None:
    for _ in range(5):
        login("wrong")
    assert login().get("/people").status_code == 302
    client = sign_in(Client(), admin)
    assert "Held up after wrong tries" in client.get("/people").content.decode()
    assert client.get("/api/v1/blocked-people").json()["items"][0]["limits"] == ["pair"]
    assert "wrong passwords from one place" in client.get(f"/people/{anna.id}/sessions").content.decode()
    assert client.post(f"/people/{anna.id}/unblock", {"reason": "it was them"}).status_code == 303
    assert last() == ("session.unblocked", {"person": anna.id, "limits": ["pair"]})
    assert login().get("/people").status_code == 200
    with pytest.raises(Conflict):
        signed_in.unblock(actor=admin, at=clock.now(), person_id=anna.id)
    with pytest.raises(Denied):
        signed_in.unblock(actor=admin, at=clock.now(), person_id=admin.id)
    with pytest.raises(Denied):
        signed_in.blocked(anna, at=clock.now())
