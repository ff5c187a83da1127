"""Rows of people, groups, roles, service accounts and tokens."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

# API
row("GET /api/v1/whoami", "signed-in")
row("GET /api/v1/people", "org:read")
row("POST /api/v1/people", "org:people:invite", body={"email": "new@example.com", "name": "New"})
row("GET /api/v1/people/{person_id}", "org:read", person_id="member")
row("POST /api/v1/people/{person_id}/invitation", "org:people:invite", person_id="invited")
row("POST /api/v1/people/{person_id}/password-link", "org:people:recover", person_id="member")
row("POST /api/v1/people/{person_id}/deactivate", "org:people:manage", body={}, person_id="member")
row("POST /api/v1/people/{person_id}/reactivate", "org:people:manage", body={}, person_id="gone")
row("GET /api/v1/groups", "org:read")
row("POST /api/v1/groups", "org:groups:manage", body={"name": "Another team"})
row("GET /api/v1/groups/{group_id}", "org:read", group_id="group")
row("PUT /api/v1/groups/{group_id}", "org:groups:manage", body={"name": "Renamed"}, group_id="group")
row("POST /api/v1/groups/{group_id}/archive", "org:groups:manage", body={}, group_id="group")
row("POST /api/v1/groups/{group_id}/members", "org:groups:members", body={"person": "{newcomer}"}, group_id="group")
row("DELETE /api/v1/groups/{group_id}/members/{person_id}", "org:groups:members", group_id="group", person_id="member")
row("GET /api/v1/grants", "org:read")
row("POST /api/v1/grants", "org:access:grant", body={"subject": "{newcomer}", "role": "viewer"})
row("POST /api/v1/grants/{grant_id}/end", "org:access:grant", body={}, grant_id="org_grant")
row("GET /api/v1/access/who-can", "org:read", query="permission=project:read&project=shop")
row("GET /api/v1/access/what-can", "org:read", query="subject={member}")
row("GET /api/v1/service-accounts", "org:read")
_SERVICE = {"name": "another", "purpose": "Ships more", "owner": "{owner}"}
row("POST /api/v1/service-accounts", "org:service-accounts:manage", body=_SERVICE)
row("GET /api/v1/service-accounts/{service_account_id}", "org:read", service_account_id="service")
row("PUT /api/v1/service-accounts/{service_account_id}", "org:service-accounts:manage", body=_SERVICE,
    service_account_id="service")  # fmt: skip
row("POST /api/v1/service-accounts/{service_account_id}/disable", "org:service-accounts:manage", body={},
    service_account_id="service")  # fmt: skip
row("POST /api/v1/service-accounts/{service_account_id}/enable", "org:service-accounts:manage", body={},
    service_account_id="idle_service")  # fmt: skip
row("GET /api/v1/service-accounts/{service_account_id}/tokens", "org:read", service_account_id="service")
row("POST /api/v1/service-accounts/{service_account_id}/tokens", "org:service-accounts:manage",
    body={"name": "second", "days": 5}, service_account_id="service")  # fmt: skip
row("GET /api/v1/tokens", "signed-in")
row("POST /api/v1/tokens", "in person", body={"name": "laptop", "days": 5})
row("POST /api/v1/tokens/{token_id}/revoke", "org:service-accounts:manage", body={}, token_id="service_token")

# Pages
row("GET /people", "org:read")
row("GET /people/invite", "org:people:invite")
row("POST /people/invite", "org:people:invite", body={"email": "new@example.com", "name": "New"})
row("GET /people/{person_id}", "org:read", person_id="member")
row("POST /people/{person_id}/invite-again", "org:people:invite", person_id="invited")
row("POST /people/{person_id}/reset-link", "org:people:recover", person_id="member")
row("POST /people/{person_id}/remove-factors", "org:people:recover", body={"reason": "Lost"}, person_id="member")
row("POST /people/{person_id}/deactivate", "org:people:manage", body={"reason": ""}, person_id="member")
row("POST /people/{person_id}/reactivate", "org:people:manage", body={"reason": ""}, person_id="gone")
row("GET /groups", "org:read")
row("GET /groups/new", "org:groups:manage")
row("POST /groups/new", "org:groups:manage", body={"name": "Another team"})
row("GET /groups/{group_id}", "org:read", group_id="group")
row("POST /groups/{group_id}", "org:groups:manage", body={"name": "Renamed", "description": ""}, group_id="group")
row("POST /groups/{group_id}/archive", "org:groups:manage", body={"reason": ""}, group_id="group")
row("POST /groups/{group_id}/members", "org:groups:members", body={"person": "{newcomer}"}, group_id="group")
row("POST /groups/{group_id}/members/{person_id}/remove", "org:groups:members", group_id="group", person_id="member")
row("GET /service-accounts", "org:read")
row("GET /service-accounts/new", "org:service-accounts:manage")
row("POST /service-accounts/new", "org:service-accounts:manage", body=_SERVICE)
row("GET /service-accounts/{service_account_id}", "org:read", service_account_id="service")
row("POST /service-accounts/{service_account_id}", "org:service-accounts:manage", body=_SERVICE,
    service_account_id="service")  # fmt: skip
row("GET /service-accounts/{service_account_id}/tokens/new", "org:service-accounts:manage",
    service_account_id="service")  # fmt: skip
row("POST /service-accounts/{service_account_id}/tokens/new", "org:service-accounts:manage",
    body={"name": "second", "days": "5"}, service_account_id="service")  # fmt: skip
row("POST /service-accounts/{service_account_id}/disable", "org:service-accounts:manage", body={"reason": ""},
    service_account_id="service")  # fmt: skip
row("POST /service-accounts/{service_account_id}/enable", "org:service-accounts:manage", body={"reason": ""},
    service_account_id="idle_service")  # fmt: skip
row("GET /access", "org:read")
row("GET /access/new", "org:access:grant or anywhere project:access:grant")
row("POST /access/new", "org:access:grant", body={"subject": "{newcomer}", "role": "viewer"})
row("GET /access/who-can", "org:read")
row("POST /access/{grant_id}/end", "org:access:grant", body={"reason": ""}, grant_id="org_grant")
row("GET /account/tokens", "signed-in")
row("GET /account/tokens/new", "signed-in")
row("POST /account/tokens/new", "signed-in", body={"name": "laptop", "days": "5"})
row("POST /account/tokens/{token_id}/revoke", "org:service-accounts:manage", token_id="service_token")
