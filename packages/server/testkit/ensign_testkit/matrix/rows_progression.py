"""Rows of progression: test runs, what ran where, promoting."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_P = "/api/v1/projects/{project}"
_RUN = {"environment": "{environment}", "result": "passed", "url": "https://ci.example.com/1"}
_PROMOTE = {"flags": ["{project}-development-old"], "source": "development", "reason": "It ran well"}
_ITSELF = "development is promoted to itself, which is no change"

row(f"POST {_P}/flags/{{flag}}/test-runs", "test:report", body=_RUN)
row(f"POST {_P}/segments/{{segment}}/test-runs", "test:report", body=_RUN, done=frozenset({409}),
    why="the segment has no content anywhere, so nothing of it was tested")  # fmt: skip
row(f"GET {_P}/flags/{{flag}}/progression", "project:read")
row(f"GET {_P}/segments/{{segment}}/test-runs", "project:read")
row("GET /api/v1/changes/{id}/progression", "project:read", id="applied")
row(f"POST {_P}/environments/{{environment}}/promote", "change:draft", body=_PROMOTE,
    done=frozenset({201, 422}), why=_ITSELF)  # fmt: skip

# Pages
row("GET /projects/{project}/flags/{flag}/progression", "project:read")
row("POST /projects/{project}/flags/{flag}/promote", "change:draft",
    body={"source": "development", "target": "{environment}", "reason": "It ran well"},
    done=frozenset({422}), why="both run the same, so there is nothing to promote")  # fmt: skip
