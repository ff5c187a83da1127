"""Client tokens in the form that all tokens share, the list of all of them, and findings about them."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.credentials import Credential, Kind, findings_about, knowers
from ensign.control.access.findings import Finding
from ensign.control.identity.leavers import left
from ensign.control.projects import queries
from ensign.control.projects.queries import TokenRow

_KINDS: dict[str, Kind] = {"backend": "backend", "client": "backend", "frontend": "frontend", "edge": "edge"}


def of_client_token(row: TokenRow) -> Credential:
    """One client token."""
    everywhere = "*" in row.projects
    return Credential(
        id=row.id,
        kind=_KINDS[row.type],
        name=row.name,
        hint=row.hint,
        fingerprint=row.fingerprint,
        acts_as="",
        owner=row.owner,
        purpose=row.purpose or row.name,
        projects=() if everywhere else row.projects,
        environment=row.environment,
        permissions=None,
        created_by=row.created_by,
        created_at=row.created_at,
        approved_by=row.created_by,
        approved_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        rotated_at=row.rotated_at,
        predecessor=row.predecessor,
        successor=row.successor,
        revoked_at=row.revoked_at,
        revoked=row.status != "active",
        known_to=knowers(row.created_by, row.owner, row.former_owners, row.created_at),
        href="/tokens" if everywhere else f"/projects/{row.projects[0]}#tokens",
    )


def about_client_tokens(at: datetime) -> list[Finding]:
    """``rotation-due``, ``token-unused`` and ``token-expiring`` of client tokens.

    A front-end token is public by nature: that somebody who left knows it is nothing to put right.
    """
    tokens = [of_client_token(row) for row in queries.tokens() if row.live(at=at)]
    gone = left(who for one in tokens for who in one.known_to)
    return [finding for one in tokens for finding in findings_about(one, {} if one.kind == "frontend" else gone, at=at)]
