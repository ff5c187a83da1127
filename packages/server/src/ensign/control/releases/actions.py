"""What releases write into the ledger."""

from __future__ import annotations

from ensign.control.audit.registry import action

STARTED = action("ramp.started", "began the ramp")
STEPPED = action("ramp.stepped", "took the next step of the ramp")
PAUSED = action("ramp.paused", "paused the ramp")
RESUMED = action("ramp.resumed", "let the ramp go on")
ROLLED_BACK = action("ramp.rolled_back", "rolled the ramp back")
FINISHED = action("ramp.finished", "ended the ramp")
TEMPLATE_MADE = action("template.made", "made the release template")
TEMPLATE_CHANGED = action("template.changed", "changed the release template")
TEMPLATE_ARCHIVED = action("template.archived", "archived the release template")
