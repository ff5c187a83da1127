"""Signatures of Standard Webhooks (https://www.standardwebhooks.com, spec 1.0): symmetric, ``v1``. Pure.

Signed is ``<webhook-id>.<webhook-timestamp>.<body>`` with HMAC-SHA256; a secret is ``whsec_`` and base64 of 24 to 64
bytes. While a secret is replaced, both sign, so that a receiver may change over at any moment.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

PREFIX: Final = "whsec_"
#: Bytes of a secret that Ensign makes.
LENGTH: Final = 32
#: How long the secret before signs, too.
OVERLAP: Final = timedelta(hours=24)


def secret_of(raw: bytes) -> str:
    """The text of a secret.

    :raises ValueError: when it is not of 24 to 64 bytes.
    """
    if not 24 <= len(raw) <= 64:
        raise ValueError("a secret has 24 to 64 bytes")
    return PREFIX + base64.b64encode(raw).decode()


def signature(secret: str, *, id: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64>`` for one secret.

    :raises ValueError: for what is no secret.
    """
    if not secret.startswith(PREFIX):
        raise ValueError("a secret begins with whsec_")
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    signed = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def headers(secrets: Sequence[str], *, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one try at ``at``, signed with each of ``secrets``."""
    timestamp = int(at.timestamp())
    signatures = [signature(secret, id=id, timestamp=timestamp, body=body) for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def verifies(header: str, *, secret: str, id: str, timestamp: str, body: bytes, at: datetime) -> bool:
    """What a receiver does: whether any signature of ``header`` is that of ``secret``, made within five minutes."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(int(timestamp) - at.timestamp()) > 300:
        return False
    wanted = signature(secret, id=id, timestamp=int(timestamp), body=body)
    return any(hmac.compare_digest(given.encode(), wanted.encode()) for given in header.split(" "))
