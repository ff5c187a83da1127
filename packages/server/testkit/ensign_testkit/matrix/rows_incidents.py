"""Rows of incidents, emergency changes, addresses that switch flags off, and drills."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_I = "/api/v1/incidents"
_DECLARE = {"title": "It fails", "severity": "sev2", "projects": ["{project}"], "environment": "{environment}"}
_EMERGENCY = {"project": "{project}", "environment": "{environment}", "reason": "Nobody can pay any more."}
_PLACE = "{project}/{environment}"
_TRIGGER = {"name": "pager", "project": "{project}", "environment": "{environment}", "flag": "{flag}"}

# API
row(f"GET {_I}", "signed-in", why="those of the projects that one may read")
row(f"POST {_I}", "incident:declare", body=_DECLARE)
row(f"GET {_I}/times", "signed-in", why="of the projects that one may read")
row("POST /api/v1/exports/incidents", "anywhere incident:read", body={"subject": "times"})
row(f"GET {_I}/{{id}}", "incident:read", id="incident")
row(f"POST {_I}/{{id}}/log", "incident:declare", body={"text": "Looking."}, id="incident")
row(f"POST {_I}/{{id}}/mitigate", "incident:declare", body={}, id="incident")
row(f"POST {_I}/{{id}}/resolve", "incident:manage", body={}, id="incident")
row(f"POST {_I}/{{id}}/reopen", "incident:manage", body={"text": "Again."}, id="resolved_incident")
row(f"PATCH {_I}/{{id}}", "incident:manage", body={"root_cause": "A typo."}, id="incident")
row(f"POST {_I}/{{id}}/follow-ups", "incident:manage", id="incident",
    body={"text": "Write a test.", "owner": "{owner}", "due": "{soon_day}"})  # fmt: skip
row(f"POST {_I}/{{id}}/follow-ups/{{follow_up_id}}/done", "incident:manage", id="incident", follow_up_id="todo")
row(f"POST {_I}/{{id}}/attach", "incident:manage", body={"kill": "{kill_record}"}, id="incident")
row(f"POST {_I}/{{id}}/kill", "flag:kill", id="incident",
    body={"project": "{project}", "environment": "{environment}", "flag": "{flag}"})  # fmt: skip
row("POST /api/v1/kills/{id}/restore", "change:draft", id="kill_record")
row("GET /api/v1/emergencies", "signed-in", why="those of the projects that one may read")
row(f"POST {_I}/{{id}}/emergencies", "change:break-glass", body=_EMERGENCY, id="incident")
row("GET /api/v1/emergencies/{id}", "incident:read", id="emergency")
row("POST /api/v1/emergencies/{id}/apply", "author and change:break-glass", body={"request": "{approved}"},
    id="open_emergency", why="whoever broke the glass, and nobody else")  # fmt: skip
row("POST /api/v1/emergencies/{id}/end", "incident:manage", body={}, id="open_emergency")
row("POST /api/v1/emergencies/{id}/review", "break-glass:review", id="emergency",
    body={"verdict": "justified", "finding": "Nobody was awake to approve."})  # fmt: skip
row("GET /api/v1/kill-triggers", "signed-in", why="those of the projects that one may read")
row("POST /api/v1/kill-triggers", "kill:trigger and flag:kill", body=_TRIGGER)
row("POST /api/v1/kill-triggers/{id}/revoke", "kill:trigger", id="trigger")
row("GET /api/v1/drill-plans", "signed-in", why="those of the projects that one may read")
row("POST /api/v1/drill-plans", "drill:manage and flag:kill",
    body={"project": "{project}", "environment": "{environment}", "flag": "{spare}"})  # fmt: skip
row("POST /api/v1/drill-plans/{id}/end", "drill:manage", id="drill_plan")
row("POST /api/v1/drill-plans/{id}/run", "drill:manage and flag:kill", id="drill_plan")
row("GET /api/v1/drills", "signed-in", why="those of the projects that one may read")
row("GET /api/v1/drills/{id}", "incident:read", id="drill")

# Pages
row("GET /incidents", "signed-in", why="those of the projects that one may read")
row("GET /incidents/new", "anywhere incident:declare")
row("POST /incidents/new", "incident:declare",
    body={**_DECLARE, "projects": "{project}"})  # fmt: skip
row("GET /incidents/times", "signed-in", why="of the projects that one may read")
row("POST /incidents/export", "anywhere incident:read", body={"subject": "times"})
row("GET /incidents/{id}", "incident:read", id="incident")
row("POST /incidents/{id}/act", "incident:declare", id="incident", body={"act": "update", "update-text": "Looking."})
row("POST /kills/{id}/restore", "change:draft", id="kill_record")
row("GET /emergencies", "signed-in", why="those of the projects that one may read")
row("GET /emergencies/{id}", "incident:read", id="emergency")
row("POST /emergencies/{id}/act", "break-glass:review", id="emergency",
    body={"act": "review", "verdict": "justified", "finding": "Nobody was awake to approve."})  # fmt: skip
row("GET /triggers", "signed-in", why="those of the projects that one may read")
row("GET /triggers/new", "anywhere kill:trigger")
row("POST /triggers/new", "kill:trigger and flag:kill",
    body={"name": "pager", "place": _PLACE, "flag": "{flag}", "mode": "signed", "days": "9"})  # fmt: skip
row("POST /triggers/{id}/revoke", "kill:trigger", id="trigger")
row("GET /drills", "signed-in", why="those of the projects that one may read")
row("POST /drills/plan", "drill:manage and flag:kill",
    body={"place": _PLACE, "flag": "{spare}", "every_days": "9", "target_ms": "900"})  # fmt: skip
row("POST /drills/{id}/act", "drill:manage", id="drill_plan", body={"act": "end"})
row("GET /hooks/kill/{id}", "anyone", id="trigger", done=frozenset({405}), why="only POST does anything (405)")
row("POST /hooks/kill/{id}", "anyone", id="trigger", done=frozenset({401, 429}),
    why="the signature decides, not who is signed in")  # fmt: skip
row("GET /hooks/kill/{id}/{token}", "anyone", id="trigger", token="no_link", done=frozenset({405}),
    why="only POST does anything (405)")  # fmt: skip
row("POST /hooks/kill/{id}/{token}", "anyone", id="trigger", token="no_link", done=frozenset({401, 429}),
    why="the secret decides, not who is signed in")  # fmt: skip
