"""Claims: who connects, maps and enforces providers holds the permission and a recent second factor; nobody is locked
out by accident, and nobody raises themselves."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from ensign.control.access import groups, people, providers, request_queries, requests, tokens
from ensign.control.access.grants import Wish, give
from ensign.control.access.providers import ProviderWish
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Document, Entry
from ensign.control.identity import sign_in as signing
from ensign.control.identity.models import Account
from ensign.control.identity.sso import arrival, enforcement, queries, secrets
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.models import ProviderSecret
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, Unauthenticated
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.people import give as put_grant
from ensign_testkit.providers import add_identity, add_provider, asserting, browser_request

PASSWORD = "correct horse battery staple"
SECRET = "the provider gave this secret"


@pytest.fixture(autouse=True)
def own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")


def wish(**more: Any) -> ProviderWish:
    given: dict[str, Any] = {
        "name": "Example",
        "shape": "generic",
        "settings": {"issuer": "http://127.0.0.1:9", "client_id": "ensign"},
        "secret": SECRET,
        "domains": ["Example.com", "@example.org", "example.com"],
        **more,
    }
    return ProviderWish(**given)


def create(actor: Actor, **more: Any) -> ProviderView:
    made: ProviderView = providers.create(actor=actor, at=clock.now(), key="op", kind="oidc", wish=wish(**more))
    return made


def entry() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Entry.objects.order_by("-seq")[0].body)
    return found


def test_a_provider_is_connected_disabled_and_its_secret_is_sealed_outside_the_log(db: str) -> None:
    made = create(add_person("Root", "admin"))
    assert (made.status, made.domains, made.enforced) == ("disabled", ("example.com", "example.org"), False)
    assert (entry()["action"], entry()["detail"]) == ("provider.created", {"provider": made.id, "kind": "oidc"})
    assert secrets.reveal(made.id, "client_secret") == SECRET
    kept = [*Document.objects.values_list("content", flat=True), *Entry.objects.values_list("body", flat=True)]
    assert not any(SECRET in str(text) for text in [*kept, *ProviderSecret.objects.values_list("sealed", flat=True)])
    assert "secret" not in made.settings


def test_a_changed_secret_is_an_entry_and_shown_nowhere(db: str) -> None:
    admin = add_person("Root", "admin")
    made = create(admin)
    providers.update(actor=admin, at=clock.now(), provider_id=made.id, wish=wish(secret=""))
    assert secrets.reveal(made.id, "client_secret") == SECRET, "empty keeps it"
    providers.update(actor=admin, at=clock.now(), provider_id=made.id, wish=wish(secret="another secret"))
    assert entry()["detail"]["fields"] == ["secret_version"]
    client = sign_in(Client(), admin)
    assert "another secret" not in client.get(f"/identity-providers/{made.id}").content.decode()
    answer = client.get(f"/api/v1/identity-providers/{made.id}").json()
    assert answer["secret_set"] is True
    assert "another secret" not in json.dumps(answer)


def test_it_takes_the_permission_and_a_recent_second_factor(db: str) -> None:
    with pytest.raises(Denied):
        create(add_person("Vi Viewer", "viewer"))
    with pytest.raises(NeedsMfa):
        create(add_person("Root", "admin", mfa=False))
    stale = add_person("Ada", "admin")
    old = Actor(kind="person", id=stale.id, via="session", mfa_at=clock.now() - timedelta(minutes=31))
    with pytest.raises(NeedsMfa):
        create(old)


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("domains", {"domains": ["gmail.com"]}),
        ("domains", {"domains": ["no domain"]}),
        ("domains", {"domains": ["com"]}),
        ("issuer", {"settings": {"client_id": "c", "issuer": "http://10.0.0.1"}}),
        ("issuer", {"settings": {"client_id": "c", "issuer": "http://93.184.216.34"}}),
        ("issuer", {"settings": {"client_id": "c", "issuer": "https://169.254.169.254/latest"}}),
        ("client_id", {"settings": {"issuer": "http://127.0.0.1:9"}}),
        ("secret", {"secret": ""}),
        ("shape", {"shape": "unknown"}),
        ("mfa_counts", {"shape": "google", "mfa_counts": True}),
        ("session_hours", {"session_hours": 25}),
        ("recheck_minutes", {"recheck_minutes": 4}),
        ("name", {"name": " "}),
    ],
)
def test_what_cannot_work_is_refused_by_its_field(db: str, field: str, more: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        create(add_person("Root", "admin"), **more)
    assert list(caught.value.fields) == [field]


def test_whom_subjects_stand_for_does_not_change_once_somebody_came(db: str) -> None:
    admin = add_person("Root", "admin")
    made = create(admin)
    other = wish(settings={"issuer": "http://127.0.0.1:10", "client_id": "ensign"})
    providers.update(actor=admin, at=clock.now(), provider_id=made.id, wish=other)
    add_identity(made, admin.id)
    with pytest.raises(Conflict) as caught:
        providers.update(actor=admin, at=clock.now(), provider_id=made.id, wish=wish())
    assert list(caught.value.fields) == ["issuer"]


def test_mapping_a_group_needs_what_giving_its_roles_needs(db: str) -> None:
    admin, keeper = add_person("Root", "admin"), add_person("Kim Keeper", "admin")
    group = groups.create(actor=admin, at=clock.now(), name="Approvers")
    give(actor=admin, at=clock.now(), subject=group.id, wish=Wish(role="approver"))
    made = create(admin)
    done = providers.map_groups(actor=admin, at=clock.now(), provider_id=made.id, mapping=[("appr", group.id)])
    assert [(one.value, one.group, one.by) for one in done.group_mapping] == [("appr", group.id, admin.id)]
    again = [("appr", group.id), ("more", group.id)]
    kept = providers.map_groups(actor=keeper, at=clock.now(), provider_id=made.id, mapping=again)
    assert [(one.value, one.by) for one in kept.group_mapping] == [("appr", admin.id), ("more", keeper.id)]
    with pytest.raises(Invalid):
        providers.map_groups(actor=admin, at=clock.now(), provider_id=made.id, mapping=[("x", "grp_unknown")])


def ready_to_enforce(**more: Any) -> tuple[Actor, ProviderView]:
    admin = add_person("Root", "admin", password=PASSWORD)
    provider = add_provider(**more)
    add_identity(provider, admin.id, "root")
    return admin, provider


def enforce(actor: Actor, provider: ProviderView, **more: Any) -> ProviderView:
    arguments = {"without_emergency": True, **more}
    done: ProviderView = providers.enforce(actor=actor, at=clock.now(), provider_id=provider.id, **arguments)
    return done


def test_nothing_is_enforced_before_somebody_who_can_end_it_has_come_through_it(db: str) -> None:
    admin, viewer = add_person("Root", "admin"), add_person("Vi", "viewer")
    provider = add_provider()
    with pytest.raises(Conflict):
        enforce(admin, provider)
    add_identity(provider, viewer.id, "vi")
    with pytest.raises(Conflict):
        enforce(admin, provider)
    add_identity(provider, admin.id, "root")
    assert enforce(admin, provider).enforced


def test_nor_without_emergency_access_unless_that_is_accepted(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, provider = ready_to_enforce()
    monkeypatch.setattr(enforcement, "_emergency", None)
    with pytest.raises(Conflict) as caught:
        enforce(admin, provider, without_emergency=False)
    assert list(caught.value.fields) == ["without_emergency"]
    monkeypatch.setattr(enforcement, "_emergency", lambda at: True)
    assert enforce(admin, provider, without_emergency=False).enforced
    assert entry()["detail"]["emergency"] is True


def test_enforcing_ends_local_sessions_at_once_and_closes_every_local_way(db: str) -> None:
    admin, provider = ready_to_enforce()
    person = add_person("Anna Berg", "viewer", password=PASSWORD)
    outside = add_person("Xan Extern", "viewer", email="xan@elsewhere.example", password=PASSWORD)
    local, foreign = Client(), Client()
    for client, email in ((local, "anna.berg@example.com"), (foreign, "xan@elsewhere.example")):
        assert client.post("/login", {"email": email, "password": PASSWORD}).status_code == 303
    link = people.make_reset_link(actor=admin, at=clock.now(), person_id=person.id).link
    request = browser_request()
    arrival.arrive(request, asserting(provider), at=clock.now())
    enforce(admin, provider)
    assert entry()["detail"]["sessions"] == 1
    ended = Entry.objects.get(action="session.ended_by_administrator")
    detail = {"provider": provider.id, "person": person.id, "sessions": 1, "because": "enforcement"}
    assert json.loads(ended.body)["detail"] == detail
    assert local.get("/people").status_code == 302
    assert foreign.get("/people").status_code == 200
    assert Session.objects.filter(pk=request.session.session_key).exists(), "what began at the provider goes on"
    answer = local.post("/login", {"email": "Anna.Berg@example.com", "password": PASSWORD})
    assert answer.status_code == 422
    assert "through Okta alone" in answer.content.decode()
    assert (entry()["action"], entry()["detail"]["way"]) == ("session.refused", "enforced")
    assert Client().post("/login", {"email": "nobody@example.com", "password": "x"}).status_code == 422
    assert Client().get(f"/reset/{link}").status_code == 403
    with pytest.raises(Conflict):
        people.make_reset_link(actor=admin, at=clock.now(), person_id=person.id)
    account = Account.objects.get(person_id=person.id)
    with pytest.raises(Unauthenticated):
        signing.complete(browser_request(), account, way="passkey", at=clock.now())
    assert Client().post("/login", {"email": outside_email(outside), "password": PASSWORD}).status_code == 303


def outside_email(actor: Actor) -> str:
    return str(Account.objects.get(person_id=actor.id).email)


def test_an_invitation_of_an_enforced_domain_leads_to_the_provider(db: str) -> None:
    admin, provider = ready_to_enforce()
    enforce(admin, provider)
    made = people.invite(actor=admin, at=clock.now(), email="new@example.com")
    assert Client().get(f"/invite/{made.link}").status_code == 403
    account = arrival.arrive(browser_request(), asserting(provider, "new@example.com", subject="n"), at=clock.now())
    assert account.person_id == made.person.id


def test_tokens_of_enforced_people_keep_working(db: str) -> None:
    admin, provider = ready_to_enforce()
    text = tokens.create_personal(actor=admin, at=clock.now(), wish=TokenWish(name="ci", days=5)).text
    enforce(admin, provider)
    assert Client(headers={"Authorization": f"Bearer {text}"}).get("/api/v1/whoami").status_code == 200


def test_the_enforcement_ends_by_an_administrator_or_at_the_servers_terminal(db: str) -> None:
    admin, provider = ready_to_enforce()
    enforce(admin, provider)
    providers.release(actor=admin, at=clock.now(), provider_id=provider.id, reason="Moving")
    assert Client().post("/login", {"email": "root@example.com", "password": PASSWORD}).status_code == 303
    enforce(admin, provider)
    done = enforcement.release(provider.id, actor=system("cli"), at=clock.now(), reason="It is down")
    assert (done.enforced, entry()["action"], entry()["actor"]["id"]) == (False, "provider.released", "sys_cli")
    with pytest.raises(Conflict):
        enforcement.release(provider.id, actor=system("cli"), at=clock.now(), reason="Again")


def test_disabling_ends_what_began_there_and_the_enforcement(db: str) -> None:
    admin, provider = ready_to_enforce()
    add_person("Anna Berg", "viewer")
    request = browser_request()
    arrival.arrive(request, asserting(provider), at=clock.now())
    enforce(admin, provider)
    done = providers.disable(actor=admin, at=clock.now(), provider_id=provider.id, reason="Changed")
    assert (done.status, done.enforced) == ("disabled", False)
    assert not Session.objects.filter(pk=request.session.session_key).exists()
    assert queries.enforced_for("anna.berg@example.com") == ()


def test_a_domain_added_to_an_enforced_provider_is_enforced_at_once(db: str) -> None:
    settings = {"issuer": "http://127.0.0.1:9", "client_id": "ensign", "tenant": ""}
    admin, provider = ready_to_enforce(settings=settings, secret="x")
    add_person("Xan", "viewer", email="xan@example.org", password=PASSWORD)
    client = Client()
    client.post("/login", {"email": "xan@example.org", "password": PASSWORD})
    enforce(admin, provider)
    assert client.get("/people").status_code == 200
    providers.update(actor=admin, at=clock.now(), provider_id=provider.id, wish=wish(name="Okta", secret=""))
    assert client.get("/people").status_code == 302


def test_a_released_identity_makes_room_for_a_recycled_address(db: str) -> None:
    admin = add_person("Root", "admin")
    person = add_person("Anna Berg", "viewer")
    provider = add_provider()
    request = browser_request()
    arrival.arrive(request, asserting(provider), at=clock.now())
    known = queries.identities_of(person.id)[0]
    providers.release_identity(actor=admin, at=clock.now(), identity_id=known.id, reason="Made anew there")
    assert not Session.objects.filter(pk=request.session.session_key).exists()
    again = arrival.arrive(browser_request(), asserting(provider, subject="00u2new"), at=clock.now())
    assert again.person_id == person.id


def test_the_last_who_can_give_roles_keeps_the_group_whatever_the_provider_says(db: str) -> None:
    anna = add_person("Anna Berg")
    root = add_person("Root", "admin")
    group = groups.create(actor=root, at=clock.now(), name="Admins")
    put_grant(group.id, "admin")
    provider = add_provider(mapping=[("admins", group.id)])
    arrival.arrive(browser_request(), asserting(provider, groups=("admins",)), at=clock.now())
    (waiting,) = request_queries.requests(status="open")
    requests.approve(actor=root, at=clock.now(), request_id=waiting.id)
    people.deactivate(actor=anna, at=clock.now(), person_id=root.id)
    arrival.arrive(browser_request(), asserting(provider, groups=()), at=clock.now())
    assert providers.held(anna, at=clock.now()).allows(providers.Permission.ORG_ACCESS_GRANT)


def test_routing_tells_the_domain_and_nothing_about_the_address(db: str) -> None:
    add_person("Anna Berg", "viewer")
    add_provider("okta")
    add_provider("entra", domains=["example.org"])
    pages = []
    for email in ("anna.berg@example.com", "nobody@example.com"):
        text = Client().post("/sso/route", {"email": email, "next": "/people"}).content.decode()
        assert "/sso/okta/login" in text
        assert "/sso/entra/login" not in text
        assert 'name="password"' in text
        pages.append(text.replace(email, "").split("<main", 1)[1].split("csrfmiddlewaretoken")[0])
    assert pages[0] == pages[1]
    first = Client().get("/login").content.decode()
    assert 'name="password"' not in first
    assert "/sso/okta/login?next=/" in first
    assert "/sso/entra/login?next=/" in first
    elsewhere = Client().post("/sso/route", {"email": "x@elsewhere.example"}).content.decode()
    assert "/sso/okta/login" not in elsewhere
