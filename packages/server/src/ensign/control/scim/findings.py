"""Findings about leavers and about the directory itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse

from ensign.control.access.findings import Finding
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.scim import actions, departures, tokens
from ensign.control.scim.leaver_log import bodies
from ensign.control.scim.models import Departure

#: So long before the directory's last token ends, a finding says so: without one nobody is let go.
TOKEN_NOTICE: Final = timedelta(days=14)


def overdue(at: datetime) -> Sequence[Finding]:
    """Leavers who are still active, by date or by the directory's refused word; a directory that will fall silent."""
    found = []
    limit = timedelta(hours=departures.hours())
    for row in Departure.objects.order_by("pk"):
        text = row.state["terminated_at"]
        if text is not None and clock.parse(text) + limit < at and departures.still_here(row.pk):
            found.append(_still(row.pk, "Their employment ended", since=clock.parse(text)))
    named = {one.subject for one in found}
    for body in bodies(actions.LEAVER_REFUSED.code):
        person = body["detail"]["person"]
        if person not in named and departures.still_here(person):
            named.add(person)
            found.append(_still(person, "The directory let them go", since=clock.parse(body["ts"])))
    usable = [token.expires_at for token in tokens.tokens() if token.usable(at=at)]
    if usable and max(usable) - at <= TOKEN_NOTICE:
        found.append(
            Finding(
                code="directory-token-ends",
                subject=identity.DIRECTORY,
                title="The directory's last token ends soon: after that it can neither make nor remove people.",
                remedy="Rotate it and give the new one to your identity provider.",
                since=max(usable) - TOKEN_NOTICE,
                url=reverse("scim:directory"),
            )
        )
    return found


def _still(person: str, why: str, *, since: datetime) -> Finding:
    return Finding(
        code="leaver-still-active",
        subject=person,
        title=f"{why}, and {identity.name(person)} is still active.",
        remedy="Deactivate them; if nobody else can give roles, make somebody else an administrator first.",
        since=since,
        url=reverse("access:person", args=[person]),
    )
