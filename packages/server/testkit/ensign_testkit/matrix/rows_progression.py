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

row(f"POST {_P}/environments/{{environment}}/bulk", "change:draft",
    body={"flags": ["{flag}"], "act": "rollout", "rollout": 40, "reason": "Further"})  # fmt: skip

_DOCUMENT = {"format": "ensign-export-1", "flags": [{"key": "{project}-brought", "content": {"enabled": True}}]}
_DRAFTS_AND_MAKES = "change:draft and flag:create"
row(f"POST {_P}/environments/{{environment}}/export", "project:read", body={})
row(f"POST {_P}/environments/{{environment}}/import", _DRAFTS_AND_MAKES,
    body={"document": _DOCUMENT, "reason": "Moved"})  # fmt: skip
row(f"POST {_P}/environments/{{environment}}/clone", _DRAFTS_AND_MAKES,
    body={"source_project": "{project}", "source_environment": "{environment}", "flags": ["{flag}"],
          "key": "{project}-copy", "reason": "Alike"})  # fmt: skip

# Pages
row("GET /projects/{project}/transfer", "project:read")
row("POST /projects/{project}/transfer/export", "project:read", body={"environment": "{environment}"})
row("POST /projects/{project}/transfer/import", _DRAFTS_AND_MAKES,
    body={"environment": "{environment}", "reason": "Moved", "step": "import",
          "document": '{"format": "ensign-export-1", "flags": [{"key": "{project}-brought"}]}'})  # fmt: skip
row("GET /projects/{project}/flags/{flag}/clone", "project:read")
row("POST /projects/{project}/flags/{flag}/clone", _DRAFTS_AND_MAKES,
    body={"source": "{environment}", "target": "{project}/{environment}", "key": "{project}-copy",
          "reason": "Alike"})  # fmt: skip
_OFF = {"flag": ["{flag}"], "act": "off", "environment": "{environment}", "reason": "No", "step": "submit"}
row("POST /projects/{project}/bulk", "change:draft", body=_OFF)
row("GET /projects/{project}/flags/{flag}/progression", "project:read")
row("POST /projects/{project}/flags/{flag}/promote", "change:draft",
    body={"source": "development", "target": "{environment}", "reason": "It ran well"},
    done=frozenset({422}), why="both run the same, so there is nothing to promote")  # fmt: skip
