"""Secrets of Prometheus and of webhooks: sealed outside the ledger, opened only where they are used."""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
from functools import cache

from django.conf import settings

from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.keys import load_or_create
from ensign.control.kernel.transactions import require_write_door
from ensign.control.kernel.vault import Vault
from ensign.control.monitoring.models import Secret

PROMETHEUS = "prometheus"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@cache
def _vault() -> Vault:
    return Vault(load_or_create(settings.KEYS_DIR, "secrets.key"))


def keep(id: str, plain: str) -> None:
    """Seal a secret in place of an earlier one."""
    require_write_door()
    Secret.objects.update_or_create(pk=id, defaults={"sealed": _vault().seal(plain, place=_place(id))})


def forget(id: str) -> None:
    """Remove a secret."""
    require_write_door()
    Secret.objects.filter(pk=id).delete()


def reveal(id: str) -> str:
    """The secret, to be used and dropped.

    :raises Unavailable: when there is none, or the key is another one.
    """
    sealed = Secret.objects.filter(pk=id).values_list("sealed", flat=True).first()
    if sealed is None:
        raise Unavailable("The secret is missing.", remedy="Enter it again.")
    return _vault().open(sealed, place=_place(id))


def new_token() -> str:
    """A bearer token for Alertmanager: 256 random bits."""
    return "ensign_sg_" + "".join(secrets.choice(_BASE62) for _ in range(43))


def new_webhook_secret() -> str:
    """A secret as Standard Webhooks writes it: ``whsec_`` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def hashed(token: str) -> str:
    """What is stored of a bearer token: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _place(id: str) -> str:
    return f"monitoring_secret/{id}"
