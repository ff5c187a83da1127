"""What access writes into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

GRANT_GIVEN = action("grant.given", "gave a role")
GRANT_RESCHEDULED = action("grant.rescheduled", "changed when a role ends")
GRANT_ENDED = action("grant.ended", "ended a role")
ORGANISATION_UPDATED = action("organisation.updated", "changed the organisation's settings")
ROLE_CREATED = action("role.created", "made a role")
ROLE_UPDATED = action("role.updated", "changed what a role allows")
ROLE_ARCHIVED = action("role.archived", "archived a role")
