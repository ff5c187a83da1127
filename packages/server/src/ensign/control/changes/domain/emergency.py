"""An emergency opening as the write door sees it: who may apply what without approval, where, until when. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.kernel import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """That ``person`` broke the glass for one environment, under an incident, from ``opened_at`` until ``expires_at``.

    ``flags`` are the keys of those it is confined to; empty: any flag or segment of the environment. ``ended_at`` is
    when it was ended before its time. ``incident_open``: whether the incident was still open when this was read, under
    lock.
    """

    id: str
    person: str
    project: str
    environment: str
    flags: frozenset[str]
    incident: str
    incident_open: bool
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def lasts(self, *, at: datetime) -> bool:
        """Whether it is open at ``at``, the incident left out of account."""
        return self.opened_at <= at < self.expires_at and (self.ended_at is None or at < self.ended_at)

    def to_approval(self) -> Mapping[str, Any]:
        """How it stands in the ``approval`` of an entry (docs/reference/ledger-format)."""
        return {"id": self.id, "incident": self.incident, "expires_at": clock.text(self.expires_at)}
