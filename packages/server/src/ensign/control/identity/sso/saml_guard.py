"""What a SAML response must look like before any signature code sees it. Pure; time is linear in the message's size.

Everything that the code behind would have to be lucky with is refused by shape here: where an assertion can stand, what
a signature may cover and by which transforms, which algorithms there are. Numbered as in ADR 0024:

1. size, base64, UTF-8; no document type, entity, comment, CDATA or processing instruction; depth and number of elements
   (``saml_xml``);
2. one ``Response`` with one ``Assertion`` (or one ``EncryptedAssertion``, when that is asked for), which is its child,
   and nowhere another; only children that sign-in needs;
3. every ID is there once;
4. at most one signature on each, a child of what it signs, whose only reference is the ID of its parent; transforms are
   enveloped-signature and exclusive canonicalisation, and no other;
5. RSA or ECDSA with SHA-256 or better; SHA-1 only where the provider's settings say so; never an HMAC;
6. ``KeyInfo`` holds certificates at most, and nobody trusts them: keys come from the provider's settings;
7. names, addresses and values are text alone; an attribute is there once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ensign.control.identity.sso.saml_xml import (
    DS,
    EXC_C14N,
    SAML,
    SAMLP,
    XENC,
    XENC11,
    XML,
    Element,
    Refused,
    children,
    decode,
    named,
    only,
    parse,
    text_of,
)

_ENVELOPED: Final = f"{DS}enveloped-signature"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_SIGNATURES: Final = frozenset(f"{_MORE}{kind}-sha{bits}" for kind in ("rsa", "ecdsa") for bits in (256, 384, 512))
_DIGESTS: Final = frozenset({f"{XENC}sha256", f"{_MORE}sha384", f"{XENC}sha512"})
_SHA1_SIGNATURES: Final = frozenset({f"{DS}rsa-sha1"})
_SHA1_DIGESTS: Final = frozenset({f"{DS}sha1"})
_CIPHERS: Final = frozenset(
    {f"{XENC}aes128-cbc", f"{XENC}aes256-cbc"} | {f"{XENC11}aes{bits}-gcm" for bits in (128, 192, 256)}
)
_KEY_CIPHERS: Final = frozenset({f"{XENC}rsa-oaep-mgf1p", f"{XENC11}rsa-oaep"})
_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,199}\Z")

_RESPONSE_PARTS: Final = frozenset(
    {
        named(SAML, "Issuer"), named(DS, "Signature"), named(SAMLP, "Status"), named(SAML, "Assertion"),
        named(SAML, "EncryptedAssertion"),
    }
)  # fmt: skip
_ASSERTION_PARTS: Final = frozenset(
    named(SAML, name) for name in ("Issuer", "Subject", "Conditions", "AuthnStatement", "AttributeStatement")
) | {named(DS, "Signature")}
#: What has no place anywhere: where the classic attacks hide the signed original, or make the verifier work.
_NOWHERE: Final = frozenset(
    {
        named(DS, "Object"), named(DS, "Manifest"), named(DS, "RetrievalMethod"), named(DS, "KeyValue"),
        named(DS, "XPath"), named(SAMLP, "Extensions"), named(SAML, "Advice"), named(SAML, "EncryptedAttribute"),
        named(SAML, "EncryptedID"), named(XENC, "CipherReference"), named(XENC, "EncryptionProperties"),
    }
)  # fmt: skip
_TEXT_ONLY: Final = frozenset(
    named(SAML, name) for name in ("Issuer", "NameID", "Audience", "AuthnContextClassRef", "AttributeValue")
) | frozenset(named(DS, name) for name in ("SignatureValue", "DigestMethod", "DigestValue", "X509Certificate"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the provider's settings ask for. ``message_signed``: the response itself, besides its assertion."""

    encrypted: bool = False
    message_signed: bool = True
    sha1: bool = False


@dataclass(frozen=True, slots=True)
class Guarded:
    """A response of acceptable shape; nothing in it has been verified. ``assertion`` is None while it is encrypted."""

    raw: bytes
    root: Element
    assertion: Element | None
    message_signed: bool


