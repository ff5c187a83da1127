"""Keys of people: destroyed when they are erased, also when the server died between the commit and that."""

from __future__ import annotations

import json
from datetime import datetime

from ensign.control.audit import personal
from ensign.control.audit.models import Entry
from ensign.control.identity.models import Person
from ensign.control.privacy.actions import PERSON_ERASED


def forget_key(person_id: str, *, at: datetime) -> None:
    """Put the person on the list of erased people beside the keys, and destroy their key."""
    bodies = Entry.objects.filter(action=PERSON_ERASED.code, body__contains=person_id).values_list("body", flat=True)
    entries = (json.loads(body) for body in bodies)
    digests = {d for entry in entries if entry["detail"]["person"] == person_id for d in entry.get("redacts", ())}
    personal.forget_key(person_id, digests=digests, at=at)


def reconcile(*, at: datetime) -> list[str]:
    """Do so for everybody whom the log says was erased and whose key is still there; returns whom. For the worker."""
    listed = personal.erased()
    erased = Person.objects.filter(status="erased").order_by("pk").values_list("pk", flat=True)
    behind = [pk for pk in erased if pk not in listed or personal.has_key(pk)]
    for pk in behind:
        forget_key(pk, at=at)
    return behind
