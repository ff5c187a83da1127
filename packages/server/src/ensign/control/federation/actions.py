"""What federation writes into the ledger. Codes are frozen and never reused."""

from __future__ import annotations

from ensign.control.audit.registry import action

RULE_CREATED = action("federation_rule.created", "let CI jobs act as a service account")
RULE_CHANGED = action("federation_rule.changed", "changed which CI jobs may act as a service account")
RULE_ENDED = action("federation_rule.ended", "ended that CI jobs may act as a service account")
EXCHANGED = action("federation.exchanged", "exchanged the identity of a CI job for a short-lived token")
REFUSED = action("federation.refused", "was refused to exchange the identity of a CI job")
REFUSALS = action("federation.refusals_summarised", "summed up refused exchanges of CI identities")
