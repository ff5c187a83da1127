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
row("POST /api/v1/alerts/{alert_id}/triage", "in person and alert:triage", alert_id="alert", body=_VERDICT)
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

# Safeguards
_P = "/projects/{project}/safeguards"
_MAKES = "safeguard:manage and flag:kill"
_SAFEGUARD = {
    "flag": "{flag}", "account": "{guard_account}", "threshold": "0.5",
    "source": {"kind": "prometheus", "query": "up"},
}  # fmt: skip
_FORM = {
    "flag": "{flag}", "account": "{guard_account}", "environment": "{environment}", "key": "another", "act": "off",
    "source": "prometheus", "query": "up", "direction": "above", "threshold": "0.5", "checks": "3",
    "no_data_minutes": "15",
}  # fmt: skip
row(f"GET /api/v1{_P}", "project:read")
row(f"POST /api/v1{_P}", _MAKES, body={**_SAFEGUARD, "environment": "{environment}", "key": "another"})
row(f"GET /api/v1{_P}/{{safeguard}}", "project:read")
row(f"PUT /api/v1{_P}/{{safeguard}}", _MAKES, body=_SAFEGUARD)
row(f"POST /api/v1{_P}/{{safeguard}}/arm", "safeguard:manage", body={}, safeguard="fired_safeguard")
row(f"POST /api/v1{_P}/{{safeguard}}/end", "safeguard:manage", body={})
row("GET /api/v1/prometheus", "org:read")
row("PUT /api/v1/prometheus", "org:settings:manage", body={"url": ""})
row(f"GET {_P}", "project:read")
row(f"GET {_P}/new", "project:read", why="the form says who may send it")
row(f"POST {_P}/new", _MAKES, body=_FORM)
row(f"GET {_P}/{{id}}", "project:read", id="safeguard")
_CHANGED = {name: value for name, value in _FORM.items() if name not in {"flag", "environment"}}
row(f"POST {_P}/{{id}}", _MAKES, body=_CHANGED, id="safeguard")
row(f"POST {_P}/{{id}}/act", "safeguard:manage", body={"act": "end"}, id="safeguard")
row("GET /alerts/prometheus", "org:read")
row("POST /alerts/prometheus", "org:settings:manage", body={"url": "", "credentials": "none", "version": "0"})
row("POST /hooks/safeguards/{id}", "anyone", body={}, id="fired_safeguard", done=frozenset({401, 429}),
    why="the safeguard's own secret is the credential; the table has none, and calls often")  # fmt: skip
