"""Rows of the log, exports and the frame of the pages."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_READER = "org:ledger:read or anywhere project:ledger:read"
_PERIOD = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}

row("GET /api/v1/openapi.json", "anyone")
row("GET /api/v1/log", _READER)
row("GET /api/v1/log/{seq}", "org:ledger:read", seq="zero", why="an entry of no project")
row("GET /api/v1/log/{seq}/proof", "org:ledger:read", seq="zero")
row("POST /api/v1/exports/changes", "org:ledger:export", body=_PERIOD)
row("POST /api/v1/exports/ledger", "org:ledger:export", body={})
row("GET /log", _READER)
row("GET /log/export", "org:ledger:export or anywhere project:evidence:export")
row("POST /log/export", "project:evidence:export", refusals=frozenset({422}), why="offers only projects to export",
    body={"project": "{project}", "format": "csv", "since": "2026-01-01", "until": "2026-02-01"})  # fmt: skip
row("POST /log/export/ledger", "org:ledger:export")
row("GET /log/{seq}", "org:ledger:read", seq="zero")
row("GET /log/{seq}/proof", "org:ledger:read", seq="zero")
row("GET /", "signed-in")
row("GET /settings", "signed-in")
row("GET /commands", "signed-in")
