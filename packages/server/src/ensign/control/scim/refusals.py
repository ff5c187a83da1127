"""The directory's last errors, for whoever sets it up. They hold no value that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ensign.control.kernel.transactions import write_door
from ensign.control.scim.models import Refusal

KEPT: Final = 200


def keep(*, at: datetime, method: str, place: str, subject: str, status: int, kind: str, message: str) -> None:
    """Remember one, and forget the oldest above two hundred. A 404 to a look-up is no error worth a line."""
    if status == 404 and method == "GET":
        return
    with write_door():
        made = Refusal.objects.create(
            at=at,
            method=method[:10],
            place=place,
            subject=subject,
            status=status,
            kind=kind[:40],
            message=message[:300],
        )
        Refusal.objects.filter(pk__lte=made.pk - KEPT).delete()


def last(limit: int = 20) -> Sequence[Refusal]:
    """The newest ones, newest first."""
    return list(Refusal.objects.order_by("-pk")[:limit])
