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
ACCESS_EXPORTED = action("access.exported", "exported who can do what")
GRANT_RAN_OUT = action("grant.ran_out", "saw a role run out")
GRANT_REVIEWED = action("grant.reviewed", "reviewed a role that one person had given alone")
ACCESS_REQUESTED = action("access_request.opened", "asked for a role that others have to approve")
ACCESS_REQUEST_APPROVED = action("access_request.approved", "approved a request for a role")
ACCESS_REQUEST_REFUSED = action("access_request.refused", "refused a request for a role")
ACCESS_REQUEST_WITHDRAWN = action("access_request.withdrawn", "withdrew a request for a role")
ACCESS_REQUEST_APPROVAL_VOIDED = action(
    "access_request.approval_voided", "voided an approval of a request for a role, as who gave it left"
)
ACCESS_REQUEST_EXPIRED = action("access_request.expired", "saw a request for a role expire")
EXCEPTION_PROPOSED = action("duty_exception.proposed", "proposed an exception from segregation of duties")
EXCEPTION_APPROVED = action("duty_exception.approved", "approved an exception from segregation of duties")
EXCEPTION_REFUSED = action("duty_exception.refused", "refused an exception from segregation of duties")
EXCEPTION_ENDED = action("duty_exception.ended", "ended an exception from segregation of duties")
DUTIES_CHECKED = action("duties.checked", "compared everybody's roles with segregation of duties")
