"""Rows of emergency access."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_READ = "org:security:manage or org:ledger:read"
_MANAGE = "org:security:manage"
_CLOSED = frozenset({409})
_WRONG = frozenset({422})

row("GET /api/v1/emergency", _READ)
row("POST /api/v1/emergency/holders", _MANAGE, body={"people": ["{member}"]}, done=_WRONG, why="two people hold it")
row("POST /api/v1/emergency/close", _MANAGE, body={}, done=_CLOSED, why="it is not open")
row("POST /api/v1/emergency/review", _READ, body={"verdict": "justified", "reason": "Read."}, done=_CLOSED,
    why="there was no use")  # fmt: skip
row("GET /emergency-access", _READ)
row("POST /emergency-access/holders", _MANAGE, body={"people": "{member}", "hours": "2"}, done=_WRONG,
    why="two people hold it")  # fmt: skip
row("POST /emergency-access/code", "signed-in", done=frozenset({403}), why="nobody there holds it")
row("POST /emergency-access/close", _MANAGE, body={"reason": ""})
row("POST /emergency-access/review", _READ, body={"verdict": "justified", "reason": "Read."})
row("GET /emergency", "anyone")
row("POST /emergency", "anyone", body={"code": "AAAA", "reason": "Outage"}, done=frozenset({422, 429}),
    why="the code opens nothing")  # fmt: skip
row("GET /emergency/second-factor", "anyone", why="leads back to the code")
row("POST /emergency/second-factor", "anyone", body={"code": "000000"}, why="leads back to the code")
