"""Claims: every known attack on SAML is refused by the real address, in time, by an entry that holds nothing typed."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import xmlsec
from ensign.control.audit.models import Entry
from ensign.control.identity import sign_in
from ensign.control.identity.models import Attempts
from ensign.control.identity.sso import saml_here
from ensign.control.identity.sso.saml_models import SamlTicket
from ensign.control.kernel import clock
from ensign_testkit.people import add_person
from ensign_testkit.saml_forge import DS, SAML, SAMLP, WRAPPINGS, encrypted, evil, field_of, sign
from ensign_testkit.saml_worlds import World, signer, world
from lxml import etree

pytestmark = pytest.mark.once

#: Far beyond what a refusal takes, far below what any bomb would.
BOUND = 5.0


@pytest.fixture
def there(db: str) -> World:
    """A provider, and Anna, who might be impersonated."""
    add_person("Anna Berg")
    add_person("Eve", email="eve@example.com")
    return world()


def entries() -> list[dict[str, Any]]:
    return [json.loads(body) for body in Entry.objects.order_by("seq").values_list("body", flat=True)]


def refused(there: World, response: Any, *codes: str, raw: bool = False) -> None:
    """Post it; it is refused in time, with one of ``codes``, and the entry tells the kind alone."""
    began = time.monotonic()
    answer = there.post(response, raw=raw)
    took = time.monotonic() - began
    assert answer.status_code == 422, answer.status_code
    assert took < BOUND
    last = entries()[-1]
    assert last["action"] == "session.refused"
    assert last["detail"]["why"].removeprefix("saml_") in codes, last["detail"]
    assert set(last["detail"]) == {"way", "why", "provider"}
    assert not SamlTicket.objects.exists()


def good(there: World, **more: Any) -> etree._Element:
    return there.forge.response(in_response_to=there.ask(), **more)


@pytest.mark.parametrize("name", sorted(WRAPPINGS))
def test_signature_wrapping(there: World, name: str) -> None:
    signed_message = there.forge.response(in_response_to=there.ask(), assertion=name not in {"xsw1", "xsw2"})
    refused(there, WRAPPINGS[name](signed_message), "shape", "assertions", "signatures", "signature_shape", "reference")


@pytest.mark.parametrize("name", sorted(set(WRAPPINGS) - {"xsw1", "xsw2"}))
def test_signature_wrapping_where_only_the_assertion_is_signed(db: str, name: str) -> None:
    there = world(message_signed=False)
    found = WRAPPINGS[name](good(there, message=False))
    refused(there, found, "shape", "assertions", "signatures", "signature_shape", "reference")


def test_stripped_signatures(there: World) -> None:
    refused(there, good(there, assertion=False, message=False), "unsigned_message")
    refused(there, good(there, message=False), "unsigned_message")
    refused(there, good(there, assertion=False), "unsigned_assertion")
    empty = good(there)
    for value in empty.iter(f"{{{DS}}}SignatureValue"):
        value.text = ""
    refused(there, empty, "signature", "invalid")


def test_signed_by_another_key_whose_certificate_comes_along(there: World) -> None:
    there.forge.signer = signer("mallory")
    refused(there, good(there), "signature")


def test_embedded_keys_are_refused_before_anything_is_verified(there: World) -> None:
    found = good(there)
    for info in found.iter(f"{{{DS}}}KeyInfo"):
        value = etree.SubElement(etree.SubElement(info, f"{{{DS}}}KeyValue"), f"{{{DS}}}RSAKeyValue")
        value.text = "x"
    refused(there, found, "shape", "key_info")


def test_what_was_signed_is_changed_afterwards(there: World) -> None:
    for change in (
        lambda root: setattr(root.find(f".//{{{SAML}}}NameID"), "text", "eve-0666"),
        lambda root: setattr(root.find(f".//{{{SAML}}}AttributeValue"), "text", "eve@example.com"),
        lambda root: root.set("InResponseTo", "_other"),
    ):
        found = good(there)
        change(found)
        refused(there, found, "signature")


def test_a_signature_over_another_element(there: World) -> None:
    root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
    other = root.find(f"{{{SAML}}}Assertion")
    sign(root, there.forge.signer, uri=f"#{other.get('ID')}")
    refused(there, root, "reference")


def test_an_empty_reference_covers_whatever_document_it_stands_in(there: World) -> None:
    found = good(there)
    for reference in found.iter(f"{{{DS}}}Reference"):
        reference.set("URI", "")
    refused(there, found, "reference")


def test_a_comment_in_the_name_is_refused_though_the_signature_stays_right(there: World) -> None:
    text = field_of(good(there, name_id="anna@example.com.evil.example"))
    spoiled = base64.b64decode(text).replace(b"anna@example.com.evil", b"anna@example.com<!---->.evil")
    refused(there, spoiled, "doctype")


def test_a_replayed_assertion(there: World) -> None:
    found = good(there)
    there.follow(there.post(found))
    refused(there, found, "replay")


def test_expired_and_not_yet_valid(there: World) -> None:
    now = datetime.now(UTC)
    refused(there, good(there, at=now - timedelta(minutes=8)), "expired")
    refused(there, good(there, at=now + timedelta(minutes=8)), "expired")
    refused(there, good(there, at=now - timedelta(hours=2), lasts=timedelta(days=9)), "expired")
    refused(there, good(there, session_ends=now - timedelta(hours=1)), "expired")


def test_meant_for_somebody_else(there: World) -> None:
    refused(there, good(there, audience="https://other.example/metadata"), "audience")
    refused(there, good(there, recipient="https://other.example/acs"), "confirmation", "recipient")
    refused(there, good(there, recipient=f"{there.forge.base}/acs/more"), "recipient")
    refused(there, good(there, destination="https://other.example/acs"), "destination")
    refused(there, good(there, destination=f"{there.forge.base}/acs/more"), "destination")
    refused(there, good(there, issuer="https://other.example"), "issuer")


def test_without_an_audience_a_recipient_or_an_end(there: World) -> None:
    for path, name in (
        ("", None),
        (f".//{{{SAML}}}SubjectConfirmationData", "Recipient"),
        (f".//{{{SAML}}}SubjectConfirmationData", "NotOnOrAfter"),
    ):
        root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
        if name is None:
            conditions = root.find(f".//{{{SAML}}}Conditions")
            conditions.remove(conditions[0])
        else:
            del root.find(path).attrib[name]
        refused(there, there.forge.signed(root), "audience", "recipient", "confirmation")


def test_a_name_that_changes_with_every_visit_names_nobody(there: World) -> None:
    transient = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
    refused(there, good(there, name_format=transient), "name_id")


def test_transforms_that_make_the_verifier_work_or_look_elsewhere(there: World) -> None:
    stylesheet = (
        f'<ds:Transform xmlns:ds="{DS}" Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116">'
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
        '<xsl:for-each select="//. | //@*"><xsl:for-each select="//. | //@*"><xsl:for-each select="//. | //@*">'
        "<xsl:value-of select='.'/></xsl:for-each></xsl:for-each></xsl:for-each>"
        "</xsl:template></xsl:stylesheet></ds:Transform>"
    )
    xpath = (
        f'<ds:Transform xmlns:ds="{DS}" Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
        "<ds:XPath>count(//. | //@* | //namespace::*) = 0</ds:XPath></ds:Transform>"
    )
    base = f'<ds:Transform xmlns:ds="{DS}" Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/>'
    for bomb in (stylesheet, xpath, base):
        for place in (0, 1, 2):
            found = good(there)
            for transforms in list(found.iter(f"{{{DS}}}Transforms")):
                transforms.insert(place, etree.fromstring(bomb))
            refused(there, found, "transforms", "shape", "too_deep")


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/2006/12/xml-c14n11",
    ],
)
def test_other_canonicalisations(there: World, algorithm: str) -> None:
    for name in ("CanonicalizationMethod", "Transform"):
        found = good(there)
        list(found.iter(f"{{{DS}}}{name}"))[-1].set("Algorithm", algorithm)
        refused(there, found, "transforms")


def test_many_inclusive_prefixes(there: World) -> None:
    found = good(there)
    for method in found.iter(f"{{{DS}}}CanonicalizationMethod"):
        listed = etree.SubElement(method, "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces")
        listed.set("PrefixList", " ".join(f"p{n}" for n in range(5000)))
    refused(there, found, "transforms")


def test_an_hmac_with_the_public_key(there: World) -> None:
    root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
    key = xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, there.forge.signer.public_pem.encode())
    sign(root.find(f"{{{SAML}}}Assertion"), there.forge.signer, method=xmlsec.Transform.HMAC_SHA256, key=key)
    sign(root, there.forge.signer, method=xmlsec.Transform.HMAC_SHA256, key=key)
    refused(there, root, "algorithm")


@pytest.mark.parametrize("allowed", [False, True])
def test_sha_1_counts_only_where_the_settings_say_so(db: str, allowed: bool) -> None:
    add_person("Anna Berg")
    there = world(sha1=allowed)
    root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
    old = {"method": xmlsec.Transform.RSA_SHA1, "digest": xmlsec.Transform.SHA1}
    sign(root.find(f"{{{SAML}}}Assertion"), there.forge.signer, **old)
    sign(root, there.forge.signer, **old)
    if allowed:
        assert there.follow(there.post(root)).status_code == 303
    else:
        refused(there, root, "algorithm")


def test_sha_1_in_the_digest_alone(there: World) -> None:
    root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
    sign(root.find(f"{{{SAML}}}Assertion"), there.forge.signer, digest=xmlsec.Transform.SHA1)
    sign(root, there.forge.signer)
    refused(there, root, "algorithm")


_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE r [<!ENTITY l0 "lol">{_LAUGHS}]>',
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?>',
    ],
    ids=["laughs", "file", "parameter", "external", "stylesheet"],
)
def test_document_types_and_entities(there: World, doctype: str) -> None:
    text = etree.tostring(good(there)).decode()
    refused(there, f'<?xml version="1.0"?>{doctype}{text}'.encode(), "doctype")
    refused(there, doctype.encode() + text.encode(), "doctype")


def test_other_encodings_hide_nothing(there: World) -> None:
    text = '<!DOCTYPE r [<!ENTITY x "y">]>' + etree.tostring(good(there)).decode()
    refused(there, text.encode("utf-16"), "encoding")
    refused(there, b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE r+AD4-<r/>', "encoding")
    refused(there, ('<?xml version="1.0" encoding="UTF-16"?>' + text[31:]).encode(), "encoding")


def test_what_is_huge_deep_or_wide(there: World) -> None:
    refused(there, "A" * 400_000, "too_large", raw=True)
    refused(there, f'<r xmlns="{SAMLP}">' + "<a>" * 200 + "</a>" * 200 + "</r>", "too_deep")
    refused(there, f'<r xmlns="{SAMLP}">' + "<a>" * 20_000 + "</a>" * 20_000 + "</r>", "not_xml", "too_deep")
    refused(there, f'<r xmlns="{SAMLP}">' + "<a/>" * 20_000 + "</r>", "too_many")
    names = "".join(f' xmlns:n{n}="u:{n}"' for n in range(500))
    refused(there, f'<samlp:Response xmlns:samlp="{SAMLP}"{names}/>', "too_many")


@pytest.mark.parametrize("text", ["", "%%%", "QUJD\x00", "  ", "QQ", "QUJDRA==", "UEsDBA"])
def test_what_is_no_message_at_all(there: World, text: str) -> None:
    refused(there, text, "encoding", "not_xml", "doctype", raw=True)


def test_two_assertions_and_an_assertion_elsewhere(there: World) -> None:
    found = good(there)
    found.append(copy.deepcopy(found.find(f"{{{SAML}}}Assertion")))
    refused(there, found, "ids", "assertions")
    found = good(there)
    found.append(evil(found.find(f"{{{SAML}}}Assertion")))
    refused(there, found, "assertions")


def test_an_id_that_is_there_twice_or_is_no_id(there: World) -> None:
    found = good(there)
    status = found.find(f"{{{SAMLP}}}Status")
    status.set("ID", found.get("ID"))
    refused(there, found, "ids")
    found = good(there)
    found.find(f"{{{SAMLP}}}Status").set("{http://www.w3.org/XML/1998/namespace}id", "_x")
    refused(there, found, "ids", "shape")


def test_an_attribute_that_is_there_twice(there: World) -> None:
    for name in ("email", "Email"):
        root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
        statement = root.find(f".//{{{SAML}}}AttributeStatement")
        extra = copy.deepcopy(statement[0])
        extra.set("Name", name)
        extra[0].text = "eve@example.com"
        statement.append(extra)
        refused(there, there.forge.signed(root), "attributes")


def test_elements_inside_a_name_or_a_value(there: World) -> None:
    for path in ("NameID", "AttributeValue", "Audience"):
        root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
        element = root.find(f".//{{{SAML}}}{path}")
        etree.SubElement(element, f"{{{SAML}}}x").tail = ".evil.example"
        refused(there, there.forge.signed(root), "shape")


def test_encryption_that_is_asked_for_is_not_left_out(db: str) -> None:
    there = world(encrypted=True)
    refused(there, good(there), "not_encrypted")


def _sealed(there: World, change: Callable[[etree._Element], None] = lambda root: None, **more: Any) -> etree._Element:
    root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
    sign(root.find(f"{{{SAML}}}Assertion"), there.forge.signer)
    change(root)
    root = encrypted(root, saml_here.key_pair()[1], **more)
    sign(root, there.forge.signer)
    return etree.fromstring(etree.tostring(root))


def test_an_encrypted_assertion_signs_in_and_what_is_inside_is_judged_the_same(db: str) -> None:
    add_person("Anna Berg")
    there = world(encrypted=True)
    assert there.follow(there.post(_sealed(there))).status_code == 303

    def stylesheet(root: etree._Element) -> None:
        transform = next(root.iter(f"{{{DS}}}Transform"))
        transform.set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")

    refused_(there, _sealed(there, stylesheet), "transforms")
    unsigned = _sealed(
        there, lambda root: root.find(f"{{{SAML}}}Assertion").remove(next(root.iter(f"{{{DS}}}Signature")))
    )
    refused_(there, unsigned, "unsigned_assertion")


def refused_(there: World, response: Any, *codes: str) -> None:
    SamlTicket.objects.all().delete()
    refused(there, response, *codes)


def test_nothing_is_decrypted_before_the_signature_around_it_was_found_right(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = world(encrypted=True)
    opened: list[int] = []
    monkeypatch.setattr("onelogin.saml2.utils.OneLogin_Saml2_Utils.decrypt_element", lambda *a, **k: opened.append(1))
    found = _sealed(there)
    value = list(found.iter("{http://www.w3.org/2001/04/xmlenc#}CipherValue"))[-1]
    raw = bytearray(base64.b64decode(value.text))
    raw[20] ^= 1
    value.text = base64.b64encode(bytes(raw)).decode()
    refused(there, found, "signature")
    there.forge.signer = signer("mallory")
    refused(there, _sealed(there), "signature")
    assert opened == []


def test_encryption_with_known_holes(db: str) -> None:
    there = world(encrypted=True)
    found = _sealed(there)
    methods = list(found.iter("{http://www.w3.org/2001/04/xmlenc#}EncryptionMethod"))
    methods[-1].set("Algorithm", "http://www.w3.org/2001/04/xmlenc#rsa-1_5")
    refused(there, found, "encryption")


def test_encrypted_where_the_settings_do_not_say_so(there: World) -> None:
    refused(there, _sealed(there), "encrypted")


def test_a_refusal_of_the_provider_signs_nobody_in(there: World) -> None:
    root = etree.fromstring(there.forge.draft(in_response_to=there.ask()).encode())
    root.remove(root.find(f"{{{SAML}}}Assertion"))
    code = root.find(f".//{{{SAMLP}}}StatusCode")
    code.set("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
    answer = there.follow(there.post(root))
    assert (answer.status_code, entries()[-1]["detail"]["why"]) == (422, "saml_status")


def test_the_status_of_a_success_with_an_assertion_is_not_believed_from_the_outside(there: World) -> None:
    found = good(there)
    next(found.iter(f"{{{SAMLP}}}StatusCode")).set("Value", "urn:oasis:names:tc:SAML:2.0:status:Requester")
    refused(there, found, "signature", "status")


def test_a_flood_of_refusals_is_summed_up_and_then_waits(there: World) -> None:
    before = len(entries())
    answers = [there.post("QQ", raw=True).status_code for _ in range(70)]
    assert answers[:59] == [422] * 59
    assert set(answers[60:]) == {429}
    assert len(entries()) - before <= sign_in.LOUD + 2
    later = clock.now() + timedelta(minutes=2)
    sign_in.summarise(at=later)
    assert entries()[-1]["action"] == "session.refusals_summarised"
    assert not Attempts.objects.filter(key__contains="127").exists()
