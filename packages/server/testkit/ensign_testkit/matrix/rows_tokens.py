"""Rows of rotation, of all tokens, and of CI identities."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_MANAGE = "org:service-accounts:manage"
_ROTATE = "project:tokens:manage and project:tokens:revoke"
_RULES = {"max_days": 300, "never": "nowhere"}
_SAID = {
    "name": "another",
    "shape": "github",
    "issuer": "https://token.actions.githubusercontent.com",
    "audience": "https://ensign.example.com",
}
_RULE = {**_SAID, "claims": {"repository": "acme/shop"}}
_RULE_FORM = {**_SAID, "claims": "repository = acme/shop", "minutes": "15"}

row("POST /api/v1/tokens/{token_id}/rotate", _MANAGE, body={}, token_id="service_token",
    why="a token that may rotate itself needs nothing more")  # fmt: skip
row("POST /api/v1/service-accounts/{service_account_id}/take-over", _MANAGE, body={}, service_account_id="service")
row("POST /api/v1/client-tokens/{token}/rotate", _ROTATE, body={}, token="client_token")
row("POST /api/v1/client-tokens/{token}/describe", "project:tokens:manage", body={"purpose": "Shop"},
    token="client_token")  # fmt: skip
row("GET /api/v1/client-token-rules", "org:read")
row("PUT /api/v1/client-token-rules", "org:settings:manage", body=_RULES)
row("GET /api/v1/token-inventory", "org:ledger:read")
row("POST /api/v1/exports/tokens", "org:ledger:export and org:ledger:read", body={})
row("GET /api/v1/service-accounts/{service_account_id}/federation-rules", "org:read", service_account_id="service")
row("POST /api/v1/service-accounts/{service_account_id}/federation-rules", _MANAGE, body=_RULE,
    service_account_id="service")  # fmt: skip
row("GET /api/v1/federation-rules/{rule_id}", "org:read", rule_id="rule")
row("PUT /api/v1/federation-rules/{rule_id}", _MANAGE, body=_RULE, rule_id="rule")
row("POST /api/v1/federation-rules/{rule_id}/end", _MANAGE, body={}, rule_id="rule")
row("POST /api/v1/federation-rules/{rule_id}/try", _MANAGE, body={"subject_token": "x"}, rule_id="rule")
row("POST /api/v1/oidc/token-exchange", "anyone", body={}, done=frozenset({415}),
    why="the ID token in the form is the credential (RFC 8693); the table sends JSON")  # fmt: skip

# Pages
row("GET /account/tokens/{token_id}/rotate", _MANAGE, token_id="service_token")
row("POST /account/tokens/{token_id}/rotate", _MANAGE, body={"overlap": "24"}, token_id="service_token")
row("POST /service-accounts/{service_account_id}/take-over", _MANAGE, service_account_id="service")
row("GET /tokens", "org:ledger:read")
row("POST /tokens/rules", "org:settings:manage", body=_RULES)
row("POST /tokens/export", "org:ledger:export and org:ledger:read", body={"format": "csv", "state": "all"})
row("GET /projects/{project}/tokens/{token}/rotate", "project:tokens:manage", token="client_token")
row("POST /projects/{project}/tokens/{token}/rotate", _ROTATE, body={"overlap": "24"}, token="client_token")
row("GET /service-accounts/{service_account_id}/ci", "org:read", service_account_id="service")
row("GET /service-accounts/{service_account_id}/ci/new", _MANAGE, service_account_id="service")
row("POST /service-accounts/{service_account_id}/ci/new", _MANAGE, body=_RULE_FORM, service_account_id="service")
row("GET /federation-rules/{rule_id}", "org:read", rule_id="rule")
row("POST /federation-rules/{rule_id}", _MANAGE, body=_RULE_FORM, rule_id="rule")
row("POST /federation-rules/{rule_id}/try", _MANAGE, body={"subject_token": "x"}, rule_id="rule")
row("POST /federation-rules/{rule_id}/end", _MANAGE, rule_id="rule")
