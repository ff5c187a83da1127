"""Ensign as a service provider: its addresses, its key, and the settings that python3-saml takes."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.conf import settings

from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.saml_guard import Rules
from ensign.control.kernel.errors import Unavailable

KEY_FILE: Final = "saml.pem"
_REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
_PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
_RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What the provider must address: ``entity_id`` (also where our metadata are), ``acs``, ``logout``."""

    entity_id: str
    acs: str
    logout: str


def here(provider: ProviderView) -> Here:
    """Ensign's addresses for one provider, under ``ENSIGN_PUBLIC_URL``, whatever a request's Host says."""
    base = f"{settings.PUBLIC_URL}/sso/{provider.key}"
    return Here(entity_id=f"{base}/metadata", acs=f"{base}/acs", logout=f"{base}/slo")


def rules(provider: ProviderView) -> Rules:
    """What the provider's settings ask of a response."""
    given = provider.settings
    return Rules(encrypted=given["encrypted"], message_signed=given["message_signed"], sha1=given["sha1"])


def key_pair() -> tuple[str, str]:
    """(private key, certificate) in PEM: signs requests, opens encrypted assertions; made at first use.

    :raises Unavailable: when the file can be neither read nor made.
    """
    return _key_pair(settings.KEYS_DIR)


@cache
def _key_pair(directory: Path) -> tuple[str, str]:
    path = directory / KEY_FILE
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        text = path.read_text("ascii")
    except OSError as error:
        raise Unavailable(
            f"The key file {path} cannot be used: {error}",
            remedy="Make the data directory writable for Ensign, or restore the key file from your backup.",
        ) from error
    key, mark, certificate = text.partition("-----BEGIN CERTIFICATE-----")
    return key, mark + certificate


def _make(path: Path) -> None:
    """Write key and certificate whole or not at all; when two processes do it at once, the first one's counts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ensign")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(pem)
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def toolkit_settings(provider: ProviderView) -> dict[str, Any]:
    """The settings of python3-saml for one provider: strict, everything signed, keys from our settings alone."""
    given, ours, (key, certificate) = provider.settings, here(provider), key_pair()
    idp: dict[str, Any] = {
        "entityId": given["entity_id"],
        "singleSignOnService": {"url": given["sign_on_url"], "binding": _REDIRECT},
        "x509certMulti": {"signing": list(given["certificates"]), "encryption": []},
    }
    if given["logout_url"]:
        idp["singleLogoutService"] = {"url": given["logout_url"], "binding": _REDIRECT}
    return {
        "strict": True,
        "debug": False,
        "idp": idp,
        "sp": {
            "entityId": ours.entity_id,
            "assertionConsumerService": {"url": ours.acs, "binding": _POST},
            "singleLogoutService": {"url": ours.logout, "binding": _REDIRECT},
            "NameIDFormat": _UNSPECIFIED if given["any_name_id"] else _PERSISTENT,
            "x509cert": certificate,
            "privateKey": key,
        },
        "security": {
            "authnRequestsSigned": True,
            "logoutRequestSigned": True,
            "logoutResponseSigned": True,
            "signMetadata": False,
            "wantAssertionsSigned": True,
            "wantMessagesSigned": given["message_signed"] or given["encrypted"],
            "wantAssertionsEncrypted": given["encrypted"],
            "wantNameId": True,
            "wantAttributeStatement": False,
            "requestedAuthnContext": False,
            "allowRepeatAttributeName": False,
            "rejectDeprecatedAlgorithm": not given["sha1"],
            "signatureAlgorithm": _RSA_SHA256,
            "digestAlgorithm": _SHA256,
            "allowSingleLabelDomains": True,
        },
    }


def as_request(url: str, fields: dict[str, str], *, posted: bool) -> dict[str, Any]:
    """The request as python3-saml takes it: the address is that which we are known by, not what a proxy made of it."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return {
        "https": "on" if scheme == "https" else "off",
        "http_host": host,
        "script_name": f"/{path}",
        "get_data": {} if posted else fields,
        "post_data": fields if posted else {},
    }
