"""Rows of roles and of moving the ends of grants."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_CHANGE = {"name": "Flipper", "permissions": ["project:read"]}

# API
row("GET /api/v1/permissions", "signed-in")
row("GET /api/v1/roles", "org:read")
row("POST /api/v1/roles", "org:roles:manage", body={"key": "another", "name": "Another", "cloned_from": "viewer"})
row("GET /api/v1/roles/{key}", "org:read", key="custom_role")
row("PUT /api/v1/roles/{key}", "org:roles:manage", body=_CHANGE, key="custom_role")
row("POST /api/v1/roles/{key}/archive", "org:roles:manage", body={}, key="custom_role")
row("POST /api/v1/grants/{grant_id}/end-date", "org:access:grant", body={"ends_at": "2099-01-01T00:00:00Z"},
    grant_id="org_grant")  # fmt: skip

# Pages
row("GET /access/roles", "org:read")
row("GET /access/roles/new", "org:roles:manage")
row("POST /access/roles/new", "org:roles:manage",
    body={"key": "another", "name": "Another", "project": ["project:read"]})  # fmt: skip
row("GET /access/roles/{key}", "org:read", key="custom_role")
row("GET /access/roles/{key}/edit", "org:roles:manage", key="custom_role")
row("POST /access/roles/{key}/edit", "org:roles:manage", body={"name": "Flipper", "project": ["project:read"]},
    key="custom_role")  # fmt: skip
row("POST /access/roles/{key}/archive", "org:roles:manage", body={"reason": ""}, key="custom_role")
row("GET /access/{grant_id}/end-date", "org:read", grant_id="org_grant")
row("POST /access/{grant_id}/end-date", "org:access:grant", body={"ends_on": "2099-01-01"}, grant_id="org_grant")
