"""What incidents write into the ledger.

A kill itself is a ``change_request.applied`` of mode ``standard``, an emergency change one of mode ``break-glass`` with
a ``break_glass.used`` right after it.
"""

from __future__ import annotations

from ensign.control.audit.registry import action

REASON_GIVEN = action("kill_switch.reason_given", "gave the reason for a kill switch")

DECLARED = action("incident.declared", "declared an incident")
UPDATED = action("incident.updated", "brought an incident up to date")
MITIGATED = action("incident.mitigated", "said that an incident is mitigated")
RESOLVED = action("incident.resolved", "resolved an incident")

OPENED = action("break_glass.opened", "broke the glass for emergency changes")
USED = action("break_glass.used", "applied a change without the approvals that its policy asks for")
ENDED = action("break_glass.ended", "ended an emergency access before its time")
REVIEWED = action("break_glass.reviewed", "reviewed an emergency access")
OVERDUE = action("break_glass.overdue", "found the review of an emergency access overdue")

TRIGGER_MADE = action("kill_trigger.made", "made an address that switches a flag off")
TRIGGER_REVOKED = action("kill_trigger.revoked", "revoked an address that switches a flag off")
TRIGGER_REFUSED = action("kill_trigger.refused", "was refused at an address that switches a flag off")
TRIGGER_REFUSALS = action("kill_trigger.refusals", "summed up refusals at addresses that switch flags off")

DRILL_PLANNED = action("drill.planned", "planned a drill of a kill switch")
DRILL_ENDED = action("drill.ended", "ended the plan of a drill")
DRILL_STARTED = action("drill.started", "began a drill of a kill switch")
DRILL_RUN = action("drill.run", "measured a drill of a kill switch")
DRILL_FAILED = action("drill.failed", "could not run a drill of a kill switch")
EXPORTED = action("incident.exported", "exported incidents, drills or their times")
