"""Rows of policies: reading them and their history, proposing others, policies as code."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_P = "/api/v1/projects/{project}"
_E = _P + "/environments/{environment}"
_YAML = (
    "version: 1\nproject: {project}\nenvironments:\n  {environment}:\n"
    "    approvals: 1\n    requires_reason: true\n    request_days: 9\n"
)

# API
row(f"GET {_P}/policies", "project:policy:read")
row(f"GET {_E}/policy", "project:policy:read")
row(f"GET {_E}/policy/timeline", "project:policy:read")
row(f"POST {_P}/policies/export", "project:policy:read", body={"format": "yaml"})
row(f"POST {_P}/policies/plan", "project:policy:read", body={"yaml": _YAML})
row(f"POST {_P}/policies/apply", "project:policy:propose", body={"yaml": _YAML, "reason": "As agreed."})

# Pages
row("GET /projects/{project}/policies/{environment}", "project:policy:propose")
row("GET /projects/{project}/policies/{environment}/timeline", "project:policy:read")
row("POST /projects/{project}/policies/{environment}/timeline", "project:policy:read", body={"format": "csv"})
row("GET /projects/{project}/policies/code", "project:policy:read")
row("POST /projects/{project}/policies/code", "project:policy:read", body={"yaml": _YAML, "act": "plan"})
row("POST /projects/{project}/policies/code/export", "project:policy:read", body={})
