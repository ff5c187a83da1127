"""Findings about service accounts and the tokens of people and service accounts."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.credentials import findings_about, of_people_and_services, registered
from ensign.control.access.findings import Finding
from ensign.control.identity import queries as identity
from ensign.control.identity.leavers import left


def about_tokens(at: datetime) -> list[Finding]:
    """``rotation-due``, ``token-unused`` and ``token-expiring`` of tokens of people, service accounts and
    directories in use."""
    disabled = {account.id for account in identity.service_accounts() if account.status != "active"}
    tokens = [one for one in of_people_and_services(active=True, federated=False) if one.acts_as not in disabled]
    tokens += [one for one in registered() if not one.revoked]
    gone = left(who for one in tokens for who in one.known_to)
    return [finding for one in tokens for finding in findings_about(one, gone, at=at)]


def about_accounts(_at: datetime) -> list[Finding]:
    """``orphan-account``: a service account in use for which nobody answers any more."""
    accounts = [account for account in identity.service_accounts() if account.status == "active"]
    active = {person.id for person in identity.people(status="active")}
    orphans = [account for account in accounts if account.owner not in active]
    gone = left(account.owner for account in orphans)
    return [
        Finding(
            code="orphan-account",
            subject=account.id,
            title=f"Nobody answers for the service account “{account.name}” any more.",
            remedy="Take it over, then rotate its tokens.",
            since=gone.get(account.owner),
            url=f"/service-accounts/{account.id}",
        )
        for account in orphans
    ]
