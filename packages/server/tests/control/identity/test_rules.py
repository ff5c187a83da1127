"""Claims: the rules of signing in are checked, told in words, and count for everybody as soon as they are decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from ensign.control.access import findings, groups, sign_in_rules, tokens
from ensign.control.access.powers import everybodys, powers
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity import enforcing, sessions, traces
from ensign.control.identity.agents import device
from ensign.control.identity.enforcing import Powers
from ensign.control.identity.models import Account, Trace
from ensign.control.identity.rules import Rules, from_state, in_words, revised, within
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa
from ensign_testkit.people import add_person, add_service, give, sign_in
from ensign_testkit.providers import add_identity, add_provider

PASSWORD = "correct horse battery staple"
HERE = "127.0.0.1"
NOW = clock.parse("2026-03-01T12:00:00.000000Z")


def decide(admin: Actor, **changes: object) -> Rules:
    """Decide on other rules, from here, signed in by an identity provider."""
    wanted = replace(enforcing.current(), **changes)  # type: ignore[arg-type]  # the tests name members of Rules
    at = clock.now()
    return sign_in_rules.change(actor=admin, at=at, wanted=wanted, address=HERE, way="oidc").rules


def enrol(person: Actor, kind: str = "totp") -> Authenticator:
    account = Account.objects.get(person_id=person.id)
    return Authenticator.objects.create(user_id=account.pk, type=kind, data={"name": "key"})


def login(email: str = "anna.berg@example.com", **more: str) -> Client:
    client = Client(**more)  # type: ignore[arg-type]  # Django's client takes META members as keywords
    client.post("/login", {"email": email, "password": PASSWORD})
    return client


def last(action: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(Entry.objects.filter(action=action).order_by("-seq")[0].body)
    return body


# --- The values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        ((), "203.0.113.9", True),
        (("192.0.2.0/24",), "192.0.2.77", True),
        (("192.0.2.0/24",), "192.0.3.1", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.77", True),
        (("2001:db8::/32",), "2001:db8:1::5", True),
        (("2001:db8::/32",), "2001:db9::5", False),
        (("192.0.2.0/24", "2001:db8::/32"), "198.51.100.1", False),
        (("0.0.0.0/0",), "not an address", False),
        (("192.0.2.0/24",), "0.0.0.0", False),
    ],
)
def test_an_address_is_within_the_networks_listed(networks: tuple[str, ...], address: str, inside: bool) -> None:
    assert within(networks, address) is inside


@pytest.mark.parametrize(
    "wrong",
    [
        {"idle_minutes": 4},
        {"session_hours": 25},
        {"step_up_minutes": 31},
        {"grace_days": -1},
        {"networks": ("192.0.2.0/33",)},
        {"service_networks": ("example.com",)},
        {"local": "listed"},
        {"personal_token_days": 366},
        {"local": "some"},
    ],
)
def test_values_out_of_bounds_are_refused_on_their_field(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        revised(Rules(), replace(Rules(), **wrong), at=NOW)  # type: ignore[arg-type]  # wrong on purpose
    assert set(caught.value.fields) <= {*wrong, "listed"}


def test_networks_are_kept_in_one_form() -> None:
    rules = revised(Rules(), Rules(networks=(" 192.0.2.77/24", "192.0.2.0/24", "2001:DB8::1")), at=NOW)
    assert rules.networks == ("192.0.2.0/24", "2001:db8::1/128")


def test_the_time_to_enrol_begins_when_more_is_asked_for_and_not_anew_otherwise() -> None:
    first = revised(Rules(), Rules(factor="powerful", grace_days=3), at=NOW)
    assert first.due_at == NOW + timedelta(days=3)
    later = NOW + timedelta(days=10)
    assert revised(first, replace(first, idle_minutes=30), at=later).demanded_at == NOW
    assert revised(first, replace(first, factor="everybody"), at=later).demanded_at == later
    assert revised(first, replace(first, factor="nobody"), at=later).due_at is None


def test_rules_survive_their_state_and_older_states_are_read() -> None:
    rules = revised(Rules(), Rules(factor="everybody", networks=("192.0.2.0/24",)), at=NOW)
    assert from_state(json.loads(json.dumps(rules.to_state()))) == rules
    assert from_state({"factor": "powerful"}) == Rules(factor="powerful")


def test_every_rule_is_told_in_words() -> None:
    said = in_words(Rules(local="listed", listed=("usr_a",), grace_days=1), {"usr_a": "Anna"})
    assert said["listed"] == "Anna"
    assert said["grace_days"] == "1 day"
    assert all(said.values())


# --- Deciding ----------------------------------------------------------------------------------------


def test_a_decision_is_an_entry_and_stands_in_the_timeline_in_words(db: str) -> None:
    admin = add_person("Ada", "admin")
    decide(admin, factor="powerful")
    decide(admin, idle_minutes=30)
    newest, oldest = sign_in_rules.timeline()
    assert newest.by == admin.id
    assert [(d.title, d.before, d.after) for d in newest.differences] == [
        ("Sessions end when unused for", "60 minutes", "30 minutes")
    ]
    assert [(d.member, d.after) for d in oldest.differences] == [("factor", "administrators and approvers have to")]
    assert (newest.until, oldest.until) == (None, newest.at)
    assert last("sign_in_rules.changed")["detail"] == {"changed": ["idle_minutes"]}


def test_deciding_the_same_again_writes_nothing(db: str) -> None:
    admin = add_person("Ada", "admin")
    before = Entry.objects.count()
    decide(admin)
    assert Entry.objects.count() == before


def test_only_who_may_decides(db: str) -> None:
    with pytest.raises(Denied):
        decide(add_person("Bo", "developer"), idle_minutes=30)


def test_nobody_shuts_themselves_out_by_address_or_by_way(db: str) -> None:
    admin = add_person("Ada", "admin")
    at = clock.now()

    def change(wanted: Rules, way: str = "password") -> None:
        sign_in_rules.change(actor=admin, at=at, wanted=wanted, address="192.0.2.1", way=way)

    with pytest.raises(Invalid) as caught:
        change(Rules(networks=("198.51.100.0/24",)))
    assert "192.0.2.1" in caught.value.fields["networks"]
    with pytest.raises(Invalid) as caught:
        change(Rules(local="nobody"))
    assert "local" in caught.value.fields
    with pytest.raises(Invalid):
        change(Rules(local="listed", listed=(add_person("Bo").id,)))
    change(Rules(local="listed", listed=(admin.id,)))
    change(Rules(local="nobody"), way="oidc")


def test_a_decision_on_rules_that_somebody_else_changed_meanwhile_is_refused(db: str) -> None:
    admin = add_person("Ada", "admin")
    decide(admin, idle_minutes=30)
    with pytest.raises(Conflict):
        sign_in_rules.change(actor=admin, at=clock.now(), wanted=Rules(), address=HERE, way="oidc", version=0)


def test_the_server_itself_brings_the_defaults_back_and_says_so_in_the_log(db: str) -> None:
    admin = add_person("Ada", "admin")
    decide(admin, networks=("127.0.0.0/8",))
    sign_in_rules.reset(actor=system("cli"), at=clock.now(), reason="locked out")
    assert enforcing.current() == Rules()
    assert sign_in_rules.timeline()[0].reset
    with pytest.raises(Conflict):
        sign_in_rules.reset(actor=system("cli"), at=clock.now())
    with pytest.raises(Denied):
        sign_in_rules.reset(actor=add_person("Bo"), at=clock.now())


# --- What they do ------------------------------------------------------------------------------------


def test_an_account_of_ensigns_own_opens_nothing_where_the_rules_do_not_list_its_person(db: str) -> None:
    admin, _ = add_person("Ada", "admin"), add_person("Anna Berg", "viewer", password=PASSWORD)
    decide(admin, local="listed", listed=(admin.id,))
    answer = Client().post("/login", {"email": "anna.berg@example.com", "password": PASSWORD})
    assert answer.status_code == 422
    assert "not in use here for you" in answer.content.decode()
    assert last("session.refused")["detail"]["way"] == "rules"  # type: ignore[index]
    wrong = Client().post("/login", {"email": "anna.berg@example.com", "password": "wrong"})
    assert "do not fit together" in wrong.content.decode()
    assert not UserSession.objects.exists()


def test_sessions_that_began_in_a_way_no_longer_allowed_end(db: str) -> None:
    admin, _ = add_person("Ada", "admin"), add_person("Anna Berg", "viewer", password=PASSWORD)
    client = login()
    assert client.get("/people").status_code == 200
    decide(admin, local="nobody")
    assert client.get("/people").status_code == 302
    assert last("session.expired")["detail"]["limit"] == "rules"  # type: ignore[index]


def test_an_unused_session_ends_on_the_server_with_an_entry(db: str) -> None:
    person = add_person("Anna Berg", "viewer", password=PASSWORD)
    client, began = login(), clock.now()
    with clock.simulated(began + timedelta(minutes=59)):
        assert client.get("/people").status_code == 200
    with clock.simulated(began + timedelta(minutes=121)):
        assert client.get("/people").status_code == 302
        assert "not used for a while" in client.get("/login").content.decode()
    assert last("session.expired")["detail"] == {"person": person.id, "limit": "idle", "sessions": 1}
    assert not Session.objects.filter(session_key=client.cookies["sessionid"].value).exists()


def test_a_page_that_asks_by_itself_does_not_keep_a_session_alive(db: str) -> None:
    from ensign.control.identity.middleware import SessionMiddleware, background

    add_person("Anna Berg", "viewer", password=PASSWORD)
    login()
    row = UserSession.objects.get()
    request = Client().get("/login").wsgi_request
    request.session = type("Held", (dict,), {"session_key": row.session_key})()  # type: ignore[assignment]
    request.user = row.user
    later = clock.now() + timedelta(minutes=10)
    middleware = SessionMiddleware(lambda _request: pytest.fail("nothing is served"))
    with clock.simulated(later):
        middleware.process_view(request, background(lambda: None), (), {})
        assert UserSession.objects.get().last_seen_at == row.last_seen_at
        middleware.process_view(request, lambda: None, (), {})
        assert UserSession.objects.get().last_seen_at == later


def test_the_worker_ends_what_nobody_came_back_to(db: str) -> None:
    person = add_person("Anna Berg", "viewer", password=PASSWORD)
    login(), login()
    assert sessions.end_due(at=clock.now()) == 0
    assert sessions.end_due(at=clock.now() + timedelta(minutes=61)) == 2
    assert last("session.expired")["detail"] == {"person": person.id, "limit": "idle", "sessions": 2}
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()


def test_shorter_limits_count_for_sessions_that_are_open(db: str) -> None:
    admin, _ = add_person("Ada", "admin"), add_person("Anna Berg", "viewer", password=PASSWORD)
    client, began = login(), clock.now()
    decide(admin, session_hours=1, idle_minutes=120)
    with clock.simulated(began + timedelta(minutes=61)):
        assert client.get("/people").status_code == 302
    assert last("session.expired")["detail"]["limit"] == "lifetime"  # type: ignore[index]


def test_a_session_that_is_not_listed_opens_nothing(db: str) -> None:
    add_person("Anna Berg", "viewer", password=PASSWORD)
    client = login()
    UserSession.objects.all().delete()
    assert client.get("/people").status_code == 302


def test_a_shorter_step_up_window_counts_at_once(db: str) -> None:
    admin = add_person("Ada", "admin")
    enrol(admin)
    client = sign_in(Client(), replace(admin, mfa_at=clock.now() - timedelta(minutes=10)))
    decide(admin, step_up_minutes=5)
    answer = client.post("/people/invite", {"email": "x@example.com"})
    assert answer["Location"].startswith("/account/confirm")
    decide(admin, step_up_minutes=30)
    assert client.post("/people/invite", {"email": "x@example.com"}).status_code == 200


# --- Second factors ----------------------------------------------------------------------------------


def test_who_owes_a_factor_is_led_to_enrol_before_anything_else(db: str) -> None:
    admin, viewer = add_person("Ada", "admin", mfa=False), add_person("Vi", "viewer", mfa=False)
    client = sign_in(Client(), admin)
    decide(admin, factor="powerful", grace_days=1)
    assert client.get("/people").status_code == 200
    decide(admin, grace_days=0)
    answer = client.get("/people")
    assert (answer.status_code, answer["Location"]) == (303, "/account/security")
    assert client.get("/account/security").status_code == 200
    assert client.get("/account/security/authenticator").status_code == 200
    refused = client.get("/api/v1/people")
    assert (refused.status_code, refused.json()["code"]) == (403, "enrolment-required")
    assert sign_in(Client(), viewer).get("/").status_code == 200
    enrol(admin)
    assert client.get("/people").status_code == 200
    assert client.post("/logout").status_code == 303


def test_a_second_factor_proved_at_the_identity_provider_counts(db: str) -> None:
    admin, viewer = add_person("Ada", "admin"), add_person("Vi", "viewer", mfa=True)
    decide(admin, factor="everybody", grace_days=0)
    assert sign_in(Client(), viewer).get("/").status_code == 200
    assert sign_in(Client(), replace(viewer, mfa_at=None)).get("/").status_code == 303


def test_the_last_factor_that_the_rules_ask_for_is_not_removed(db: str) -> None:
    admin = add_person("Ada", "admin")
    one = enrol(admin)
    client = sign_in(Client(), admin)
    decide(admin, factor="powerful")
    assert client.post(f"/account/security/{one.pk}/remove").status_code == 409
    enrol(admin, "webauthn")
    assert client.post(f"/account/security/{one.pk}/remove").status_code == 303


def test_only_a_passkey_counts_for_approvers_where_the_rules_say_so(db: str) -> None:
    admin, approver = add_person("Ada", "admin"), add_person("Po", "approver")
    enrol(approver)
    with pytest.raises(Invalid) as caught:
        decide(admin, passkeys=True, grace_days=0)
    assert "passkeys" in caught.value.fields  # they might not work here, and then nobody could approve
    enrol(admin, "webauthn")
    decide(admin, passkeys=True, grace_days=0)
    client = sign_in(Client(), approver)
    session = client.session
    session["ensign_mfa_way"] = "totp"
    session.save()
    assert client.get("/")["Location"] == "/account/security"
    key = enrol(approver, "webauthn")
    who = client.get("/api/v1/whoami").json()
    assert who["recent_mfa"] is False
    session["ensign_mfa_way"] = "passkey"
    session.save()
    assert client.get("/api/v1/whoami").json()["recent_mfa"] is True
    assert client.post(f"/account/security/{key.pk}/remove").status_code == 409


def test_renaming_a_passkey_and_noticing_new_ones(db: str) -> None:
    person = add_person("Anna Berg", "viewer")
    key = enrol(person, "webauthn")
    client = sign_in(Client(), person)
    assert "was that you?" in client.get("/account/security").content.decode()
    assert client.post(f"/account/security/{key.pk}/rename", {"name": "blue key"}).status_code == 303
    assert "blue key" in client.get("/account/security").content.decode()
    assert last("factor.renamed")["detail"] == {"kind": "passkey", "factor": key.pk}
    other = sign_in(Client(), add_person("Bo"))
    assert other.post(f"/account/security/{key.pk}/rename", {"name": "mine"}).status_code == 404


# --- Networks and tokens -----------------------------------------------------------------------------


def test_people_come_from_the_networks_listed_with_pages_sessions_and_tokens(db: str) -> None:
    admin, person = add_person("Ada", "admin"), add_person("Anna Berg", "viewer", password=PASSWORD)
    text = tokens.create_personal(actor=person, at=clock.now(), wish=TokenWish(name="t")).text
    inside, outside = login(), Client(REMOTE_ADDR="203.0.113.5")
    decide(admin, networks=("127.0.0.0/8",))
    bearer = {"Authorization": f"Bearer {text}"}
    assert inside.get("/people").status_code == 200
    assert inside.get("/api/v1/people", headers=bearer).status_code == 200
    assert outside.get("/login").status_code == 403
    assert outside.post("/login", {"email": "anna.berg@example.com", "password": PASSWORD}).status_code == 403
    assert outside.get("/api/v1/people", headers=bearer).json()["code"] == "network-not-allowed"
    outside.cookies = inside.cookies
    assert outside.get("/people").status_code == 403
    assert outside.get("/api/v1/people").json()["code"] == "network-not-allowed"
    detail = last("session.refused")["detail"]
    assert detail == {"way": "network", "person": person.id}


def test_a_forwarded_address_counts_only_through_a_trusted_proxy(db: str) -> None:
    """uvicorn sets the address from the header for trusted proxies alone; the application reads no header."""
    admin = add_person("Ada", "admin")
    decide(admin, networks=("127.0.0.0/8",))
    client = Client(REMOTE_ADDR="203.0.113.5")
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"):
        assert client.get("/login", headers={name: "127.0.0.1"}).status_code == 403


def test_service_accounts_have_a_list_of_their_own(db: str) -> None:
    admin = add_person("Ada", "admin")
    service = add_service("pipeline", "viewer")
    made = tokens.create_for_service(
        actor=admin, at=clock.now(), service_account_id=service.id, wish=TokenWish(name="ci")
    )
    decide(admin, networks=("127.0.0.0/8",), service_networks=("198.51.100.0/24",))
    bearer = {"Authorization": f"Bearer {made.text}"}
    assert Client(REMOTE_ADDR="198.51.100.9").get("/api/v1/whoami", headers=bearer).status_code == 200
    assert Client().get("/api/v1/whoami", headers=bearer).json()["code"] == "network-not-allowed"


def test_new_tokens_live_as_long_as_the_rules_allow_and_older_ones_are_a_finding(db: str) -> None:
    admin = add_person("Ada", "admin")
    tokens.create_personal(actor=admin, at=clock.now(), wish=TokenWish(name="old", days=90))
    decide(admin, personal_token_days=30)
    with pytest.raises(Invalid):
        tokens.create_personal(actor=admin, at=clock.now(), wish=TokenWish(name="new", days=31))
    tokens.create_personal(actor=admin, at=clock.now(), wish=TokenWish(name="new", days=30))
    found = [one for one in findings.findings(at=clock.now()) if one.code == "token-beyond-rules"]
    assert len(found) == 1
    assert "“old”" in found[0].title


def test_a_password_beside_an_enforced_provider_is_a_finding_until_it_is_decided(db: str) -> None:
    admin = add_person("Ada", "admin")
    outside = add_person("Out Sider", email="out@partner.example", password=PASSWORD)
    add_person("In Sider", email="in@example.com", password=PASSWORD)

    def told() -> list[str]:
        return [one.subject for one in findings.findings(at=clock.now()) if one.code == "local-beside-provider"]

    add_provider(domains=("example.com",))
    assert told() == []
    add_provider("strict", domains=("example.com",), enforced=True)
    assert told() == [outside.id]
    decide(admin, local="listed", listed=(outside.id,))
    assert told() == []


def test_whose_factor_an_identity_provider_proves_proves_it_again_to_administer(db: str) -> None:
    admin = add_person("Ada", "admin", mfa=False)
    provider = add_provider(mfa_counts=True)
    add_identity(provider, admin.id)
    assert not [one for one in findings.findings(at=clock.now()) if one.code == "no-second-factor"]
    with pytest.raises(NeedsMfa):
        decide(admin, idle_minutes=30)
    decide(replace(admin, mfa_at=clock.now()), idle_minutes=30)


def test_who_approves_some_flags_only_or_through_a_group_counts_as_approving(db: str) -> None:
    admin, plain = add_person("Ada", "admin"), add_person("Vi", "viewer")
    member, narrow = add_person("Me"), add_person("Na")
    group = groups.create(actor=admin, at=clock.now(), name="Reviewers")
    groups.add_member(actor=admin, at=clock.now(), group_id=group.id, person_id=member.id)
    give(group.id, "approver")
    give(narrow.id, "approver", project="shop", environment="production")
    at = clock.now()
    found = everybodys(at=at)
    assert {member.id, narrow.id, admin.id} <= set(found)
    assert plain.id not in found
    for one in (member, narrow, admin, plain):
        assert powers(one.id, at) == found.get(one.id, Powers(administers=False, approves=False))
    assert found[member.id].approves
    assert not found[member.id].administers


# --- Step-up -----------------------------------------------------------------------------------------

_ADMINISTRATION: list[tuple[str, Callable[[Actor], object]]] = [
    ("token", lambda actor: tokens.create_personal(actor=actor, at=clock.now(), wish=TokenWish(name="t"))),
    ("rules", lambda actor: decide(actor, idle_minutes=30)),
]


@pytest.mark.parametrize(("name", "act"), _ADMINISTRATION, ids=[name for name, _ in _ADMINISTRATION])
def test_administering_asks_for_a_recent_factor_of_who_has_one(
    db: str, name: str, act: Callable[[Actor], object]
) -> None:
    admin = add_person("Ada", "admin", mfa=False)
    act(admin)  # nothing is enrolled: set-up must be possible, and a finding says what is missing
    assert [one.subject for one in findings.findings(at=clock.now()) if one.code == "no-second-factor"] == [admin.id]
    enrol(admin)
    assert not [one for one in findings.findings(at=clock.now()) if one.code == "no-second-factor"]
    decide(replace(admin, mfa_at=clock.now()), idle_minutes=45)
    with pytest.raises(NeedsMfa):
        act(admin)
    act(replace(admin, mfa_at=clock.now()))


def test_what_was_sent_is_kept_over_the_step_up_and_sent_again_by_its_person(db: str) -> None:
    from ensign.control.identity.factors import new_totp_secret

    admin = add_person("Ada", "admin", mfa=False)
    enrol(admin)
    client = sign_in(Client(), admin)
    sent = {"email": "new@example.com", "name": "New <b>", "role": "viewer", "reason": "joins"}
    answer = client.post("/people/invite", sent)
    assert answer["Location"].startswith("/account/confirm")
    assert new_totp_secret()
    session = client.session
    session["ensign_mfa_at"] = clock.text(clock.now())
    session["ensign_mfa_way"] = "passkey"
    session.save()
    page = client.get("/account/confirm/go-on").content.decode()
    assert 'action="/people/invite"' in page
    assert 'value="new@example.com"' in page
    assert "New &lt;b&gt;" in page
    assert client.post("/people/invite", sent).status_code == 200


def test_secrets_are_never_kept(db: str) -> None:
    from django.test import RequestFactory
    from ensign.control.identity import resuming

    request = RequestFactory().post("/x", {"name": "a", "password": "b"})
    request.session = {"ensign_kept": {}}  # type: ignore[assignment]  # a session is a mapping here
    resuming.keep(request, back="/", at=NOW)
    assert dict(request.session.items()) == {}


def test_who_will_have_to_enrol_is_told_at_sign_in(db: str) -> None:
    admin, _ = add_person("Ada", "admin"), add_person("Anna Berg", "approver", password=PASSWORD)
    decide(admin, factor="powerful", grace_days=3)
    assert "asks you to have a second factor from" in login().get("/").content.decode()


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/18 Safari/605", "Safari on macOS"),
        ("curl/8.9", "curl"),
        ("something else", "something else"),
        ("", "unknown"),
    ],
)
def test_a_browser_is_named_as_people_would(agent: str, said: str) -> None:
    assert device(agent) == said


# --- Traces ------------------------------------------------------------------------------------------


def test_where_a_sign_in_came_from_stands_beside_the_log_and_is_forgotten(db: str) -> None:
    person = add_person("Anna Berg", "viewer", password=PASSWORD)
    login(REMOTE_ADDR="203.0.113.5", HTTP_USER_AGENT="Mozilla\x07 (test)")
    trace = Trace.objects.get()
    assert (trace.person_id, trace.address, trace.agent) == (person.id, "203.0.113.5", "Mozilla (test)")
    assert "203.0.113.5" not in "".join(Entry.objects.values_list("body", flat=True))
    assert traces.forget(before=clock.now() + timedelta(seconds=1)) == 1
    assert Entry.objects.filter(action="session.started").count() == 1
