"""Addresses and secrets of integrations: sealed outside the ledger, opened only where they are used."""

from __future__ import annotations

from functools import cache
from typing import Literal

from django.conf import settings

from ensign.control.integrations.models import Secret
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.keys import load_or_create
from ensign.control.kernel.transactions import require_write_door
from ensign.control.kernel.vault import Vault

Name = Literal["url", "secret", "previous", "token"]


@cache
def _vault() -> Vault:
    return Vault(load_or_create(settings.KEYS_DIR, "secrets.key"))


def keep(integration: str, name: Name, plain: str) -> None:
    """Seal a secret in place of an earlier one."""
    require_write_door()
    sealed = _vault().seal(plain, place=_place(integration, name))
    Secret.objects.update_or_create(pk=f"{integration}/{name}", defaults={"sealed": sealed})


def has(integration: str, name: Name) -> bool:
    """Whether there is such a secret."""
    return Secret.objects.filter(pk=f"{integration}/{name}").exists()


def reveal(integration: str, name: Name) -> str:
    """The secret, to be used and dropped.

    :raises Unavailable: when there is none, or the key is another one.
    """
    sealed = Secret.objects.filter(pk=f"{integration}/{name}").values_list("sealed", flat=True).first()
    if sealed is None:
        raise Unavailable("A secret of this integration is missing.", remedy="Enter it again on its page.")
    return _vault().open(sealed, place=_place(integration, name))


def forget(integration: str, *names: Name) -> None:
    """Drop secrets; all of them when none is named."""
    require_write_door()
    rows = Secret.objects.filter(pk__startswith=f"{integration}/")
    if names:
        rows = rows.filter(pk__in=[f"{integration}/{name}" for name in names])
    rows.delete()


def _place(integration: str, name: str) -> str:
    return f"integrations_secret/{integration}/{name}"
