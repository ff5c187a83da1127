"""Who has left, and since when: what findings about tokens and service accounts go by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from ensign.control.audit import history
from ensign.control.identity.models import Person, ServiceAccount

_GONE: Final = ("disabled", "erased")


def left(ids: Iterable[str]) -> Mapping[str, datetime]:
    """Of these people and service accounts those that are disabled or erased, and when that came about.

    Somebody who was reactivated has not left.
    """
    wanted = sorted(set(ids))
    rows: list[Person | ServiceAccount] = [
        *Person.objects.filter(pk__in=[id for id in wanted if id.startswith("usr_")], status__in=_GONE),
        *ServiceAccount.objects.filter(pk__in=[id for id in wanted if id.startswith("svc_")], status="disabled"),
    ]
    return {row.pk: _since(row) for row in rows}


def _since(row: Person | ServiceAccount) -> datetime:
    """When the row became disabled: the newest entry that made it so, or, where states are not kept any more (as of
    somebody who was erased), the newest that touched it.
    """
    name = f"{row.object_type}:{row.pk}"
    entries = history.of_object(name)
    for entry in entries:
        for change in entry.changes:
            if change.object != name or change.after is None or change.after.get("status") not in _GONE:
                continue
            if change.before is None or change.before.get("status") not in _GONE:
                return entry.at
    return entries[0].at
