"""Rows of the sign-in rules, of sessions, of the history of sign-ins and of pauses after wrong tries."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_READ = "org:security:manage or org:ledger:read"
_HELD_UP = frozenset({409})
_NOT_HELD_UP = "nobody is held up there"

# API
row("GET /api/v1/sign-in-rules", _READ)
row("PUT /api/v1/sign-in-rules", "org:security:manage", body={"idle_minutes": 45})
row("GET /api/v1/sign-in-rules/history", _READ)
row("GET /api/v1/sign-ins", "org:ledger:read")
row("GET /api/v1/sessions", "in person")
row("POST /api/v1/sessions/{session_id}/end", "in person", session_id="no_number")
row("POST /api/v1/sessions/end-everybody", "org:security:manage", body={})
row("GET /api/v1/people/{person_id}/sessions", "org:people:manage or org:ledger:read", person_id="member")
row("POST /api/v1/people/{person_id}/sessions/end", "org:people:manage", body={}, person_id="member")
row("GET /api/v1/blocked-people", "org:people:manage")
row("POST /api/v1/people/{person_id}/unblock", "org:people:manage", body={}, person_id="member", done=_HELD_UP,
    why=_NOT_HELD_UP)  # fmt: skip

# Pages
_RULES = {
    "local": "everybody", "factor": "nobody", "grace_days": "7", "idle_minutes": "45", "session_hours": "12",
    "step_up_minutes": "30", "personal_token_days": "90", "service_token_days": "90", "trace_days": "400",
    "version": "0",
}  # fmt: skip
row("GET /settings/sign-in", _READ)
row("POST /settings/sign-in", "org:security:manage", body=_RULES)
row("GET /settings/sign-in/history", _READ)
row("POST /settings/sign-in/end-sessions", "org:security:manage", body={"reason": "Stolen"})
row("GET /access/sign-ins", "org:ledger:read")
row("POST /access/sign-ins/export", "org:ledger:read", body={"format": "csv"})
row("GET /account/sign-ins", "signed-in")
row("GET /people/{person_id}/sessions", "org:people:manage or org:ledger:read", person_id="member")
row("POST /people/{person_id}/sessions/end", "org:people:manage", body={"reason": ""}, person_id="member")
row("POST /people/{person_id}/unblock", "org:people:manage", body={"reason": ""}, person_id="member", done=_HELD_UP,
    why=_NOT_HELD_UP)  # fmt: skip
row("GET /account/confirm/go-on", "signed-in", done=frozenset({303}), why="nothing was kept to go on with")
row("POST /account/security/{factor_id}/rename", "signed-in", factor_id="no_number", body={"name": "key"},
    done=frozenset({200, 302, 303, 404}), why="somebody else's passkey has no effect")  # fmt: skip
