"""The text of tokens and one-time links, and how it is stored. Pure; no Django.

A token is ``ensign_pat_`` or ``ensign_svc_`` and 43 characters of base64url (256 random bits); the prefix lets secret
scanners find a leaked one. 256 random bits need no slow hash: SHA-256 is stored, and looking it up by equality of the
hash tells an attacker nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final, Literal

PREFIXES: Final = {"personal": "ensign_pat_", "service": "ensign_svc_"}

_TOKEN: Final = re.compile(r"ensign_(?:pat|svc)_[A-Za-z0-9_-]{43}\Z")
_LINK: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


def new_token(kind: Literal["personal", "service"]) -> str:
    """The text of a fresh token."""
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def new_link() -> str:
    """The secret part of a fresh one-time link."""
    return secrets.token_urlsafe(32)


def hashed(text: str) -> str:
    """SHA-256 of the text, in hex: all that is stored of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def hint(text: str) -> str:
    """As much of a token as a list may show."""
    return text[:15]


def is_token(text: str) -> bool:
    """Whether ``text`` has the form of a personal or service token."""
    return _TOKEN.match(text) is not None


def is_link(text: str) -> bool:
    """Whether ``text`` has the form of a link's secret part."""
    return _LINK.match(text) is not None
