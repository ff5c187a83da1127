"""Rows of the directory's door, of the pages about it, and of leavers, joiners and movers."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_READ = "org:scim:manage or org:ledger:read"
_MANAGE = "org:scim:manage"
_PEOPLE = "org:people:manage"
_PERIOD = {"since": "2026-01-01T00:00:00Z", "until": "2026-06-01T00:00:00Z"}
_DAYS = {"since": "2026-01-01", "until": "2026-06-01"}
_ENDS = {"terminated_at": "2026-03-01T17:00:00Z"}

# The directory's own token opens it, and nothing else does (tests/control/scim).
for _method in ("GET", "POST"):
    for _place in ("/scim/v2", "/scim/v2/", "/scim/v2/{rest}"):
        row(f"{_method} {_place}", "anyone", body=None if _method == "GET" else {}, rest="users",
            done=frozenset({401}), why="a token of the directory opens it, which none of these has")  # fmt: skip

# API
row("GET /api/v1/directory", _READ)
row("GET /api/v1/directory/tokens", _READ)
row("GET /api/v1/directory/refusals", _READ)
row("POST /api/v1/directory/tokens", _MANAGE, body={"name": "idp"})
row("POST /api/v1/directory/tokens/{token_id}/rotate", _MANAGE, body={}, token_id="directory_token")
row("POST /api/v1/directory/tokens/{token_id}/revoke", _MANAGE, body={}, token_id="directory_token")
row("GET /api/v1/access/leavers", _READ, query="since=2026-01-01T00:00:00Z&until=2026-06-01T00:00:00Z")
row("POST /api/v1/access/leavers/export", "org:ledger:export", body=_PERIOD)
row("GET /api/v1/access/movements", _READ, query="since=2026-01-01T00:00:00Z&until=2026-06-01T00:00:00Z")
row("POST /api/v1/access/movements/export", "org:ledger:export", body=_PERIOD)
row("PUT /api/v1/access/leavers/limit", "org:security:manage", body={"hours": 12})
row("PUT /api/v1/people/{person_id}/departure", _PEOPLE, body=_ENDS, person_id="member")

# Pages
row("GET /directory", _READ)
row("GET /directory/tokens/new", _MANAGE)
row("POST /directory/tokens/new", _MANAGE, body={"name": "idp", "days": "30"})
row("GET /directory/tokens/{token_id}/rotate", _MANAGE, token_id="directory_token")
row("POST /directory/tokens/{token_id}/rotate", _MANAGE, body={"days": "30", "overlap_hours": "1"},
    token_id="directory_token")  # fmt: skip
row("POST /directory/tokens/{token_id}/revoke", _MANAGE, body={}, token_id="directory_token")
row("GET /access/leavers", _READ)
row("POST /access/leavers/export", "org:ledger:export", body=_DAYS)
row("GET /access/movements", _READ)
row("POST /access/movements/export", "org:ledger:export", body=_DAYS)
row("POST /access/leavers/limit", "org:security:manage", body={"hours": "12"})
row("GET /people/{person_id}/departure", _PEOPLE, person_id="member")
row("POST /people/{person_id}/departure", _PEOPLE, body={"terminated_at": "2026-03-01T17:00"}, person_id="member")