def guard(saml_response: str, *, rules: Rules) -> Guarded:
    """Judge the form field ``SAMLResponse`` as it was posted.

    :raises Refused: with the first rule that it breaks.
    """
    raw = decode(saml_response)
    root = parse(raw)
    if root.tag != named(SAMLP, "Response"):
        raise Refused("shape", "The message is no SAML response.")
    _check_everywhere(root)
    _check_children(root, _RESPONSE_PARTS)
    only(root, SAMLP, "Status")
    plain, sealed = (list(root.iter(named(SAML, name))) for name in ("Assertion", "EncryptedAssertion"))
    if rules.encrypted and plain:
        raise Refused("not_encrypted", "The assertion must be encrypted, and is not.")
    if sealed and not rules.encrypted:
        raise Refused("encrypted", "The assertion is encrypted, and this provider's settings do not say so.")
    found = plain or sealed
    if len(found) != 1 or found[0].getparent() is not root:
        raise Refused("assertions", "The response must hold exactly one assertion.")
    signed = _check_signature(root, rules)
    if not signed and (rules.message_signed or rules.encrypted):
        raise Refused("unsigned_message", "The response is not signed.")
    if sealed:
        _check_encryption(sealed[0])
        _check_count(root, int(signed))
        return Guarded(raw, root, None, signed)
    guard_assertion(plain[0], rules=rules)
    _check_count(root, int(signed) + 1)
    return Guarded(raw, root, plain[0], signed)


def guard_assertion(assertion: Element, *, rules: Rules) -> None:
    """Judge an assertion, be it in the response or out of its encryption (then it was parsed by ``saml_xml.parse``).

    :raises Refused: with the first rule that it breaks.
    """
    if assertion.tag != named(SAML, "Assertion"):
        raise Refused("shape", "What was encrypted is no assertion.")
    _check_everywhere(assertion)
    _check_children(assertion, _ASSERTION_PARTS)
    inner = assertion.iterdescendants(named(SAML, "Assertion"), named(SAML, "EncryptedAssertion"))
    if next(inner, None) is not None:
        raise Refused("assertions", "There is an assertion in the assertion.")
    if not _check_signature(assertion, rules):
        raise Refused("unsigned_assertion", "The assertion is not signed.")
    _check_count(assertion, 1)
    for name in ("Issuer", "Subject", "Conditions", "AuthnStatement"):
        only(assertion, SAML, name)
    statements = children(assertion, SAML, "AttributeStatement")
    if len(statements) > 1:
        raise Refused("attributes", "There are several lists of attributes.")
    names = [attribute.get("Name") for statement in statements for attribute in children(statement, SAML, "Attribute")]
    if len(set(names)) != len(names) or None in names:
        raise Refused("attributes", "An attribute is there twice.")


def _check_everywhere(root: Element) -> None:
    """Rules 3 and 7, and what has no place anywhere."""
    seen: set[str] = set()
    for element in root.iter():
        if element.tag in _NOWHERE:
            raise Refused("shape", "The message holds a part that has no place in a sign-in.")
        if element.tag in _TEXT_ONLY and len(element):
            raise Refused("shape", "A name or a value holds elements.")
        for name, value in element.attrib.items():
            local = name.rpartition("}")[2].lower()
            if local == "id":
                if name.startswith("{") or value in seen or not _ID.match(value):
                    raise Refused("ids", "An ID is malformed, or is there twice.")
                seen.add(value)
            elif name.startswith(f"{{{XML}}}") and local not in {"lang", "space"}:
                raise Refused("shape", "The message sets an attribute of XML itself.")


def _check_children(parent: Element, allowed: frozenset[str]) -> None:
    if not parent.get("ID") or parent.get("Version") != "2.0":
        raise Refused("shape", "The message is not SAML 2.0, or has no ID.")
    if any(child.tag not in allowed for child in parent) or any((child.tail or "").strip() for child in parent):
        raise Refused("shape", "The message holds a part that has no place there.")
    only(parent, SAML, "Issuer")


def _check_count(root: Element, expected: int) -> None:
    """No signature stands anywhere else, and none is left out of the rules because it is called otherwise."""
    if sum(1 for _ in root.iter(named(DS, "Signature"))) != expected:
        raise Refused("signatures", "There is a signature where none belongs.")


