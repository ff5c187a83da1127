"""What emergency access writes into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

HOLDERS_NAMED = action("emergency.holders_named", "named who holds the emergency access")
CODE_DRAWN = action("emergency.code_drawn", "drew their emergency code")
SEALED = action("emergency.sealed", "sealed the emergency access: every holder has a code")
CODE_GIVEN = action("emergency.code_given", "gave their emergency code, the first of two")
UNSEALED = action("emergency.unsealed", "unsealed the emergency access together with somebody else")
JOINED = action("emergency.joined", "gave their emergency code while the emergency access was open")
CLOSED = action("emergency.closed", "closed the emergency access before its time")
REVIEWED = action("emergency.reviewed", "reviewed a use of the emergency access")
