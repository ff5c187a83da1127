"""Rows of projects, flags, segments, changes, kill switches and propagation."""

from __future__ import annotations

from typing import Any

from ensign_testkit.matrix.table import row

_P = "/api/v1/projects/{project}"
_E = _P + "/environments/{environment}"
_ENABLE: dict[str, Any] = {"type": "flag.enable", "flag": "{spare}"}
_DRAFT = "change:draft"

# API
row("GET /api/v1/projects", "signed-in", why="the projects that one may read")
row("POST /api/v1/projects", "org:project:create", body={"key": "third", "name": "Third"})
row(f"GET {_P}", "project:read")
row(f"PATCH {_P}", "project:update", body={"name": "Renamed"})
row(f"GET {_P}/environments", "project:read")
row(f"POST {_P}/environments", "project:environments:manage", body={"key": "canary", "name": "Canary"})
row(f"GET {_E}", "project:read")
row(f"PATCH {_E}", "project:environments:manage", body={"name": "Renamed"})
row(f"PUT {_P}/environment-order", "project:environments:manage",
    body={"order": ["staging", "development", "production"]})  # fmt: skip
row(f"GET {_P}/client-tokens", "project:tokens:read")
row("POST /api/v1/client-tokens", "project:tokens:manage",
    body={"name": "app", "type": "backend", "projects": ["{project}"], "environment": "staging"})  # fmt: skip
row("GET /api/v1/client-tokens/{token}", "project:tokens:read", token="client_token")
row("POST /api/v1/client-tokens/{token}/revoke", "project:tokens:revoke", body={}, token="client_token")
row(f"GET {_P}/segments", "project:read")
row(f"POST {_P}/segments", "segment:create", body={"key": "{project}-south", "name": "South"})
row(f"GET {_P}/segments/{{segment}}", "project:read")
row(f"PATCH {_P}/segments/{{segment}}", "segment:create", body={"name": "Renamed"})
row(f"GET {_P}/flags", "project:read")
row(f"POST {_P}/flags", "flag:create", body={"key": "{project}-new"})
row(f"GET {_P}/flags/{{flag}}", "project:read")
row(f"PATCH {_P}/flags/{{flag}}", "flag:update", body={"description": "Another"})
row(f"GET {_E}/ruleset", "project:read")
row(f"POST {_E}/evaluate", "project:read", body={"context": {"userId": "7"}})
row(f"POST {_E}/changes", _DRAFT, body={"operations": [_ENABLE], "title": "T", "wish": "draft"})
row("GET /api/v1/changes", "signed-in", why="the requests of the projects that one may read")
row("GET /api/v1/changes/{id}", "project:read", id="applied")
row("PATCH /api/v1/changes/{id}", _DRAFT, id="review", body={"title": "Better"})
row("POST /api/v1/changes/{id}/submit", f"author and {_DRAFT}", id="draft")
row("POST /api/v1/changes/{id}/comments", "change:comment", id="review", body={"comment": "Why?"})
for _act in ("approve", "request-changes", "reject"):
    row(f"POST /api/v1/changes/{{id}}/{_act}", "change:approve", id="review",
        body={"digest": "{review_digest}", "comment": "As seen."})  # fmt: skip
row("POST /api/v1/changes/{id}/withdraw", f"author and {_DRAFT}", id="review")
row("POST /api/v1/changes/{id}/apply", "involved and change:apply", id="approved_by_somebody")
row("POST /api/v1/changes/{id}/revert", _DRAFT, id="applied", body={"reason": "Wrong"})
row(f"POST {_P}/flags/{{flag}}/environments/{{environment}}/kill", "flag:kill", body={"reason": "Fire"})
row("GET /api/v1/kills", "signed-in", why="those of the projects that one may read")
row("POST /api/v1/kills/{id}/reason", "flag:kill", id="kill_record", body={"reason": "Fire"})
row(f"GET {_P}/flags/{{flag}}/reach", "project:read")
row("GET /api/v1/changes/{id}/reach", "project:read", id="applied")

