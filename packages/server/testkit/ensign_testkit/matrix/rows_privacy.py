"""Rows of the data map, of erasing and of what is held on somebody."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_ERASE = "org:privacy:erase"
_ASK = {"reason": "they asked us to", "early": True}
_RULES = {"keep_months": 12, "reason": "our policy"}
_SET = "in person and org:settings:manage"

row("GET /api/v1/privacy/map", "signed-in", why="it names nobody")
row("PUT /api/v1/privacy/rules", _SET, body=_RULES)
row("GET /api/v1/privacy/me", "signed-in", why="what is held on oneself")
row("POST /api/v1/privacy/people/{person_id}/export", _ERASE, person_id="gone")
row("GET /api/v1/privacy/erasures", "org:read")
row("POST /api/v1/privacy/erasures", _ERASE, body={"person": "{gone}", **_ASK})
row("POST /api/v1/privacy/erasures/{erasure_id}/confirm", _ERASE)
row("POST /api/v1/privacy/erasures/{erasure_id}/withdraw", _ERASE)

row("GET /settings/data-map", "signed-in", why="it names nobody to whom may erase nobody")
row("POST /settings/data-map/rules", _SET, body=_RULES)
row("GET /people/{person_id}/privacy", _ERASE, person_id="gone")
row("POST /people/{person_id}/privacy", _ERASE, body=_ASK, person_id="gone")
row("POST /people/{person_id}/privacy/held", _ERASE, person_id="gone")
row("POST /erasures/{erasure_id}/confirm", _ERASE)
row("POST /erasures/{erasure_id}/withdraw", _ERASE)
row("GET /account/held", "in person", why="what is held on oneself")
