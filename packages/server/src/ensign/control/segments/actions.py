"""What segments write into the ledger. Their constraints change through ``changes``."""

from __future__ import annotations

from ensign.control.audit.registry import action

SEGMENT_CREATED = action("segment.created", "created the segment")
SEGMENT_UPDATED = action("segment.updated", "changed the segment's description")
