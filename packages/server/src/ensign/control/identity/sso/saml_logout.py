"""Log-out that a SAML provider asks for, by the redirect binding: signed, for us, now; then its sessions end here.

The signature covers the query exactly as it was sent (Bindings 3.4.4.1), so it is verified on the raw octets, with the
certificates of the provider's settings alone.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from onelogin.saml2.logout_response import OneLogin_Saml2_Logout_Response

from ensign.control.identity.sso import saml_here, saml_request, sessions
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.saml_response import FRESH, SKEW, required_instant
from ensign.control.identity.sso.saml_xml import (
    MAX_BYTES,
    SAML,
    SAMLP,
    Element,
    Refused,
    children,
    named,
    only,
    parse,
    text_of,
)

_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_HASHES: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


def end(provider: ProviderView, query: str, *, at: datetime) -> tuple[int, str]:
    """End the sessions that the log-out request in the raw ``query`` names.

    Returns how many ended and where to send the browser with our signed answer ("" when the provider has no address
    for it).

    :raises Refused: when the request is not the provider's, or not for us, or old.
    """
    parts = _parts(query)
    _verify(provider, parts)
    root = parse(_inflated(unquote_plus(parts["SAMLRequest"])))
    _check(provider, root, at=at)
    name = text_of(only(root, SAML, "NameID"))
    ended = 0
    for index in [text_of(one) for one in children(root, SAMLP, "SessionIndex")] or [""]:
        ended += sessions.end_by_provider(provider, subject=name, sid=index, at=at)
    return ended, _answer(provider, root.get("ID"), unquote_plus(parts.get("RelayState", "")))


def _parts(query: str) -> dict[str, str]:
    """The query's members as they were sent, each once."""
    if len(query) > MAX_BYTES:
        raise Refused("too_large", "The message is too large.")
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in found:
            raise Refused("shape", "A parameter is there twice.")
        found[name] = value
    if any(name not in found for name in ("SAMLRequest", "SigAlg", "Signature")):
        raise Refused("unsigned_message", "The request is not signed.")
    return found


def _verify(provider: ProviderView, parts: dict[str, str]) -> None:
    names = [name for name in ("SAMLRequest", "RelayState", "SigAlg") if name in parts]
    signed = "&".join(f"{name}={parts[name]}" for name in names).encode()
    kind, _, bits = unquote_plus(parts["SigAlg"]).removeprefix(_MORE).partition("-")
    if not unquote_plus(parts["SigAlg"]).startswith(_MORE) or kind not in {"rsa", "ecdsa"} or bits not in _HASHES:
        raise Refused("algorithm", "The request is signed by an algorithm that is not allowed.")
    try:
        signature = base64.b64decode(unquote_plus(parts["Signature"]), validate=True)
    except (ValueError, binascii.Error) as error:
        raise Refused("encoding", "The signature is not base64.") from error
    if not any(_fits(body, signature, signed, kind, _HASHES[bits]()) for body in provider.settings["certificates"]):
        raise Refused("signature", "No certificate of the provider's settings fits the signature.")


def _fits(body: str, signature: bytes, signed: bytes, kind: str, algorithm: hashes.HashAlgorithm) -> bool:
    pem = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
    key = x509.load_pem_x509_certificate(pem).public_key()
    try:
        if kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
            return True
        if kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithm))
            return True
    except InvalidSignature:
        return False
    return False


def _inflated(text: str) -> bytes:
    """The message, unpacked to no more than a message may have."""
    try:
        machine = zlib.decompressobj(-15)
        found = machine.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise Refused("encoding", "The message cannot be unpacked.") from error
    if machine.unconsumed_tail or not machine.eof:
        raise Refused("too_large", "The message is too large.")
    return found


def _check(provider: ProviderView, root: Element, *, at: datetime) -> None:
    if root.tag != named(SAMLP, "LogoutRequest") or root.get("Version") != "2.0" or not root.get("ID"):
        raise Refused("shape", "The message is no log-out request.")
    if text_of(only(root, SAML, "Issuer")) != provider.settings["entity_id"]:
        raise Refused("issuer", "The request comes from another identity provider.")
    if root.get("Destination") != saml_here.here(provider).logout:
        raise Refused("destination", "The request was meant for another address.")
    if not at - FRESH - SKEW <= required_instant(root.get("IssueInstant"), "IssueInstant") <= at + SKEW:
        raise Refused("expired", "The request was made too long ago, or in the future.")


def _answer(provider: ProviderView, request_id: str, relay: str) -> str:
    if not provider.settings["logout_url"]:
        return ""
    auth = saml_request.toolkit(provider)
    answer = OneLogin_Saml2_Logout_Response(auth.get_settings())
    answer.build(request_id)
    parameters: dict[str, Any] = {"SAMLResponse": answer.get_response()}
    if relay:
        parameters["RelayState"] = relay
    auth.add_response_signature(parameters)
    return str(auth.redirect_to(provider.settings["logout_url"], parameters))
