"""Claims: settings come from metadata, by hand or by address through the guard, and what is unsafe is refused."""

from __future__ import annotations

import pytest
from django.conf import settings
from ensign.control.identity.sso import kinds, saml_kind
from ensign.control.identity.sso.saml_metadata import describe
from ensign.control.kernel.errors import Invalid
from ensign_testkit.saml_keys import Signer
from ensign_testkit.saml_worlds import body, signer

MD = "urn:oasis:names:tc:SAML:2.0:metadata"


def metadata(*signers: Signer, binding: str = "HTTP-Redirect", url: str = "https://idp.example.com/sso") -> str:
    keys = "".join(
        '<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>'
        f"<X509Certificate>{body(one.certificate_pem)}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"
        for one in signers
    )
    return (
        f'<?xml version="1.0"?><!-- made by hand --><EntityDescriptor xmlns="{MD}" entityID="https://idp.example.com">'
        '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f'{keys}<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{binding}" Location="{url}"/>'
        "</IDPSSODescriptor></EntityDescriptor>"
    )


def refused(field: str, **given: object) -> None:
    with pytest.raises(Invalid) as caught:
        saml_kind.clean("generic", given)
    assert field in caught.value.fields, caught.value.fields


def test_saml_is_a_kind_of_provider_here() -> None:
    assert kinds.of("saml").title == "SAML 2.0"


def test_metadata_bring_who_where_and_every_certificate() -> None:
    other = Signer("next")
    kept = saml_kind.clean("okta", {"metadata": metadata(signer(), other)})
    assert kept["entity_id"] == "https://idp.example.com"
    assert kept["certificates"] == [body(signer().certificate_pem), body(other.certificate_pem)]
    assert (kept["message_signed"], kept["sha1"], kept["idp_initiated"]) == (True, False, False)
    assert describe(kept["certificates"][1]).subject == "CN=next"


def test_by_hand_several_certificates_may_stand_one_after_another() -> None:
    both = signer().certificate_pem + Signer("next").certificate_pem
    kept = saml_kind.clean("generic", {"entity_id": "x", "sign_on_url": "https://i.example/s", "certificates": both})
    assert len(kept["certificates"]) == 2
    again = saml_kind.clean("generic", {**kept, "read_again": False})
    assert again == kept


def test_what_is_no_provider_is_refused() -> None:
    refused("metadata", metadata="<!DOCTYPE x><x/>")
    refused("metadata", metadata="<x/>")
    refused("metadata", metadata=metadata())
    refused("metadata", metadata=metadata(signer(), binding="SOAP"))
    refused("certificates", entity_id="x", sign_on_url="https://i.example/s", certificates="nonsense")
    refused("certificates", entity_id="x", sign_on_url="https://i.example/s", certificates="")
    refused("sign_on_url", entity_id="x", sign_on_url="javascript:alert(1)", certificates=signer().certificate_pem)


def test_sending_people_to_plain_http_is_for_trying_out_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"metadata": metadata(signer(), url="http://idp.example.com/sso")}
    saml_kind.clean("generic", given)
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://ensign.example.com")
    refused("sign_on_url", **given)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/m", "file:///etc/passwd", "https://169.254.169.254/latest"])
def test_metadata_are_fetched_through_the_guard_on_outgoing_addresses(url: str) -> None:
    refused("metadata_url", metadata_url=url)
