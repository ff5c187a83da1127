"""Reading the emergency access into frozen values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ensign.control.identity.emergency.domain import Holder, SealView
from ensign.control.identity.emergency.models import EmergencySeal
from ensign.control.identity.models import Person
from ensign.control.kernel import clock


def current() -> SealView | None:
    """The newest seal, or None when nobody was ever named."""
    row = EmergencySeal.objects.order_by("-number").first()
    return None if row is None else view(row)


def seals() -> tuple[SealView, ...]:
    """All seals, newest first."""
    return tuple(view(row) for row in EmergencySeal.objects.order_by("-number"))


def open_seal(*, at: datetime) -> SealView | None:
    """The seal that is open now, or None. One query on an index of few rows: pages ask it every time."""
    row = EmergencySeal.objects.filter(status="unsealed").order_by("-number").first()
    seal = None if row is None else view(row)
    return seal if seal is not None and seal.open(at=at) else None


def sealed(at: datetime) -> bool:  # noqa: ARG001  # the signature is the one that enforcement asks for
    """Whether emergency access stands ready: sealed, and at least two of its holders are still active people."""
    seal = current()
    if seal is None or seal.status != "sealed":
        return False
    return Person.objects.filter(pk__in=[one.person for one in seal.holders], status="active").count() >= 2


def view(row: EmergencySeal) -> SealView:
    """A row as a value."""
    state = row.state
    return SealView(
        id=row.pk,
        status=state["status"],
        holders=tuple(
            Holder(
                person=one["person"],
                code_hash=one["code_hash"],
                drawn_at=_at(one["drawn_at"]),
                given_at=_at(one["given_at"]),
            )
            for one in state["holders"]
        ),
        hours=state["hours"],
        named_by=state["named_by"],
        named_at=clock.parse(state["named_at"]),
        unsealed_at=_at(state["unsealed_at"]),
        unsealed_by=tuple(state["unsealed_by"]),
        ends_at=_at(state["ends_at"]),
        reviewed_by=state["reviewed_by"],
        reviewed_at=_at(state["reviewed_at"]),
        verdict=state["verdict"],
        version=row.version,
    )


def _at(text: Any) -> datetime | None:
    return clock.parse(text) if text else None
