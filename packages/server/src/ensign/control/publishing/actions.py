"""What publishing writes into the ledger."""

from __future__ import annotations

from ensign.control.audit.registry import action

EPOCH_STARTED = action("ruleset.epoch_started", "started a new epoch of revisions")
DELIVERY_REFUSED = action("delivery.refused", "summed up refused requests of applications")
DELIVERY_REACHED = action("delivery.reached", "noted how far a publication came")
