"""Secrets of providers: sealed outside the ledger, opened only where they are used."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from ensign.control.identity.sso.models import ProviderSecret
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.keys import load_or_create
from ensign.control.kernel.transactions import require_write_door
from ensign.control.kernel.vault import Vault


@cache
def _vault() -> Vault:
    return Vault(load_or_create(settings.KEYS_DIR, "secrets.key"))


def keep(provider_id: str, name: str, plain: str) -> None:
    """Seal a secret in place of an earlier one."""
    require_write_door()
    sealed = _vault().seal(plain, place=_place(provider_id, name))
    ProviderSecret.objects.update_or_create(pk=f"{provider_id}/{name}", defaults={"sealed": sealed})


def has(provider_id: str, name: str) -> bool:
    """Whether there is such a secret."""
    return ProviderSecret.objects.filter(pk=f"{provider_id}/{name}").exists()


def reveal(provider_id: str, name: str) -> str:
    """The secret, to be used and dropped.

    :raises Unavailable: when there is none, or the key is another one.
    """
    sealed = ProviderSecret.objects.filter(pk=f"{provider_id}/{name}").values_list("sealed", flat=True).first()
    if sealed is None:
        raise Unavailable("The provider's secret is missing.", remedy="An administrator enters it in its settings.")
    return _vault().open(sealed, place=_place(provider_id, name))


def _place(provider_id: str, name: str) -> str:
    return f"identity_provider_secret/{provider_id}/{name}"