# Pages
row("GET /projects", "signed-in", why="the projects that one may read")
row("GET /projects/new", "signed-in", why="the form says who may send it")
_PROJECT = {"name": "Third", "key": "third", "preset": "small-team"}
row("POST /projects/new", "org:project:create", body=_PROJECT)
row("GET /projects/defaults", "signed-in")
row("POST /projects/defaults", "org:settings:manage", body={"preset": "open"})
row("GET /projects/{project}", "project:read")
row("POST /projects/{project}/update", "project:update",
    body={"name": "Renamed", "description": "", "default_stickiness": "default"})  # fmt: skip
row(
    "POST /projects/{project}/environments/new", "project:environments:manage", body={"name": "Canary", "key": "canary"}
)
row("POST /projects/{project}/environments/{environment}/move", "project:environments:manage", body={"to": "up"})
row("GET /projects/{project}/tokens/new", "project:tokens:manage")
row("POST /projects/{project}/tokens/new", "project:tokens:manage",
    body={"name": "app", "type": "backend", "environment": "staging"})  # fmt: skip
row("POST /projects/{project}/tokens/{token}/revoke", "project:tokens:revoke", token="client_token")
for _method in ("GET", "POST"):
    row(f"{_method} /projects/{{project}}/environments", "anyone", why="leads to the project's page, which asks")
row("GET /projects/{project}/segments", "project:read")
row("GET /projects/{project}/segments/new", "project:read")
row("POST /projects/{project}/segments/new", "segment:create", body={"key": "{project}-south", "name": "South"})
row("GET /projects/{project}/segments/{segment}", "project:read")
row("POST /projects/{project}/segments/{segment}", "segment:create", body={"name": "Renamed", "description": ""})
row("GET /projects/{project}/segments/{segment}/environments/{environment}", "project:read")
row("POST /projects/{project}/segments/{segment}/environments/{environment}", "project:read", body={},
    why="only reshapes the form")  # fmt: skip
row("GET /flags", "signed-in", why="those of the projects that one may read")
row("GET /projects/{project}/flags", "project:read")
row("GET /projects/{project}/flags/new", "project:read")
row("POST /projects/{project}/flags/new", "flag:create", body={"key": "{project}-new", "type": "release"})
row("GET /projects/{project}/flags/{flag}", "project:read")
row("GET /projects/{project}/flags/{flag}/describe", "project:read", why="the flag's page with its form open")
row("POST /projects/{project}/flags/{flag}/describe", "flag:update", body={"type": "release", "description": "Another"})
_S = "/projects/{project}/flags/{flag}/environments/{environment}/strategies"
row(f"GET {_S}/new", "project:read")
row(f"POST {_S}/new", "project:read", body={"act": ""}, why="only reshapes the form")
row(f"GET {_S}/{{strategy}}", "project:read")
row(f"POST {_S}/{{strategy}}", "project:read", body={"act": ""}, why="only reshapes the form")
row("GET /playground", "signed-in")
row("POST /playground", "signed-in")
row("GET /projects/{project}/environments/{environment}/reach/{number}", "project:read")
row("GET /requests", "signed-in", why="the requests of the projects that one may read")
row("GET /projects/{project}/requests", "project:read")
row("GET /requests/{id}", "project:read", id="applied")
row("POST /requests/{id}/decide", "change:approve", id="review",
    body={"decision": "approve", "digest": "{review_digest}"})  # fmt: skip
row("POST /requests/{id}/act", "involved and change:apply", id="approved_by_somebody", body={"act": "apply"})
_D = "/projects/{project}/environments/{environment}/draft"
row(f"GET {_D}", "project:read")
row(f"POST {_D}", _DRAFT, body={"flag": "{flag}", "operation": "flag.disable"})
row(f"POST {_D}/finish", f"author and {_DRAFT}", body={"act": "discard"})
row("GET /projects/{project}/policies", "project:policy:read")
row("POST /projects/{project}/policies/{environment}", "project:policy:propose",
    body={"base-approvals": "2", "base-request_days": "30", "base-requires_reason": "on", "reason-why": "Why",
          **{f"{part}-{name}_FORMS": "0"
             for part in ("who", "lower", "rule", "freeze") for name in ("TOTAL", "INITIAL")}})  # fmt: skip
row("POST /projects/{project}/environments/{environment}/flags/{flag}/kill", "flag:kill", body={"confirm": "yes"})
row("GET /kills", "signed-in", why="those of the projects that one may read")
row("POST /kills/{id}/reason", "flag:kill", id="kill_record", body={"reason": "Fire"})
