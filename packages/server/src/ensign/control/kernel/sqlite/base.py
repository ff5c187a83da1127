"""The backend that Django loads: ``ENGINE = "ensign.control.kernel.sqlite"``."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db.backends.sqlite3 import base


def _sha256(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _leaf(text: str | None) -> str | None:
    """The RFC 6962 (2.1) leaf hash of an entry's bytes."""
    return None if text is None else hashlib.sha256(b"\x00" + text.encode()).hexdigest()


class DatabaseWrapper(base.DatabaseWrapper):
    """Adds ``ensign_sha256`` and ``ensign_leaf`` to every connection."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.create_function("ensign_sha256", 1, _sha256, deterministic=True)
        connection.create_function("ensign_leaf", 1, _leaf, deterministic=True)
        return connection
