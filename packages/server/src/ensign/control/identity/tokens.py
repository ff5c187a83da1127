"""The text of tokens and one-time links, and how it is stored. Pure; no Django.

A token is a prefix, 43 characters of base62 (256 random bits) and six more: the CRC-32 of all before them, so that a
scanner tells a real token from a look-alike without asking anybody (docs/reference/tokens.md). 256 random bits need no
slow hash: SHA-256 is stored, and looking it up by equality of the hash tells an attacker nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final, Literal

Kind = Literal["personal", "service", "federated"]

#: Prefixes of tokens of people, of service accounts, and of what a CI job's identity was exchanged for.
PREFIXES: Final[dict[Kind, str]] = {
    "personal": "ensign_pat_",
    "service": "ensign_svc_",
    "federated": "ensign_fed_",
}
#: Prefixes of the secret part of client tokens. Front-end tokens are meant to be public: a scanner may pass them over.
CLIENT_PREFIXES: Final = {"backend": "ensign_ct_", "edge": "ensign_et_", "frontend": "ensign_ft_"}

BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH: Final = 43
CHECK_LENGTH: Final = 6

_TOKEN: Final = re.compile(r"ensign_(?:pat|svc|fed)_[0-9A-Za-z]{49}\Z")
#: Made before tokens had a checksum.
_OLD: Final = re.compile(r"ensign_(?:pat|svc)_[A-Za-z0-9_-]{43}\Z")
_LINK: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


def new_token(kind: Kind) -> str:
    """The text of a fresh token."""
    return _fresh(PREFIXES[kind])


def new_client_secret(type: str) -> str:
    """The secret part of a fresh client token, which stands after ``project:environment.``."""
    return _fresh(CLIENT_PREFIXES[type])


def _fresh(prefix: str) -> str:
    text = prefix + "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    return text + checksum(text)


def checksum(text: str) -> str:
    """CRC-32 (ISO-HDLC, as in zlib) of the ASCII text as six digits of base62, the most significant first."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


def is_genuine(text: str) -> bool:
    """Whether the last six characters are the checksum of those before: what a scanner asks."""
    return len(text) > CHECK_LENGTH and checksum(text[:-CHECK_LENGTH]) == text[-CHECK_LENGTH:]


def new_link() -> str:
    """The secret part of a fresh one-time link."""
    return secrets.token_urlsafe(32)


def hashed(text: str) -> str:
    """SHA-256 of the text, in hex: all that is stored of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def hint(text: str) -> str:
    """As much of a token as a list may show."""
    return text[:15]


def client_hint(text: str) -> str:
    """As much of a client token as a list may show: how its secret part begins."""
    return text.rpartition(".")[2][: len(CLIENT_PREFIXES["backend"]) + 4]


def is_token(text: str) -> bool:
    """Whether ``text`` has the form of a personal, service or federated token, and its checksum is right."""
    return (_TOKEN.match(text) is not None and is_genuine(text)) or _OLD.match(text) is not None


def is_link(text: str) -> bool:
    """Whether ``text`` has the form of a link's secret part."""
    return _LINK.match(text) is not None
