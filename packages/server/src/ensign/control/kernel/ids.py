"""Identifiers: ``<prefix>_<26 characters>``, ordered by creation (ULID: 48 bits of milliseconds, 80 random).

Ids come from the application because a ledger entry names the row before the row exists.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_FORM = re.compile(r"[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}\Z")


def new_id(prefix: str, *, at: datetime) -> str:
    """A fresh id, e.g. ``flg_01jd…``. ``prefix`` is three lower-case letters."""
    number = (int(at.timestamp() * 1000) & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    characters = []
    for _ in range(26):
        characters.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(characters))}"


def first_id(prefix: str, *, at: datetime) -> str:
    """What sorts before every id of the kind that was made at ``at`` or later, to the millisecond."""
    number, characters = int(at.timestamp() * 1000) & ((1 << 48) - 1), []
    for _ in range(10):
        characters.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(characters))}"


def is_id(value: str) -> bool:
    """Whether ``value`` has the form of an id that :func:`new_id` makes."""
    return _FORM.match(value) is not None
