"""Rows of approval keys and of signed approvals."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_NO_KEY = frozenset({409})
_OWN = frozenset({302, 303, 404, 422})
_KEYLESS = "nobody there has an approval key"

# API
row("GET /api/v1/approval-keys", "signed-in", why="one's own")
row("POST /api/v1/approval-keys/{key_id}/revoke", "org:people:manage", body={}, key_id="approval_key")
row("POST /api/v1/changes/{id}/approval-question", "in person and project:read", id="review", done=_NO_KEY,
    body={"digest": "{review_digest}", "round": 1}, why=_KEYLESS)  # fmt: skip
row("GET /api/v1/changes/{id}/signatures", "project:read", id="applied")

# Pages
row("GET /account/approval-keys", "signed-in")
row("POST /account/approval-keys/{factor_id}/question", "signed-in", factor_id="no_number", done=_OWN,
    why="somebody else's passkey is not asked")  # fmt: skip
row("POST /account/approval-keys/{factor_id}/enrol", "signed-in", factor_id="no_number", body={"answer": "{{}}"},
    done=_OWN, why="as above")  # fmt: skip
row("POST /account/approval-keys/{key_id}/revoke", "signed-in", key_id="approval_key", done=_OWN,
    why="somebody else's key has no effect")  # fmt: skip
row("POST /requests/{id}/approval-question", "project:read", id="review", query="digest={review_digest}&round=1",
    done=_NO_KEY, why=_KEYLESS)  # fmt: skip
