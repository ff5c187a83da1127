"""Claims: an administrator connects a SAML provider by its metadata, changes it without losing its certificates, tries
it before it is enabled, and is told before its last certificate ends."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import findings
from ensign.control.access.saml_provider_forms import pem
from ensign.control.audit.models import Entry
from ensign.control.identity.sso import queries
from ensign.control.kernel import clock
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.providers import add_provider
from ensign_testkit.saml_forge import Forge
from ensign_testkit.saml_keys import Signer
from ensign_testkit.saml_worlds import ENTITY, World, body, saml_settings, signer

FORM = {"name": "Corp", "shape": "generic", "recheck_minutes": "60", "session_hours": "12", "message_signed": "on",
        "group_claim": "groups"}  # fmt: skip
METADATA = (
    '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity}"><IDPSSODescriptor'
    ' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo'
    ' xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data>'
    "</KeyInfo></KeyDescriptor><SingleSignOnService Binding="
    '"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/>'
    "</IDPSSODescriptor></EntityDescriptor>"
)


@pytest.fixture
def admin(db: str) -> Client:
    """Ada, who manages sign-in, signed in."""
    return sign_in(Client(), add_person("Ada Admin", "admin"))


def connect(admin: Client, **more: str) -> Any:
    text = METADATA.format(entity=ENTITY, certificate=body(signer().certificate_pem))
    given = {**FORM, "key": "corp", "domains": "example.com", "metadata": text, **more}
    return admin.post("/identity-providers/new?kind=saml", given)


def test_metadata_make_a_provider_that_is_disabled_at_first(admin: Client) -> None:
    assert connect(admin).status_code == 303
    made = queries.by_key("corp")
    assert (made.kind, made.status, made.settings["entity_id"]) == ("saml", "disabled", ENTITY)
    assert made.settings["certificates"] == [body(signer().certificate_pem)]
    page = html.unescape(admin.get(f"/identity-providers/{made.id}").content.decode())
    assert "http://localhost:8000/sso/corp/acs" in page
    assert body(signer().certificate_pem)[:60] in page


def test_a_form_without_what_it_needs_says_so_at_the_field(admin: Client) -> None:
    answer = connect(admin, metadata="<x/>")
    assert answer.status_code == 422
    assert "exactly one identity provider" in answer.content.decode()


def test_a_second_certificate_is_added_for_the_roll_over_and_nothing_else_changes(admin: Client) -> None:
    connect(admin)
    made, other = queries.by_key("corp"), Signer("next")
    kept = made.settings
    both = pem([*kept["certificates"], body(other.certificate_pem)])
    given = {**FORM, "domains": "example.com", "certificates": both, "entity_id": ENTITY,
             "sign_on_url": kept["sign_on_url"]}  # fmt: skip
    assert admin.post(f"/identity-providers/{made.id}", given).status_code == 303
    changed = queries.by_key("corp")
    assert changed.settings == {**kept, "certificates": [*kept["certificates"], body(other.certificate_pem)]}
    assert json.loads(Entry.objects.order_by("-seq")[0].body)["detail"]["fields"] == ["settings"]


def test_the_api_connects_one_too_and_shows_no_secret(admin: Client) -> None:
    settings = {"entity_id": ENTITY, "sign_on_url": "https://i.example/s", "certificates": signer().certificate_pem}
    given = {"key": "corp", "kind": "saml", "name": "Corp", "settings": settings, "domains": ["example.com"]}
    answer = admin.post("/api/v1/identity-providers", json.dumps(given), content_type="application/json")
    assert answer.status_code == 201, answer.content
    assert answer.json()["settings"]["message_signed"] is True
    assert "PRIVATE" not in answer.content.decode()


def test_it_can_be_tried_while_it_is_disabled_and_signs_nobody_in(admin: Client) -> None:
    provider = add_provider("corp", kind="saml", settings=saml_settings(), status="disabled")
    there = World(provider, Forge(signer(), ENTITY, "http://localhost:8000/sso/corp"))
    before = set(admin.session.get("ensign_saml", {}))
    assert admin.get(f"/identity-providers/{provider.id}/try").status_code == 302
    asked = (set(admin.session["ensign_saml"]) - before).pop()
    page = there.follow(there.post(there.forge.response(in_response_to=asked)), admin)
    assert page.status_code == 200
    assert "anna.berg@example.com" in page.content.decode()
    assert there.follow(there.post(there.forge.response(in_response_to=there.ask()))).status_code == 422


def test_a_last_certificate_that_ends_is_a_finding_and_a_next_one_ends_the_finding(db: str) -> None:
    at = clock.now()
    soon = Signer("soon", days=(-300, 20))
    add_provider("corp", kind="saml", settings=saml_settings(soon))
    add_provider("rolled", kind="saml", settings=saml_settings(soon, Signer("next")))
    found = [one for one in findings.findings(at=at) if one.code == "saml-certificate"]
    assert [one.subject for one in found] == [queries.by_key("corp").id]
    assert "ends on" in found[0].title
    later = [one for one in findings.findings(at=at + timedelta(days=21)) if one.code == "saml-certificate"]
    assert "ended on" in later[0].title
