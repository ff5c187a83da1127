"""Reading what was sent and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.integrations.models import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try: its end, the status of the answer (None: none came), how long it took, what was wrong."""

    at: datetime
    status: int | None
    ms: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A message. ``action`` is what it tells of; ``entry`` the number in the log (None: a test or a finding)."""

    id: str
    action: str
    entry: int | None
    status: str
    tried: int
    tries: tuple[Try, ...]
    next_at: datetime | None
    made_at: datetime

    @property
    def last(self) -> Try | None:
        """The last try."""
        return self.tries[-1] if self.tries else None


def view(row: Delivery) -> DeliveryView:
    """A row as a value."""
    facts: dict[str, Any] = json.loads(row.facts)
    return DeliveryView(
        id=row.pk,
        action=str(facts.get("action") or f"finding.{facts.get('code', '')}"),
        entry=facts.get("seq"),
        status=row.status,
        tried=row.tried,
        tries=tuple(Try(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in json.loads(row.tries)),
        next_at=row.next_at if row.status == "due" else None,
        made_at=row.made_at,
    )


def of(integration: str, *, before: str | None = None, limit: int = 50) -> list[DeliveryView]:
    """Messages to an integration, newest first, older than the one with id ``before``."""
    rows = Delivery.objects.filter(target=integration).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [view(row) for row in rows[:limit]]


def undelivered_mail(*, limit: int = 20) -> list[DeliveryView]:
    """E-mails that were given up, newest first; to whom is not told."""
    rows = Delivery.objects.filter(status="dead", target__startswith="usr_").order_by("-pk")
    return [view(row) for row in rows[:limit]]
