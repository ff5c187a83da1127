"""Rows of who can what, requests for access, exceptions from segregation of duties, and findings."""

from __future__ import annotations

from ensign_testkit.matrix.table import DONE, row

_HELD = DONE | {409}
_WHY_HELD = "whoever holds the role there already is told so (409)"
_ASK = {"role": "viewer", "reason": "for the table", "minutes": 60}
_FORM = {"role": "viewer", "reason": "for the table", "minutes": "60", "project": "", "environment": ""}
_EXCEPTION = {
    "subject": "{newcomer}",
    "pairs": ["access-approve"],
    "reason": "for the table",
    "control": "read every Monday",
    "expires_at": "{soon}",
}
_PROPOSAL = {
    "subject": "{newcomer}",
    "pairs": "access-approve",
    "reason": "for the table",
    "control": "read every Monday",
    "until": "{soon_day}",
    "project": "",
    "environment": "",
}

# API
row("GET /api/v1/access/changes", "org:read", query="since=2020-01-01")
row("POST /api/v1/exports/access", "org:read", body={"format": "json"})
row("GET /api/v1/access/requests", "signed-in")
row("POST /api/v1/access/requests", "signed-in", body=_ASK, done=_HELD, why=_WHY_HELD)
row("GET /api/v1/access/requests/{request_id}", "org:read", request_id="access_request")
row("POST /api/v1/access/requests/{request_id}/approve", "org:access:grant", body={}, request_id="access_request")
row("POST /api/v1/access/requests/{request_id}/refuse", "org:access:grant", body={"reason": "no"},
    request_id="access_request")  # fmt: skip
row("POST /api/v1/access/requests/{request_id}/withdraw", "author", request_id="access_request")
row("POST /api/v1/access/requests/{request_id}/review", "org:access:grant", body={"reason": "right"},
    request_id="sole_request")  # fmt: skip
row("GET /api/v1/access/duties", "org:read")
row("GET /api/v1/access/exceptions", "org:read")
row("POST /api/v1/access/exceptions", "org:access:grant", body=_EXCEPTION)
row("POST /api/v1/access/exceptions/{exception_id}/approve", "org:access:grant", body={}, exception_id="proposal")
row("POST /api/v1/access/exceptions/{exception_id}/refuse", "org:access:grant", body={"reason": "no"},
    exception_id="proposal")  # fmt: skip
row("POST /api/v1/access/exceptions/{exception_id}/end", "org:access:grant", body={}, exception_id="exception")
row("GET /api/v1/access/findings", "org:read")

# Pages
row("GET /access/what-can", "org:read")
row("GET /access/changes", "org:read")
row("POST /access/export", "org:read", body={"format": "csv"})
row("GET /access/requests", "signed-in")
row("GET /access/requests/new", "signed-in")
row("POST /access/requests/new", "signed-in", body=_FORM, done=_HELD | {422}, why=f"{_WHY_HELD[:-5]}(422)")
row("GET /access/requests/{request_id}", "org:read", request_id="access_request")
row("POST /access/requests/{request_id}/approve", "org:access:grant", request_id="access_request")
row("POST /access/requests/{request_id}/refuse", "org:access:grant", body={"reason": "no"},
    request_id="access_request")  # fmt: skip
row("POST /access/requests/{request_id}/withdraw", "author", request_id="access_request")
row("POST /access/requests/{request_id}/review", "org:access:grant", body={"reason": "right"},
    request_id="sole_request")  # fmt: skip
row("GET /access/exceptions", "org:read")
row("GET /access/exceptions/new", "org:access:grant or anywhere project:access:grant")
row("POST /access/exceptions/new", "org:access:grant", body=_PROPOSAL)
row("GET /access/exceptions/{exception_id}", "org:read", exception_id="proposal")
row("POST /access/exceptions/{exception_id}/{answer}", "org:access:grant", exception_id="proposal", answer="approve")
row("GET /access/findings", "org:read")
