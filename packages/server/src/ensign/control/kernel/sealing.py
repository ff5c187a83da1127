"""Secrets at rest: the installation's vault, and tables of sealed texts beside the ledger."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.db.models import Model

from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.keys import load_or_create
from ensign.control.kernel.transactions import require_write_door
from ensign.control.kernel.vault import Vault


@cache
def vault() -> Vault:
    """The vault under ``secrets.key`` of the keys directory."""
    return Vault(load_or_create(settings.KEYS_DIR, "secrets.key"))


class SealedRows:
    """The secrets in one table, whose rows have an id and ``sealed``; opened only where they are used.

    ``place`` is what they are sealed to, with their id: what was moved to another row does not open. ``missing`` says
    that one is not there, and ``remedy`` what to do.
    """

    def __init__(self, model: type[Model], *, place: str, missing: str, remedy: str) -> None:
        self._rows = model._default_manager
        self._place, self._missing, self._remedy = place, missing, remedy

    def keep(self, id: str, plain: str) -> None:
        """Seal a secret in place of an earlier one."""
        require_write_door()
        self._rows.update_or_create(pk=id, defaults={"sealed": vault().seal(plain, place=f"{self._place}/{id}")})

    def has(self, id: str) -> bool:
        """Whether there is such a secret."""
        return self._rows.filter(pk=id).exists()

    def reveal(self, id: str) -> str:
        """The secret, to be used and dropped.

        :raises Unavailable: when there is none, or the key is another one.
        """
        sealed: str | None = self._rows.filter(pk=id).values_list("sealed", flat=True).first()
        if sealed is None:
            raise Unavailable(self._missing, remedy=self._remedy)
        return vault().open(sealed, place=f"{self._place}/{id}")

    def forget(self, *ids: str) -> None:
        """Remove secrets."""
        require_write_door()
        self._rows.filter(pk__in=ids).delete()

    def forget_all_of(self, owner: str) -> None:
        """Remove those whose ids are ``owner/…``."""
        require_write_door()
        self._rows.filter(pk__startswith=f"{owner}/").delete()
