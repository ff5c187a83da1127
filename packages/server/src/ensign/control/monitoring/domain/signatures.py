"""Signatures of Standard Webhooks (standardwebhooks.com, version 1): HMAC-SHA256 over id, time and body. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final

#: How far a message's time may be from ours, either way: what the specification's libraries allow.
WINDOW: Final = timedelta(minutes=5)
ID_MAX: Final = 200


def signature(secret: str, *, id: str, timestamp: str, body: bytes) -> str:
    """``v1,<base64>`` for a message.

    :raises ValueError: when the secret is not ``whsec_`` and base64.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("not a secret of Standard Webhooks") from error
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def fits(secret: str, *, id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Whether one of the signatures is right: while a secret rotates, a sender gives two."""
    if not id or len(id) > ID_MAX or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        return False
    expected = signature(secret, id=id, timestamp=timestamp, body=body).encode()
    return any(hmac.compare_digest(expected, one) for one in signatures.encode().split(b" "))


def timely(timestamp: str, *, at: datetime) -> bool:
    """Whether a message with this time (seconds since 1970) is neither too old nor from the future."""
    return abs(at - datetime.fromtimestamp(int(timestamp), UTC)) <= WINDOW
