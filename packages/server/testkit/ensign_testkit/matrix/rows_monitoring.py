"""Rows of alerts and of what is watched."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_VERDICT = {"verdict": "expected", "reason": "A planned clean-up."}
_HOURS = {"days": ["0", "1"], "start": "08:00", "end": "18:00", "zone": "UTC"}
_RULES = {
    **_HOURS, "watched": "mass-change", "project_hours": "", "mass_flags": "30", "mass_minutes": "10",
    "rare_days": "90", "hasty_seconds": "10", "reciprocal_percent": "80", "reciprocal_least": "6",
    "wide_token_days": "90", "high_days": "1", "medium_days": "3", "low_days": "7", "version": "0",
}  # fmt: skip

# API
row("GET /api/v1/alerts", "signed-in", why="those that one may read")
row("GET /api/v1/alerts/{alert_id}", "alert:read", alert_id="alert")
row("POST /api/v1/alerts/{alert_id}/acknowledge", "alert:triage", alert_id="alert", body={})
row("POST /api/v1/alerts/{alert_id}/triage", "alert:triage", alert_id="alert", body=_VERDICT)
row("POST /api/v1/exports/alerts", "anywhere alert:read or org:ledger:read", body={})
row("GET /api/v1/monitoring-rules", "org:read")
row("PUT /api/v1/monitoring-rules", "org:settings:manage", body={"mass_flags": 30})

# Pages
row("GET /alerts", "signed-in", why="those that one may read")
row("POST /alerts/export", "anywhere alert:read or org:ledger:read", body={"format": "csv"})
row("GET /alerts/rules", "org:read")
row("POST /alerts/rules", "org:settings:manage", body=_RULES)
row("GET /alerts/{id}", "alert:read", id="alert")
row("POST /alerts/{id}/judge", "alert:triage", id="alert", body=_VERDICT)
