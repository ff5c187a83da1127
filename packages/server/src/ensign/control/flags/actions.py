"""What flags write into the ledger. What applications see of them changes through ``changes``."""

from __future__ import annotations

from ensign.control.audit.registry import action

FLAG_CREATED = action("flag.created", "created the flag")
FLAG_UPDATED = action("flag.updated", "changed the flag's description")
