"""Findings: alerts that nobody judged in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from ensign.control.access.findings import Finding
from ensign.control.monitoring import queries
from ensign.control.monitoring.domain.kinds import KINDS


def overdue(at: datetime) -> Sequence[Finding]:
    """One for each alert whose deadline is over."""
    return [
        Finding(
            code="alert-overdue",
            subject=alert.subject,
            title=f"Nobody judged in time: {alert.title[0].lower()}{alert.title[1:]}"
            + (f" ({alert.project})." if alert.project else "."),
            remedy=f"{KINDS[alert.kind].look} Then say whether it was expected.",
            since=alert.due_at,
            url=reverse("monitoring:alert", args=[alert.id]),
            detail=alert.id,
        )
        for alert in queries.overdue(at=at)
    ]
