"""Secrets of providers, sealed."""

from __future__ import annotations

from ensign.control.identity.sso.models import ProviderSecret
from ensign.control.kernel.sealing import SealedRows

_ROWS = SealedRows(
    ProviderSecret,
    place="identity_provider_secret",
    missing="The provider's secret is missing.",
    remedy="An administrator enters it in its settings.",
)


def keep(provider_id: str, name: str, plain: str) -> None:
    """Seal a secret in place of an earlier one."""
    _ROWS.keep(f"{provider_id}/{name}", plain)


def has(provider_id: str, name: str) -> bool:
    """Whether there is such a secret."""
    return _ROWS.has(f"{provider_id}/{name}")


def reveal(provider_id: str, name: str) -> str:
    """The secret, to be used and dropped.

    :raises Unavailable: when there is none, or the key is another one.
    """
    return _ROWS.reveal(f"{provider_id}/{name}")
