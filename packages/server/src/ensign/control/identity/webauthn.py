"""Passkeys (W3C Web Authentication Level 2) over python-fido2, stored as allauth's authenticators.

allauth's own server accepts any origin once plain http is allowed, so the checks are made here: the relying party is
pinned to the host of ``ENSIGN_PUBLIC_URL``, the origin must be that address itself (any port on http://localhost, which
browsers treat as secure), and user verification is always demanded, so that a passkey counts as two factors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from fido2 import cbor
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ensign.control.identity.adapters import relying_party
from ensign.control.identity.models import Account
from ensign.control.kernel.errors import Invalid

_LIMIT = 20_000
_WRONG = "The passkey's answer is not valid."
_REMEDY = "Reload the page and try again; the question that the passkey answers is good for one try."


@dataclass(frozen=True, slots=True)
class Asked:
    """What the browser is asked (``options``, JSON for ``navigator.credentials``) and what the session must keep."""

    options: dict[str, Any]
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """Which authenticator answered, and the counter that it sent."""

    authenticator: Authenticator
    sign_count: int


def ask_to_register(account: Account) -> Asked:
    """A question that a new passkey answers; those that the account has already are excluded."""
    user = PublicKeyCredentialUserEntity(
        id=_handle(account), name=account.email, display_name=account.person.name or account.email
    )
    options, state = _server().register_begin(
        user=user,
        credentials=[data for _, data in _credentials(account)],
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(_plain(options), dict(state))


def registered(answer: str, *, state: Mapping[str, Any] | None) -> dict[str, Any]:
    """What to store of a new passkey, after checking the answer (Level 2, section 7.1).

    :raises Invalid: when the answer is malformed, answers another question, or comes from another origin.
    """
    document = _document(answer)
    if state is None:
        raise Invalid(_WRONG, remedy=_REMEDY)
    try:
        response = RegistrationResponse.from_dict(document)
        data = _server().register_complete(dict(state), response)
        if data.credential_data is None:
            raise ValueError("no credential data")
        credential_id = websafe_encode(data.credential_data.credential_id)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Invalid(_WRONG, remedy=_REMEDY) from error
    return {"credential": document, "credential_id": credential_id, "sign_count": data.counter}


def ask_to_sign_in(account: Account | None) -> Asked:
    """A question for the passkeys of ``account``, or, for None, for whichever the person chooses."""
    options, state = _server().authenticate_begin(
        credentials=[data for _, data in _credentials(account)] if account is not None else None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Asked(_plain(options), dict(state))


def answered(answer: str, *, state: Mapping[str, Any] | None, account: Account | None) -> Answered:
    """Which passkey answered, after checking the answer (Level 2, section 7.2).

    For ``account`` None the passkey says whose it is. A counter that does not grow (a cloned key) is refused.

    :raises Invalid: when the answer is malformed, not by a known passkey, or answers another question.
    """
    document = _document(answer)
    if state is None:
        raise Invalid(_WRONG, remedy=_REMEDY)
    try:
        response = AuthenticationResponse.from_dict(document)
        if account is None:
            account = _account_of(response.response.user_handle)
        known = _credentials(account)
        used = _server().authenticate_complete(dict(state), [data for _, data in known], response)
        counter = response.response.authenticator_data.counter
        row = next(row for row, data in known if data.credential_id == used.credential_id)
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise Invalid(_WRONG, remedy=_REMEDY) from error
    last = row.data.get("sign_count", 0)
    if (counter or last) and counter <= last:
        raise Invalid("This passkey answers like a copy of another.", remedy="Remove it and enrol a new one.")
    return Answered(row, counter)


def origin_allowed(origin: str) -> bool:
    """Whether the page that asked is ours: exactly ``ENSIGN_PUBLIC_URL``, or http://localhost if that is its host."""
    asked, ours = urlsplit(origin), urlsplit(settings.PUBLIC_URL)
    if ours.hostname == "localhost" and ours.scheme == "http":
        return asked.scheme == "http" and asked.hostname == "localhost"
    return (asked.scheme, asked.hostname, asked.port) == (ours.scheme, ours.hostname, ours.port)


def origin() -> str:
    """The one origin whose pages may ask for a signature: that of ``ENSIGN_PUBLIC_URL``, its port included."""
    ours = urlsplit(settings.PUBLIC_URL)
    return f"{ours.scheme}://{ours.netloc}".lower()


def passkey_of(account: Account, factor_id: int, *, lock: bool = False) -> Authenticator | None:
    """One of the account's passkeys, perhaps held until the commit."""
    rows = Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.WEBAUTHN, pk=factor_id)
    return (rows.select_for_update() if lock else rows).first()


def credential_of(row: Authenticator) -> tuple[bytes, bytes]:
    """The id of a stored passkey's credential, and its public key in COSE."""
    response = RegistrationResponse.from_dict(row.data["credential"])
    data = response.response.attestation_object.auth_data.credential_data
    if data is None:
        raise ValueError("a passkey without credential data")
    return bytes(data.credential_id), bytes(cbor.encode(dict(data.public_key)))


def count_use(row: Authenticator, counter: int, *, at: datetime) -> None:
    """Note that a locked passkey was used; its counter must have grown (Level 2, section 6.1.1).

    :raises Invalid: when it has not: the passkey is a copy, or has one.
    """
    last = row.data.get("sign_count", 0)
    if (counter or last) and counter <= last:
        raise Invalid("This passkey answers like a copy of another.", remedy="Remove it and enrol a new one.")
    row.data = {**row.data, "sign_count": counter}
    row.last_used_at = at
    row.save(update_fields=["data", "last_used_at"])


def _server() -> Fido2Server:
    return Fido2Server(PublicKeyCredentialRpEntity(id=relying_party(), name="Ensign"), verify_origin=origin_allowed)


def _handle(account: Account) -> bytes:
    """The user handle: the pseudonymous id, never the address (Level 2, section 14.6.1)."""
    return account.person_id.encode()


def _account_of(handle: bytes | None) -> Account:
    account = Account.objects.select_related("person").filter(person_id=(handle or b"").decode()).first()
    if account is None:
        raise ValueError("unknown user handle")
    return account


def _credentials(account: Account) -> list[tuple[Authenticator, AttestedCredentialData]]:
    rows = Authenticator.objects.filter(user_id=account.pk, type=Authenticator.Type.WEBAUTHN).order_by("pk")
    found = []
    for row in rows:
        response = RegistrationResponse.from_dict(row.data["credential"])
        data = response.response.attestation_object.auth_data.credential_data
        if data is not None:
            found.append((row, data))
    return found


def _document(answer: str) -> dict[str, Any]:
    try:
        document = json.loads(answer) if 0 < len(answer) <= _LIMIT else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Invalid(_WRONG, remedy=_REMEDY)
    return document


def _plain(options: Any) -> dict[str, Any]:
    """The options as JSON, bytes as base64url."""

    def encode(value: object) -> str:
        if isinstance(value, bytes):
            return websafe_encode(value)
        raise TypeError(type(value).__name__)

    plain: dict[str, Any] = json.loads(json.dumps(dict(options), default=encode))
    return plain


def fingerprint(credential_id: str) -> str:
    """A short name of a credential for entries: the first 16 hexadecimal digits of its id."""
    return websafe_decode(credential_id).hex()[:16]
