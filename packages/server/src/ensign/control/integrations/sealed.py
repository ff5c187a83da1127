"""Addresses and secrets of integrations, sealed."""

from __future__ import annotations

from typing import Literal

from ensign.control.integrations.models import Secret
from ensign.control.kernel.sealing import SealedRows

Name = Literal["url", "secret", "previous", "token"]

_ROWS = SealedRows(
    Secret,
    place="integrations_secret",
    missing="A secret of this integration is missing.",
    remedy="Enter it again on its page.",
)


def keep(integration: str, name: Name, plain: str) -> None:
    """Seal a secret in place of an earlier one."""
    _ROWS.keep(f"{integration}/{name}", plain)


def has(integration: str, name: Name) -> bool:
    """Whether there is such a secret."""
    return _ROWS.has(f"{integration}/{name}")


def reveal(integration: str, name: Name) -> str:
    """The secret, to be used and dropped.

    :raises Unavailable: when there is none, or the key is another one.
    """
    return _ROWS.reveal(f"{integration}/{name}")


def forget(integration: str, *names: Name) -> None:
    """Drop secrets; all of them when none is named."""
    if names:
        _ROWS.forget(*(f"{integration}/{name}" for name in names))
    else:
        _ROWS.forget_all_of(integration)
