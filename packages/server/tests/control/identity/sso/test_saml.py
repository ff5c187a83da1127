"""Claims: what a SAML provider vouches for signs people in, in the browser that asked and in no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.audit.models import Entry
from ensign.control.identity.models import Account
from ensign.control.identity.sso.models import ProviderSession
from ensign.control.identity.sso.saml_models import SamlTicket
from ensign.control.identity.sso.sessions import MARK
from ensign.control.kernel import clock
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider
from ensign_testkit.saml_forge import SAML, SAMLP, Forge
from ensign_testkit.saml_keys import Signer
from ensign_testkit.saml_worlds import ENTITY, World, saml_settings, signer, world
from lxml import etree


def last_entry() -> dict[str, Any]:
    return dict(json.loads(Entry.objects.order_by("-seq")[0].body))


def signed_in_as(client: Client) -> str | None:
    key = client.session.get("_auth_user_id")
    return None if key is None else Account.objects.get(pk=key).person_id


def test_a_signed_response_to_ones_own_request_signs_in_and_leads_on(db: str) -> None:
    person = add_person("Anna Berg", "viewer")
    there = world()
    asked = there.ask(target="/projects?x=1")
    done = there.follow(there.post(there.forge.response(in_response_to=asked)))
    assert (done.status_code, done["Location"]) == (303, "/projects?x=1")
    assert signed_in_as(there.client) == person.id
    assert last_entry()["detail"] == {"way": "saml", "provider": there.provider.id}
    assert not SamlTicket.objects.exists()


def test_the_post_across_sites_needs_no_cookie_and_sets_none(db: str) -> None:
    there = world()
    posted = there.post(there.forge.response(in_response_to=there.ask()))
    assert posted.status_code == 303
    assert not posted.cookies


def test_a_ticket_is_good_once_for_two_minutes_and_for_one_provider(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_person("Anna Berg")
    there = world()
    other = add_provider("second", kind="saml", settings=saml_settings())
    posted = there.post(there.forge.response(in_response_to=there.ask()))
    assert there.client.get(posted["Location"].replace("/corp/", f"/{other.key}/")).status_code == 422
    assert there.follow(posted).status_code == 303
    assert there.follow(posted).status_code == 422
    posted = there.post(there.forge.response(in_response_to=there.ask()))
    later = clock.now() + timedelta(minutes=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert there.follow(posted).status_code == 422


def test_a_response_to_the_request_of_another_browser_is_refused(db: str) -> None:
    add_person("Anna Berg")
    there = world()
    asked, victim = there.ask(), Client()
    there.ask(victim)
    answer = there.follow(there.post(there.forge.response(in_response_to=asked)), victim)
    assert answer.status_code == 422
    assert "Sign in again from this browser" in answer.content.decode()
    assert last_entry()["detail"]["why"] == "saml_in_response_to"
    assert signed_in_as(victim) is None


def test_unasked_responses_are_refused_unless_the_settings_say_so_and_then_count_once(db: str) -> None:
    person = add_person("Anna Berg")
    there = world()
    assert there.post(there.forge.response(in_response_to=None)).status_code == 422
    assert last_entry()["detail"]["why"] == "saml_unasked"
    open_to_all = World(
        add_provider("second", kind="saml", settings=saml_settings(idp_initiated=True)),
        Forge(signer(), ENTITY, "http://localhost:8000/sso/second"),
    )
    response = open_to_all.forge.response(in_response_to=None)
    done = open_to_all.follow(open_to_all.post(response, relay="/flags"))
    assert (done["Location"], signed_in_as(open_to_all.client)) == ("/flags", person.id)
    assert open_to_all.post(response).status_code == 422
    assert last_entry()["detail"]["why"] == "saml_replay"


@pytest.mark.parametrize("relay", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_relay_state_leads_to_no_other_host(db: str, relay: str) -> None:
    add_person("Anna Berg")
    there = world(idp_initiated=True)
    done = there.follow(there.post(there.forge.response(in_response_to=None), relay=relay))
    assert done["Location"] == "/"


def test_any_of_several_certificates_fits_while_keys_roll_over(db: str) -> None:
    person = add_person("Anna Berg")
    there = world(certificates=saml_settings(Signer("old"), signer())["certificates"])
    assert there.follow(there.post(there.forge.response(in_response_to=there.ask()))).status_code == 303
    assert signed_in_as(there.client) == person.id


def test_a_second_factor_counts_when_the_context_says_so_and_the_settings_do(db: str) -> None:
    add_person("Anna Berg")
    there = world(mfa_counts=True)
    there.follow(there.post(there.forge.response(in_response_to=there.ask())))
    assert "ensign_mfa_at" not in there.client.session
    strong = there.forge.response(in_response_to=there.ask(), context="https://refeds.org/profile/mfa")
    there.follow(there.post(strong))
    assert "ensign_mfa_at" in there.client.session


def test_the_session_ends_no_later_than_that_at_the_provider(db: str) -> None:
    add_person("Anna Berg")
    there = world()
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    there.follow(there.post(there.forge.response(in_response_to=there.ask(), session_ends=ends)))
    assert clock.parse(there.client.session[MARK]["until"]) == ends


@pytest.mark.parametrize(
    ("attributes", "name_format", "name_id"),
    [
        ({"email": ["anna.berg@example.com"]}, "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "anna"),
        (
            {
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": ["Anna.Berg@example.com"],
                "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups": ["5b1c"],
            },
            "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            "AAdzZWNyZXQx",
        ),
        ({}, "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "anna.berg@example.com"),
        ({"urn:oid:0.9.2342.19200300.100.1.3": ["anna.berg@example.com"]}, "", "anna"),
    ],
    ids=["okta", "entra", "google", "shibboleth"],
)
def test_the_address_is_found_in_every_providers_words(
    db: str, attributes: dict[str, list[str]], name_format: str, name_id: str
) -> None:
    person = add_person("Anna Berg")
    there = world()
    given = {"attributes": attributes, "name_format": name_format, "name_id": name_id}
    there.follow(there.post(there.forge.response(in_response_to=there.ask(), **given)))
    assert signed_in_as(there.client) == person.id
    assert ProviderSession.objects.count() == 1


def test_half_a_list_of_groups_changes_no_membership(db: str) -> None:
    add_person("Anna Berg")
    there = world(mapping=[("engineering", "grp_1")])
    attributes = {"email": ["anna.berg@example.com"], "http://schemas.microsoft.com/claims/groups.link": ["https://x"]}
    answer = there.follow(there.post(there.forge.response(in_response_to=there.ask(), attributes=attributes)))
    assert (answer.status_code, last_entry()["detail"]["why"]) == (422, "saml_groups")


def test_somebody_whom_the_rules_do_not_let_in_is_told_why(db: str) -> None:
    there = world()
    answer = there.follow(there.post(there.forge.response(in_response_to=there.ask())))
    assert answer.status_code == 422
    assert "Ask an administrator to invite you" in answer.content.decode()
    assert "anna" not in json.dumps(last_entry())


def test_our_metadata_name_our_addresses_and_no_secret(db: str) -> None:
    there = world()
    answer = Client().get("/sso/corp/metadata")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'entityID="http://localhost:8000/sso/corp/metadata"' in text
    assert 'Location="http://localhost:8000/sso/corp/acs"' in text
    assert "PRIVATE" not in text
    assert there.provider.kind == "saml"


def test_other_kinds_of_provider_have_no_saml_addresses(db: str) -> None:
    add_provider("okta")
    assert Client().get("/sso/okta/metadata").status_code == 404
    assert Client().post("/sso/okta/acs", {}).status_code == 404
    assert Client().post("/sso/nobody/acs", {}).status_code == 404


def refused_by_provider(there: World, asked: str, code: str) -> etree._Element:
    """The provider's answer that it vouches for nobody."""
    root = etree.fromstring(there.forge.draft(in_response_to=asked).encode())
    root.remove(root.find(f"{{{SAML}}}Assertion"))
    next(root.iter(f"{{{SAMLP}}}StatusCode")).set("Value", f"urn:oasis:names:tc:SAML:2.0:status:{code}")
    return root


