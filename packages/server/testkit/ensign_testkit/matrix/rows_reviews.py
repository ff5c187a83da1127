"""Rows of reviewing: checks, threads, reviewers, rounds, conflicts."""

from __future__ import annotations

from typing import Any

from ensign_testkit.matrix.table import row

_E = "/api/v1/projects/{project}/environments/{environment}"
_C = "/api/v1/changes/{id}"
_ENABLE: dict[str, Any] = {"type": "flag.enable", "flag": "{spare}"}
_DRAFT = "change:draft"

row(f"POST {_E}/changes/check", "project:read", body={"operations": [_ENABLE]},
    why="says what would be refused, the caller's own lack of rights among it")  # fmt: skip
row(f"GET {_C}/check", "project:read", id="review")
row(f"GET {_C}/comments", "project:read", id="review")
row(f"POST {_C}/threads", "change:comment", id="review", body={"comment": "Why?"})
row(f"GET {_C}/reviewers", "project:read", id="review")
row(f"PUT {_C}/reviewers", "change:comment", id="review", body={"reviewers": []})
row(f"GET {_C}/rounds", "project:read", id="review")
row(f"POST {_C}/merge", "project:read", id="review", body={})
row(f"POST {_C}/revert/merge", "project:read", id="applied", body={})
row(f"POST {_C}/try", "project:read", id="review", body={"contexts": [{"userId": "7"}]})
