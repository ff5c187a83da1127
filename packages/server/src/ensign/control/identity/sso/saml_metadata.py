"""What an identity provider's metadata say: who it is, where it is, which certificates it signs with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ensign.control.identity.sso.saml_xml import DS, MAX_METADATA, MD, Element, Refused, children, named, parse, text_of
from ensign.control.kernel.errors import Invalid

_REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_PROTOCOL: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
_RSA_BITS: Final = 2048
_EC_BITS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """An identity provider. ``certificates`` are PEM bodies (base64 of DER, one line each), in the order given."""

    entity_id: str
    sign_on_url: str
    logout_url: str
    certificates: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate as it is shown: ``subject`` and the time that it is valid."""

    subject: str
    starts_at: datetime
    ends_at: datetime


def read(text: str, *, field: str = "metadata") -> Metadata:
    """The one identity provider in the metadata.

    :raises Invalid: naming ``field``, when they are no such metadata.
    """
    try:
        root = parse(text.strip().encode(), limit=MAX_METADATA, elements=20_000, comments=True)
    except Refused as error:
        raise Invalid("These metadata cannot be read.", fields={field: error.message}) from error
    entities = [root] if root.tag == named(MD, "EntityDescriptor") else list(root.iter(named(MD, "EntityDescriptor")))
    found = [(entity, role) for entity in entities for role in children(entity, MD, "IDPSSODescriptor")]
    found = [
        (entity, role) for entity, role in found if _PROTOCOL in role.get("protocolSupportEnumeration", "").split()
    ]
    if len(found) != 1:
        message = f"They must describe exactly one identity provider for SAML 2.0; they describe {len(found)}."
        raise Invalid("These metadata do not fit.", fields={field: message})
    entity, role = found[0]
    sign_on = _location(role, "SingleSignOnService")
    if not sign_on or not entity.get("entityID"):
        message = "They must name an entityID and an address for signing in by HTTP-Redirect."
        raise Invalid("These metadata do not fit.", fields={field: message})
    return Metadata(
        entity_id=entity.get("entityID"),
        sign_on_url=sign_on,
        logout_url=_location(role, "SingleLogoutService"),
        certificates=_certificates(role, field),
    )


def clean_certificate(text: str, *, field: str = "certificates") -> str:
    """One certificate, PEM or base64, as the base64 of its DER.

    :raises Invalid: when it is none, or its key is weaker than 2048 bits of RSA or 256 of a curve.
    """
    body = "".join(line for line in text.strip().splitlines() if "-----" not in line)
    body = "".join(body.split())
    try:
        found = _load(body)
        key = found.public_key()
    except ValueError as error:
        raise Invalid("That is no certificate.", fields={field: "Paste a certificate in PEM form."}) from error
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _EC_BITS
    )
    if not strong:
        raise Invalid("That certificate's key is too weak.", fields={field: f"RSA of {_RSA_BITS} bits at least."})
    return body


def describe(body: str) -> Certificate:
    """What a stored certificate says of itself."""
    found = _load(body)
    return Certificate(
        subject=found.subject.rfc4514_string(),
        starts_at=found.not_valid_before_utc.astimezone(UTC),
        ends_at=found.not_valid_after_utc.astimezone(UTC),
    )


def _load(body: str) -> x509.Certificate:
    pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    return x509.load_pem_x509_certificate(pem.encode())


def _location(role: Element, name: str) -> str:
    for service in children(role, MD, name):
        if service.get("Binding") == _REDIRECT:
            return str(service.get("Location", ""))
    return ""


def _certificates(role: Element, field: str) -> tuple[str, ...]:
    found: list[str] = []
    for descriptor in children(role, MD, "KeyDescriptor"):
        if descriptor.get("use", "signing") == "signing":
            for one in descriptor.iter(named(DS, "X509Certificate")):
                body = clean_certificate(text_of(one), field=field)
                if body not in found:
                    found.append(body)
    if not found:
        raise Invalid("These metadata do not fit.", fields={field: "They hold no certificate to sign with."})
    return tuple(found)
