"""Rows of reviewing: checks, threads, reviewers, rounds, conflicts."""

from __future__ import annotations

from typing import Any

from ensign_testkit.matrix.table import row

_E = "/api/v1/projects/{project}/environments/{environment}"
_C = "/api/v1/changes/{id}"
_OPERATION: dict[str, Any] = {"type": "environment.unprotect"}

row(f"POST {_E}/changes/check", "project:read", body={"operations": [_OPERATION]},
    why="says what would be refused, the caller's own lack of rights among it")  # fmt: skip
row(f"GET {_C}/check", "project:read", id="review")
row(f"GET {_C}/threads", "project:read", id="review")
row(f"POST {_C}/threads", "change:comment", id="review", body={"comment": "Why?"})
row(f"GET {_C}/reviewers", "project:read", id="review")
row(f"PUT {_C}/reviewers", "change:comment", id="review", body={"reviewers": []})
row(f"GET {_C}/rounds", "project:read", id="review")
row(f"POST {_C}/merge", "project:read", id="review", body={})
row(f"POST {_C}/threads/{{comment}}/resolve", "change:comment", id="review", comment="thread", body={})
row(f"POST {_C}/threads/{{comment}}/reopen", "change:comment", id="review", comment="settled", body={})
row(f"POST {_C}/rebase", "change:draft", id="review", body={}, done=frozenset({409}),
    why="nothing moved in the table's world, so there is nothing to carry it over to")  # fmt: skip
row(f"POST {_C}/revert/merge", "project:read", id="applied", body={})
row(f"POST {_C}/try", "project:read", id="review", body={"contexts": [{"userId": "7"}]})

_PAGE = "/requests/{id}"
row(
    f"POST {_PAGE}/discuss", "change:comment", id="review", body={"act": "reply", "thread": "{thread}", "comment": "So"}
)
row(f"POST {_PAGE}/reviewers", "change:comment", id="review", body={})
row(f"POST {_PAGE}/rebase", "change:draft", id="review", body={}, done=frozenset({409}),
    why="nothing moved in the table's world, so there is nothing to carry it over to")  # fmt: skip
row(f"GET {_PAGE}/edit", "project:read", id="review")
row(f"POST {_PAGE}/edit", "change:draft", id="review", body={"keep-0": "1", "title": "T", "reason": "R"})
row(f"GET {_PAGE}/revert", "project:read", id="applied")
row(f"POST {_PAGE}/revert", "change:draft", id="applied", body={"reason": "Wrong"})
row(f"GET {_PAGE}/check", "project:read", id="review")
row(f"GET {_PAGE}/try", "project:read", id="review")
row(f"POST {_PAGE}/try", "project:read", id="review", body={"contexts": "userId=7"}, why="evaluates and writes nothing")
row("POST /projects/{project}/environments/{environment}/draft/check", "author and change:draft", body={"title": "T"},
    why="one's own draft; writes nothing")  # fmt: skip
