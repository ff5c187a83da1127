"""Secrets of Prometheus and of webhooks: sealed outside the ledger, opened only where they are used."""

from __future__ import annotations

import base64
import hashlib
import secrets
import string

from ensign.control.kernel.sealing import SealedRows
from ensign.control.monitoring.models import Secret

PROMETHEUS = "prometheus"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


_ROWS = SealedRows(Secret, place="monitoring_secret", missing="The secret is missing.", remedy="Enter it again.")

keep = _ROWS.keep
forget = _ROWS.forget
reveal = _ROWS.reveal


def new_token() -> str:
    """A bearer token for Alertmanager: 256 random bits."""
    return "ensign_sg_" + "".join(secrets.choice(_BASE62) for _ in range(43))


def new_webhook_secret() -> str:
    """A secret as Standard Webhooks writes it: ``whsec_`` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def hashed(token: str) -> str:
    """What is stored of a bearer token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