def _check_signature(parent: Element, rules: Rules) -> bool:
    """Whether ``parent`` has a signature; rules 4 to 6."""
    found = children(parent, DS, "Signature")
    if not found:
        return False
    signature = only(parent, DS, "Signature")
    parts = [named(DS, "SignedInfo"), named(DS, "SignatureValue"), named(DS, "KeyInfo")]
    if [child.tag for child in signature] not in (parts, parts[:2]):
        raise Refused("signature_shape", "A signature holds something else than it should.")
    info = signature[0]
    order = [named(DS, name) for name in ("CanonicalizationMethod", "SignatureMethod", "Reference")]
    if [child.tag for child in info] != order:
        raise Refused("signature_shape", "A signature must have exactly one reference.")
    canonical, method, reference = info
    _check_canonical(canonical)
    _check_algorithm(method, _SIGNATURES | (_SHA1_SIGNATURES if rules.sha1 else frozenset()))
    if reference.get("URI") != f"#{parent.get('ID')}" or set(reference.attrib) - {"URI", "Id"}:
        raise Refused("reference", "A signature does not cover what it stands in.")
    if [child.tag for child in reference] != [
        named(DS, name) for name in ("Transforms", "DigestMethod", "DigestValue")
    ]:
        raise Refused("signature_shape", "A reference holds something else than it should.")
    transforms, digest, _ = reference
    _check_transforms(transforms)
    _check_algorithm(digest, _DIGESTS | (_SHA1_DIGESTS if rules.sha1 else frozenset()))
    if len(signature) == 3:
        _check_key_info(signature[2])
    return True


def _check_transforms(transforms: Element) -> None:
    if any(child.tag != named(DS, "Transform") for child in transforms):
        raise Refused("transforms", "A reference has a transform that is not allowed.")
    chosen = [child.get("Algorithm") for child in transforms]
    if chosen not in ([_ENVELOPED, EXC_C14N], [_ENVELOPED]):
        raise Refused("transforms", "A reference has a transform that is not allowed.")
    if len(transforms[0]) or (transforms[0].text or "").strip():
        raise Refused("transforms", "A transform has parameters.")
    if len(transforms) == 2:
        _check_canonical(transforms[1])
    elif len(transforms) == 1:
        # Without it the default is inclusive canonicalisation, which depends on what stands around.
        raise Refused("transforms", "A reference must be canonicalised exclusively.")


def _check_canonical(method: Element) -> None:
    """Exclusive canonicalisation without comments; at most a short list of inclusive prefixes."""
    if method.get("Algorithm") != EXC_C14N:
        raise Refused("transforms", "Only exclusive canonicalisation without comments is allowed.")
    if any(child.tag != named(EXC_C14N, "InclusiveNamespaces") for child in method) or len(method) > 1:
        raise Refused("transforms", "A canonicalisation has parameters that are not allowed.")
    for child in method:
        if len(child) or len((child.get("PrefixList") or "").split()) > 10:
            raise Refused("transforms", "A canonicalisation has too many prefixes.")


def _check_algorithm(method: Element, allowed: frozenset[str]) -> None:
    if method.get("Algorithm") not in allowed or len(method):
        raise Refused("algorithm", "The message is signed by an algorithm that is not allowed.")


def _check_key_info(info: Element) -> None:
    for element in info.iterdescendants():
        if element.tag not in {named(DS, "X509Data"), named(DS, "X509Certificate")}:
            raise Refused("key_info", "A signature brings a key that is not a certificate.")


def _check_encryption(sealed: Element) -> None:
    """One ``EncryptedData`` with one key for us, by algorithms without known holes; the signature is verified first."""
    data = only(sealed, XENC, "EncryptedData")
    keys = list(sealed.iter(named(XENC, "EncryptedKey")))
    if len(keys) != 1 or sum(1 for _ in sealed.iter(named(XENC, "EncryptedData"))) != 1:
        raise Refused("encryption", "An encrypted assertion must have exactly one key.")
    for holder, allowed in ((data, _CIPHERS), (keys[0], _KEY_CIPHERS)):
        if only(holder, XENC, "EncryptionMethod").get("Algorithm") not in allowed:
            raise Refused("encryption", "The assertion is encrypted by an algorithm that is not allowed.")
        text_of(only(only(holder, XENC, "CipherData"), XENC, "CipherValue"))
