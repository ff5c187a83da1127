"""What access writes into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

GRANT_GIVEN = action("grant.given", "gave a role")
GRANT_ENDED = action("grant.ended", "ended a role")
ORGANISATION_UPDATED = action("organisation.updated", "changed the organisation's settings")
ACCESS_EXPORTED = action("access.exported", "exported who can do what")
