"""What the write door writes into the ledger."""

from __future__ import annotations

from ensign.control.audit.registry import action

DRAFTED = action("change_request.drafted", "drafted the change request")
EDITED = action("change_request.edited", "edited the change request")
SUBMITTED = action("change_request.submitted", "submitted the change request for review")
COMMENTED = action("change_request.commented", "commented on the change request")
REVIEWERS_ASKED = action("change_request.reviewers_asked", "asked people to look at the change request")
THREAD_RESOLVED = action("change_request.thread_resolved", "resolved a thread of comments")
THREAD_REOPENED = action("change_request.thread_reopened", "reopened a thread of comments")
REBASED = action("change_request.rebased", "carried the change request over to what others changed meanwhile")
EXPIRED = action("change_request.expired", "ended the change request, as nobody applied it in time")
APPROVED = action("change_request.approved", "approved the change request")
CHANGES_REQUESTED = action("change_request.changes_requested", "requested changes of the change request")
REJECTED = action("change_request.rejected", "rejected the change request")
WITHDRAWN = action("change_request.withdrawn", "withdrew the change request")
APPLIED = action("change_request.applied", "applied the change")
APPROVAL_VOIDED = action("change_request.approval_voided", "voided an approval, as who gave it left")
POLICIES_EXPORTED = action("policies.exported", "exported approval policies")
SCHEDULED = action("change_request.scheduled", "set the time at which the change applies by itself")
SCHEDULE_CANCELLED = action("change_request.schedule_cancelled", "took back the time at which the change would apply")
SCHEDULE_FAILED = action("change_request.schedule_failed", "could not apply the change at its time")