def test_a_session_goes_on_while_the_provider_vouches_silently_and_ends_when_it_does_not(db: str) -> None:
    add_person("Anna Berg")
    there = world()
    there.follow(there.post(there.forge.response(in_response_to=there.ask())))
    again = there.forge.response(in_response_to=there.ask(purpose="renew", target="/flags"))
    assert there.follow(there.post(again))["Location"] == "/flags"
    assert signed_in_as(there.client) is not None
    asked = there.ask(purpose="renew")
    answer = there.follow(there.post(refused_by_provider(there, asked, "NoPassive")))
    assert answer.status_code == 422
    assert signed_in_as(there.client) is None


def test_nobody_else_ends_a_session_by_saying_that_the_provider_does_not_vouch(db: str) -> None:
    add_person("Anna Berg")
    there = world()
    there.follow(there.post(there.forge.response(in_response_to=there.ask())))
    there.ask(purpose="renew")
    for asked in ("_guessed", there.ask(Client(), purpose="renew")):
        assert there.follow(there.post(refused_by_provider(there, asked, "NoPassive"))).status_code == 422
    assert signed_in_as(there.client) is not None


def test_a_step_up_counts_when_the_same_person_has_just_used_a_second_factor(db: str) -> None:
    add_person("Anna Berg")
    there = world(mfa_counts=True)
    there.follow(there.post(there.forge.response(in_response_to=there.ask())))
    strong = "https://refeds.org/profile/mfa"
    for more in ({"context": strong, "name_id": "bob-0002"}, {}):
        answer = there.follow(there.post(there.forge.response(in_response_to=there.ask(purpose="confirm"), **more)))
        assert answer.status_code == 422
        assert "ensign_mfa_at" not in there.client.session
    right = there.forge.response(in_response_to=there.ask(purpose="confirm", target="/requests"), context=strong)
    assert there.follow(there.post(right))["Location"] == "/requests"
    assert "ensign_mfa_at" in there.client.session
