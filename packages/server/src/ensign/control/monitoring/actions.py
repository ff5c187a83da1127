"""What monitoring writes into the ledger."""

from __future__ import annotations

from ensign.control.audit.registry import action

ALERT_RAISED = action("alert.raised", "raised an alert")
ALERT_ACKNOWLEDGED = action("alert.acknowledged", "looks into the alert")
ALERT_TRIAGED = action("alert.triaged", "judged the alert")
ALERT_OVERDUE = action("alert.overdue", "noted that nobody judged the alert in time")
ALERTS_EXPORTED = action("alerts.exported", "exported alerts")
RULES_CHANGED = action("monitoring_rules.changed", "changed what is watched")
SAFEGUARD_MADE = action("safeguard.made", "made the safeguard")
SAFEGUARD_CHANGED = action("safeguard.changed", "changed the safeguard")
SAFEGUARD_FIRED = action("safeguard.fired", "acted, as the safeguard said")
SAFEGUARD_ARMED = action("safeguard.armed", "armed the safeguard again")
SAFEGUARD_ENDED = action("safeguard.ended", "ended the safeguard")
PROMETHEUS_CHOSEN = action("prometheus.chosen", "chose which Prometheus the safeguards ask")
