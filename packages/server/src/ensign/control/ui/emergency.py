"""That the emergency access is open: told on every page, to everybody."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ensign.control.identity.emergency.domain import SealView
from ensign.control.identity.emergency.queries import open_seal
from ensign.control.kernel import clock


def _open() -> SealView | None:
    try:
        return open_seal(at=clock.now())
    except DatabaseError:  # the page may be the one that says so
        return None


def emergency(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001  # the signature is Django's
    """Adds ``emergency``, the open seal or nothing; one query, when a template reads it."""
    return {"emergency": SimpleLazyObject(_open)}
