"""Claims: one administrator alone does not come to sign in as somebody else through a provider of their own making."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import custom_roles, people, providers
from ensign.control.access.asked import RequestView
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.domain import GrantView
from ensign.control.access.findings import findings
from ensign.control.access.grants import Wish, give
from ensign.control.access.providers import ProviderWish
from ensign.control.identity.sso import queries
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa
from ensign_testkit.changing import last_entry
from ensign_testkit.people import add_person, add_role, sign_in
from ensign_testkit.people import give as put_grant
from ensign_testkit.providers import add_provider

SETTINGS = {"issuer": "http://127.0.0.1:9", "client_id": "ensign"}


@pytest.fixture(autouse=True)
def own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")


def wish(**more: Any) -> ProviderWish:
    given: dict[str, Any] = {"name": "Corp", "shape": "generic", "settings": SETTINGS, "domains": ["example.com"]}
    return ProviderWish(**{**given, **more})


def make(actor: Actor, **more: Any) -> ProviderView:
    made: ProviderView = providers.create(
        actor=actor, at=clock.now(), key="op", kind="oidc", wish=wish(secret="x", **more)
    )
    return made


def enable(actor: Actor, provider: ProviderView, **more: Any) -> ProviderView:
    done: ProviderView = providers.enable(actor=actor, at=clock.now(), provider_id=provider.id, **more)
    return done


def change(actor: Actor, provider: ProviderView, **more: Any) -> ProviderView:
    done: ProviderView = providers.update(actor=actor, at=clock.now(), provider_id=provider.id, wish=wish(**more))
    return done


def vouch(actor: Actor, provider: ProviderView, **more: Any) -> ProviderView:
    done: ProviderView = providers.vouch(actor=actor, at=clock.now(), provider_id=provider.id, **more)
    return done


def alone() -> list[str]:
    return [one.subject for one in findings(at=clock.now()) if one.code == "provider-alone"]


def two() -> tuple[Actor, Actor]:
    return add_person("Mallory", "admin"), add_person("Olga", "admin")


def test_who_made_a_provider_does_not_enable_it_and_the_try_is_an_entry(db: str) -> None:
    mallory, olga = two()
    made = make(mallory, mfa_counts=True)
    with pytest.raises(Denied) as refused:
        enable(mallory, made, reason="because")
    assert (refused.value.code, bool(refused.value.remedy)) == ("second-administrator", True)
    assert last_entry("access.denied")["detail"]["code"] == "second_administrator"
    assert not queries.provider(made.id).active
    done = enable(olga, made)
    assert (done.active, done.trusted_by, done.vouched_by, alone()) == (True, mallory.id, olga.id, [])
    assert "alone" not in last_entry("provider.enabled")["detail"]


@pytest.mark.parametrize(
    "more",
    [
        {"settings": {**SETTINGS, "issuer": "http://127.0.0.1:10"}},
        {"settings": {**SETTINGS, "client_id": "another"}},
        {"shape": "keycloak"},
        {"domains": ["example.com", "example.org"]},
        {"mfa_counts": True},
    ],
)
def test_nor_does_who_changed_what_it_trusts_and_one_in_use_is_not_changed_by_one(
    db: str, more: dict[str, Any]
) -> None:
    mallory, olga = two()
    made = make(olga)
    enable(mallory, made)
    with pytest.raises(Denied) as refused:
        change(mallory, made, **more)
    assert refused.value.code == "second-administrator"
    assert queries.provider(made.id).version == 2
    providers.disable(actor=mallory, at=clock.now(), provider_id=made.id)
    changed = change(mallory, made, **more)
    assert (changed.trusted_by, changed.vouched_by) == (mallory.id, None)
    with pytest.raises(Denied):
        enable(mallory, made)
    assert enable(olga, made).active


def test_what_lets_nobody_in_changes_at_once_and_stays_looked_at(db: str) -> None:
    mallory, olga = two()
    made = make(olga, mfa_counts=True, domains=["example.com", "example.org"])
    enable(mallory, made)
    free = {"name": "Other", "secret": "rotated", "session_hours": 2, "recheck_minutes": 0, "group_claim": "g"}
    less = change(mallory, made, **free, provisioning=True)
    assert (less.mfa_counts, less.domains, less.name) == (False, ("example.com",), "Other")
    assert (less.trusted_by, less.vouched_by, alone()) == (olga.id, mallory.id, [])


def test_disabling_forgets_the_look_so_that_its_author_does_not_enable_it_again(db: str) -> None:
    mallory, olga = two()
    made = make(mallory)
    enable(olga, made)
    providers.disable(actor=olga, at=clock.now(), provider_id=made.id, reason="I doubt it")
    with pytest.raises(Denied):
        enable(mallory, made)
    assert queries.provider(made.id).vouched_by is None


def test_nobody_enables_what_was_changed_under_their_eyes(db: str) -> None:
    mallory, olga = two()
    seen = make(mallory)
    change(mallory, seen, settings={**SETTINGS, "issuer": "http://127.0.0.1:10"})
    with pytest.raises(Conflict):
        enable(olga, seen, version=seen.version)
    page = f"/identity-providers/{seen.id}"
    text = sign_in(Client(), olga).post(f"{page}/enable", {"version": seen.version}, follow=True).content.decode()
    assert "changed meanwhile" in text
    assert enable(olga, seen, version=seen.version + 1).active


def test_where_nobody_else_could_it_takes_a_reason_and_is_a_finding_until_somebody_else_looked(db: str) -> None:
    root, gone = add_person("Root", "admin"), add_person("Gil", "admin")
    add_person("Vi", "viewer")
    people.deactivate(actor=root, at=clock.now(), person_id=gone.id)
    made = make(root)
    with pytest.raises(Invalid) as caught:
        enable(root, made, reason=" ")
    assert list(caught.value.fields) == ["reason"]
    enable(root, made, reason="only me")
    entry = last_entry("provider.enabled")
    assert (entry["detail"]["alone"], bool(entry["reason"]), alone()) == (True, True, [made.id])
    with pytest.raises(Denied) as refused:
        vouch(root, made)
    assert refused.value.code == "second-administrator"
    olga = add_person("Olga", "admin")
    stale = Actor(kind="person", id=olga.id, via="session", mfa_at=clock.now() - timedelta(minutes=31))
    for who, error in ((stale, NeedsMfa), (add_person("Au", "auditor"), Denied)):
        with pytest.raises(error):
            vouch(who, made)
    assert alone() == [made.id]
    assert vouch(olga, made).vouched_by == olga.id
    assert last_entry("provider.vouched")["detail"] == {"provider": made.id, "decided_by": root.id}
    assert alone() == []
    with pytest.raises(Conflict):
        vouch(olga, made)


def test_one_in_use_is_changed_alone_where_nobody_else_could_and_is_a_finding(db: str) -> None:
    root = add_person("Root", "admin")
    provider = add_provider(settings={**SETTINGS, "scopes": ""}, secret="x")
    done = change(root, provider, mfa_counts=True)
    assert (done.mfa_counts, done.trusted_by, alone()) == (True, root.id, [provider.id])
    assert last_entry("provider.updated")["detail"]["alone"] is True


def test_of_one_from_before_this_was_remembered_the_log_says_who_decided_it(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory, olga = two()
    with monkeypatch.context() as before:
        before.setattr("ensign.control.access.provider_trust.decided_by", lambda actor: {})
        made = make(mallory)
    change(olga, made, name="Renamed")
    assert queries.provider(made.id).trusted_by is None
    with pytest.raises(Denied):
        enable(mallory, made)
    assert enable(olga, made).active


def test_the_page_shows_each_what_they_may_do(db: str) -> None:
    root = add_person("Root", "admin")
    made = make(root)
    page = f"/identity-providers/{made.id}"
    hers = sign_in(Client(), root)
    assert "Enable it alone" in hers.get(page).content.decode()
    assert "say why" in hers.post(f"{page}/enable", follow=True).content.decode()
    olga = add_person("Olga", "admin")
    text = hers.get(page).content.decode()
    assert "another administrator tries it and enables it" in text
    assert "Olga" in text
    assert f"{page}/enable" not in text
    refused = hers.post(f"{page}/enable", {"reason": "x"})
    assert refused.status_code == 403
    assert "somebody else must enable it" in refused.content.decode()
    theirs = sign_in(Client(), olga)
    assert f"{page}/enable" in theirs.get(page).content.decode()
    people.deactivate(actor=root, at=clock.now(), person_id=olga.id)
    assert hers.post(f"{page}/enable", {"reason": "alone", "version": made.version}).status_code == 303
    assert f"{page}/vouch" not in hers.get(page).content.decode()
    third = sign_in(Client(), add_person("Tess", "admin"))
    assert f"{page}/vouch" in third.get(page).content.decode()
    assert hers.post(f"{page}/vouch").status_code == 403
    assert third.post(f"{page}/vouch", {"version": made.version + 1}).status_code == 303
    assert alone() == []
    assert "nothing about this provider" in third.post(f"{page}/vouch", follow=True).content.decode().lower()


def test_the_api_refuses_and_lets_the_same(db: str) -> None:
    root = add_person("Root", "admin")
    made = make(root)
    client = sign_in(Client(), root)
    at = f"/api/v1/identity-providers/{made.id}"

    def post(who: Client, act: str, **body: Any) -> tuple[int, Any]:
        answer = who.post(f"{at}/{act}", json.dumps(body), content_type="application/json")
        return answer.status_code, answer.json()

    assert client.post(f"{at}/enable", content_type="application/json").status_code == 422, "no body, no reason"
    status, told = post(client, "enable", reason="only me")
    assert (status, told["alone"], told["trusted_by"]) == (200, True, root.id)
    olga = sign_in(Client(), add_person("Olga", "admin"))
    status, told = post(client, "vouch")
    assert (status, told["code"]) == (403, "second-administrator")
    assert post(olga, "vouch", version=99)[0] == 409
    status, told = post(olga, "vouch", reason="compared")
    assert (status, told["alone"]) == (200, False)
    changed = {"name": "Corp", "settings": SETTINGS, "domains": ["example.com"], "mfa_counts": True}
    answer = client.put(at, json.dumps(changed), content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "second-administrator")
    assert post(client, "disable")[0] == 200
    assert client.put(at, json.dumps(changed), content_type="application/json").status_code == 200
    assert post(client, "enable", reason="x")[1]["code"] == "second-administrator"
    assert olga.post(f"{at}/enable", content_type="application/json").status_code == 200


def test_nobody_makes_the_second_who_could_enable_it_alone(db: str) -> None:
    """An account that one administrator invited, with a role of their own making, would be a second pair of hands."""
    mallory, _ = two()
    puppet = add_person("Puppet")
    add_role("signer", "org:security:manage")
    add_role("maker", "org:access:grant", assigns=["signer"])
    for role in ("signer", "maker"):
        given = give(actor=mallory, at=clock.now(), subject=puppet.id, wish=Wish(role=role), reason="mine")
        assert isinstance(given, RequestView), role
    made = make(mallory)
    with pytest.raises(Denied):
        enable(puppet, made)
    add_role("plain", "org:people:manage")
    plain = give(actor=mallory, at=clock.now(), subject=puppet.id, wish=Wish(role="plain"))
    assert isinstance(plain, GrantView)
    more = RoleWish(name="Plain", permissions=["org:people:manage", "org:security:manage"])
    with pytest.raises(Conflict) as refused:
        custom_roles.update(actor=mallory, at=clock.now(), key="plain", wish=more)
    assert refused.value.code == "takes-two"


@pytest.mark.parametrize("code", ["org:people:recover", "org:scim:manage", "org:privacy:erase"])
def test_nor_who_could_let_them_in_again_list_or_forget_people(db: str, code: str) -> None:
    """Each lets an account of one's own be the second person of an act that takes two."""
    mallory, _ = two()
    puppet = add_person("Puppet")
    add_role("helper", code)
    given = give(actor=mallory, at=clock.now(), subject=puppet.id, wish=Wish(role="helper"), reason="mine")
    assert isinstance(given, RequestView)


def test_what_two_people_gave_is_not_widened_by_one(db: str) -> None:
    """A role that took two for one thing does not come to approve by one person's change of what it means."""
    mallory, _ = two()
    puppet = add_person("Puppet")
    add_role("signer", "org:security:manage")
    put_grant(puppet.id, "signer")
    more = RoleWish(name="Signer", permissions=["org:security:manage", "change:approve"])
    with pytest.raises(Conflict) as refused:
        custom_roles.update(actor=mallory, at=clock.now(), key="signer", wish=more)
    assert refused.value.code == "takes-two"
