"""What a passkey's answer must be to count as a signature (W3C Web Authentication Level 2, section 7.2).

The browser signs ``authenticatorData || SHA-256(clientDataJSON)``. For us it is a signature over the challenge if the
client data says that a page of exactly the expected origin asked for exactly this challenge, not within a frame of
another site, and the authenticator says that it is bound to the expected host, that its user was present and that it
verified who they are. All of that is read from signed bytes, so that it can be checked again years later.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ensign_ledger.cose import PublicKey

MAX_CLIENT_DATA = 4096
MAX_AUTHENTICATOR_DATA = 1024
MAX_SIGNATURE = 512

PRESENT, VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""The flags of authenticator data (section 6.1; the two of backups are Level 3)."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*").fullmatch
_FIXED = 37
"""Bytes of authenticator data without extensions: hash of the host, flags, counter."""


def b64url(data: bytes, /) -> str:
    """Base64url without padding (RFC 4648, section 5)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64url(text: Any, /) -> bytes:
    """The bytes of a base64url text in its one spelling; raises ValueError for anything else."""
    if not isinstance(text, str) or _BASE64URL(text) is None:
        raise ValueError("not base64url without padding")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(data) != text:
        raise ValueError("not the one spelling of its bytes")
    return data


@dataclass(frozen=True, slots=True)
class Assertion:
    """The three parts of an answer, as the browser gave them."""

    authenticator_data: bytes
    client_data: bytes
    signature: bytes

    @property
    def counter(self) -> int:
        """How often the authenticator has signed, or 0 where it does not count. Of data that was found right."""
        return int.from_bytes(self.authenticator_data[33:37], "big")


def problem(assertion: Assertion, *, key: PublicKey, challenge: bytes, host: str, origin: str) -> str | None:
    """What is wrong with the answer to ``challenge`` by ``key`` at ``origin``, in words; None if it is good.

    ``host`` is the relying party's id. The cheap comparisons come first, the signature last.
    """
    return (
        _client_data_problem(assertion.client_data, challenge=challenge, origin=origin)
        or _authenticator_problem(assertion.authenticator_data, host=host)
        or _signature_problem(assertion, key)
    )


def challenge_of(client_data: bytes, /) -> bytes | None:
    """The challenge that client data names, to look up what was asked; None when it names none."""
    try:
        return unb64url(_members(client_data).get("challenge"))
    except ValueError:
        return None


def _members(client_data: bytes) -> dict[str, Any]:
    """Client data as an object, no member twice; raises ValueError for anything else."""
    if not 0 < len(client_data) <= MAX_CLIENT_DATA:
        raise ValueError("the client data is empty or too long")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a member stands twice in the client data")
        return members

    try:
        value = json.loads(client_data.decode("utf-8"), object_pairs_hook=once)
    except RecursionError:
        raise ValueError("the client data is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("the client data is not an object")
    return value


def _client_data_problem(data: bytes, *, challenge: bytes, origin: str) -> str | None:
    try:
        members = _members(data)
    except ValueError as error:
        return f"the client data cannot be read: {error}"
    if members.get("type") != "webauthn.get":
        return f"it is an answer of the kind {members.get('type')!r}, not webauthn.get"
    if members.get("origin") != origin:
        return f"it was given at {members.get('origin')!r}, not at {origin}"
    if members.get("crossOrigin", False) is not False or "topOrigin" in members:
        return "it was given within a page of another site"
    if members.get("challenge") != b64url(challenge):
        return "it answers another challenge: what was signed is not this"
    return None


def _authenticator_problem(data: bytes, *, host: str) -> str | None:
    if not _FIXED <= len(data) <= MAX_AUTHENTICATOR_DATA:
        return "the authenticator data is cut short or too long"
    flags = data[32]
    if data[:32] != sha256(host.encode()).digest():
        return f"the key is not bound to {host}"
    if not flags & PRESENT:
        return "nobody was present"
    if not flags & VERIFIED:
        return "the authenticator did not verify who used it"
    if flags & ATTESTED:
        return "it holds a new key, which no signature does"
    if bool(flags & EXTENDED) != (len(data) > _FIXED):
        return "the authenticator data is not of the length that its flags say"
    if flags & BACKED_UP and not flags & BACKUP_ELIGIBLE:
        return "the flags of the authenticator data contradict each other"
    return None


def _signature_problem(assertion: Assertion, key: PublicKey) -> str | None:
    if len(assertion.signature) > MAX_SIGNATURE:
        return "the signature is too long"
    message = assertion.authenticator_data + sha256(assertion.client_data).digest()
    if not key.verify(message=message, signature=assertion.signature):
        return "the signature is not of this key"
    return None
