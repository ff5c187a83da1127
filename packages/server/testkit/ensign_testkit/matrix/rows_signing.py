"""Rows of approval keys and of signed approvals."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_OWN = frozenset({200, 302, 303, 404})

# API
row("GET /api/v1/approval-keys", "everybody")
row("POST /api/v1/approval-keys/{key_id}/revoke", "org:people:manage", body={}, key_id="no_number")
