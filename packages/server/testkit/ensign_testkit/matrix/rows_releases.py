"""Rows of times, ramps and release templates."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_P = "/api/v1/projects/{project}"
_STEPS = [{"percent": 5, "hold": 60}, {"percent": 100}]

# API
row("PUT /api/v1/changes/{id}/schedule", "involved and change:schedule", id="approved_by_somebody",
    body={"at": "{soon}"})  # fmt: skip
row("DELETE /api/v1/changes/{id}/schedule", "change:schedule", id="timed")
row("GET /api/v1/ramps", "signed-in", why="those of the projects that one may read")
row("GET /api/v1/ramps/{id}", "project:read", id="ramp")
for _act in ("pause", "roll-back", "stop"):
    row(f"POST /api/v1/ramps/{{id}}/{_act}", "ramp:pause", id="ramp", body={"reason": "Fire"})
row("POST /api/v1/ramps/{id}/resume", "change:apply", id="paused_ramp", body={})
row("GET /api/v1/releases/calendar", "signed-in", why="of the projects that one may read")
row(f"GET {_P}/release-templates", "project:read")
row(f"POST {_P}/release-templates", "template:manage", body={"name": "Bold", "steps": _STEPS})
row("PATCH /api/v1/release-templates/{id}", "template:manage", id="template", body={"name": "Other"})
row("POST /api/v1/release-templates/{id}/archive", "template:manage", id="template")
