"""What incidents write into the ledger. A kill itself is a ``change_request.applied`` of mode ``standard``."""

from __future__ import annotations

from ensign.control.audit.registry import action

REASON_GIVEN = action("kill_switch.reason_given", "gave the reason for a kill switch")
