"""What integrations write into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

MADE = action("integration.made", "made an integration")
CHANGED = action("integration.changed", "changed an integration")
DISABLED = action("integration.disabled", "switched an integration off")
ENABLED = action("integration.enabled", "switched an integration on again")
DELETED = action("integration.deleted", "archived an integration, whose secrets are gone")
