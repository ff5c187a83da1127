"""Findings: erasures that wait for a second person, and identities kept longer than was decided."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access import findings
from ensign.control.access.findings import Finding
from ensign.control.identity import queries as identity
from ensign.control.privacy import queries
from ensign.control.privacy.domain import months_later


def register() -> None:
    """Add the source. Called once, when Django is set up."""
    findings.register("privacy", found)


def found(at: datetime) -> list[Finding]:
    """What somebody has to look at, as of ``at``."""
    waiting = {one.person: one for one in queries.erasures() if one.open(at=at)}
    names = identity.names(waiting)
    listed = [
        Finding(
            code="erasure-waits",
            subject=person,
            title=f"The erasure of {names[person]} waits for a second person.",
            remedy=f"Somebody other than who asked confirms or withdraws it by {one.open_until:%Y-%m-%d}.",
            since=one.asked_at,
            url=f"/people/{person}/privacy",
        )
        for person, one in waiting.items()
    ]
    gone = {person.id: person for person in identity.people(status="disabled")}
    months = queries.keep_months()
    for id, left in sorted(queries.leavers(gone).items()):
        until = months_later(left, months)
        if until <= at and id not in waiting:
            listed.append(
                Finding(
                    code="identity-overdue",
                    subject=id,
                    title=f"{gone[id].display} left more than {months} months ago, and who they were is still kept.",
                    remedy="Two people erase them, or the time for which identities are kept is set to what is meant.",
                    since=until,
                    url=f"/people/{id}/privacy",
                )
            )
    return listed
