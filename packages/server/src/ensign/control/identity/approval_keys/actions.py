"""What approval keys write into the ledger."""

from __future__ import annotations

from ensign.control.audit.registry import action

ENROLLED = action("approval_key.enrolled", "made a passkey an approval key")
REVOKED = action("approval_key.revoked", "revoked an approval key")
