"""What the log holds about people's leaving and returning."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ensign.control.audit import history
from ensign.control.audit.models import Entry
from ensign.control.identity import actions as identity
from ensign.control.kernel import clock
from ensign.control.scim import actions

_SIGNALS: Final = (actions.USER_UPDATED, actions.USER_ADOPTED, actions.USER_REMOVED, actions.LEAVER_REFUSED)
_REFUSED: Final = (identity.SIGN_IN_FAILED, identity.SIGN_IN_BLOCKED)


@dataclass(frozen=True, slots=True)
class Left:
    """A deactivation: who, when, by whom, what its entry counts."""

    person: str
    at: datetime
    by: str
    seq: int
    detail: Mapping[str, Any]


class LeavingLog:
    """What the log holds about leaving and returning, by person, in order."""

    def __init__(self) -> None:
        self.left = [
            Left(person, clock.parse(body["ts"]), body["actor"]["id"], body["seq"], body.get("detail", {}))
            for body in bodies(identity.PERSON_DEACTIVATED.code)
            for person in _people(body)
        ]
        self.returned: dict[str, list[datetime]] = defaultdict(list)
        for body in bodies(identity.PERSON_REACTIVATED.code):
            for person in _people(body):
                self.returned[person].append(clock.parse(body["ts"]))
        self.signals: dict[str, list[datetime]] = defaultdict(list)
        for body in bodies(*(one.code for one in _SIGNALS), holding='"signal":"leaver"'):
            self.signals[body["detail"]["person"]].append(clock.parse(body["ts"]))
        self.ends: dict[str, list[tuple[datetime, datetime | None]]] = defaultdict(list)
        told = [(body, body["touch"][0]["after"]) for body in bodies(actions.DEPARTURE_SET.code)]
        states = history.documents(digest for _, digest in told)
        for body, digest in told:
            text = (states.get(digest) or {}).get("terminated_at")
            when = None if text is None else clock.parse(text)
            self.ends[body["detail"]["person"]].append((clock.parse(body["ts"]), when))

    def window(self, person: str, at: datetime) -> tuple[datetime | None, datetime | None]:
        """The reactivations before and after ``at``: this leaving lies between them."""
        times = self.returned.get(person, [])
        here = bisect_left(times, at)
        return (times[here - 1] if here else None, times[here] if here < len(times) else None)

    def signal(self, person: str, after: datetime | None, before: datetime | None) -> datetime | None:
        """When the directory first said so in the window."""
        return next((at for at in self.signals.get(person, []) if within(at, after, before)), None)

    def end(self, person: str, after: datetime | None, before: datetime | None) -> datetime | None:
        """When the employment ended, by what was last said in the window."""
        said = [when for at, when in self.ends.get(person, []) if within(at, after, before)]
        return said[-1] if said else None


def bodies(*codes: str, holding: str = "") -> Iterable[dict[str, Any]]:
    """Entries of these actions, oldest first; only those whose text holds ``holding``."""
    rows = Entry.objects.filter(action__in=codes).order_by("seq")
    if holding:
        rows = rows.filter(body__contains=holding)
    for body in rows.values_list("body", flat=True).iterator():
        yield json.loads(body)


def _people(body: Mapping[str, Any]) -> list[str]:
    return [name.partition(":")[2] for touch in body["touch"] if (name := touch["object"]).startswith("person:")]


def within(at: datetime, after: datetime | None, before: datetime | None) -> bool:
    """Whether it lies between the two, where they are set."""
    return (after is None or after < at) and (before is None or at < before)


def entries_by(person: str, after: datetime, before: datetime | None) -> int:
    """How many entries a person wrote between the two."""
    rows = Entry.objects.filter(actor=person, ts__gt=clock.text(after))
    return (rows if before is None else rows.filter(ts__lt=clock.text(before))).count()


def refusals(people: set[str]) -> dict[str, list[datetime]]:
    """Person -> when they were refused to sign in."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for body in bodies(*(one.code for one in _REFUSED), holding='"person":"') if people else ():
        if body["detail"]["person"] in people:
            found[body["detail"]["person"]].append(clock.parse(body["ts"]))
    return found
