"""What is to be put right about emergency access: open, used and not reviewed, or missing where it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from ensign.control.access.findings import Finding
from ensign.control.identity.emergency import queries
from ensign.control.identity.emergency.domain import REVIEW_DUE
from ensign.control.identity.sso.queries import active_providers


def source(at: datetime) -> Sequence[Finding]:
    """At most one: the most pressing."""
    seal, url = queries.current(), reverse("access:emergency")
    if seal is not None and seal.status == "unsealed" and seal.unsealed_at is not None:
        late = at - seal.unsealed_at > REVIEW_DUE
        title = "The emergency access was unsealed and has not been reviewed."
        if seal.open(at=at):
            title = "The emergency access is open."
        elif late:
            title = "The review of the emergency access is overdue."
        remedy = "Close it when it is needed no more. Somebody who holds no code reviews it within 24 hours."
        found = Finding(
            code="emergency-unreviewed", subject=seal.id, title=title, remedy=remedy, since=seal.unsealed_at, url=url
        )
        return (found,)
    if queries.sealed(at):
        return ()
    enforced = [one for one in active_providers() if one.enforced]
    if seal is None and not enforced:
        return ()
    since = None if seal is None else seal.reviewed_at or seal.named_at
    return (
        Finding(
            code="emergency-not-sealed",
            subject="emergency" if seal is None else seal.id,
            title="There is no sealed emergency access.",
            remedy="Name two or more holders, and let each draw their code.",
            since=since,
            url=url,
        ),
    )
