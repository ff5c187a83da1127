"""Rows of identity providers, and of signing in through them."""

from __future__ import annotations

from typing import Any

from ensign_testkit.matrix.table import DONE, LED_TO_SIGN_IN, row

_READ = "org:security:manage or org:ledger:read"
_MANAGE = "org:security:manage"
_SETTINGS = {"issuer": "http://127.0.0.1:9", "client_id": "ensign"}
_BODY: dict[str, Any] = {"name": "Another", "settings": _SETTINGS, "secret": "s3cret"}
_FORM: dict[str, Any] = {"name": "Another", "shape": "generic", "secret": "s3cret", "recheck_minutes": "60",
                         "session_hours": "12", **_SETTINGS}  # fmt: skip
_PRIVATE = frozenset({422})
_OFFLINE = "the issuer lies in a network that nobody allowed"

# API
_ID = "/api/v1/identity-providers/{provider_id}"
row("GET /api/v1/identity-providers", _READ)
row("POST /api/v1/identity-providers", _MANAGE, body={"key": "another", **_BODY}, done=_PRIVATE, why=_OFFLINE)
row(f"GET {_ID}", _READ, provider_id="provider")
row(f"PUT {_ID}", _MANAGE, body=_BODY, provider_id="provider", done=_PRIVATE, why=_OFFLINE)
row(f"PUT {_ID}/mapping", _MANAGE, body={"mapping": [{"value": "eng", "group": "{group}"}]}, provider_id="provider")
row(f"POST {_ID}/enable", _MANAGE, provider_id="idle_provider")
row(f"POST {_ID}/vouch", _MANAGE, body={}, provider_id="alone_provider")
row(f"POST {_ID}/disable", _MANAGE, body={}, provider_id="provider")
row(f"POST {_ID}/enforce", _MANAGE, body={}, provider_id="provider", done=frozenset({409}),
    why="nobody has signed in through it")  # fmt: skip
row(f"POST {_ID}/release", _MANAGE, body={}, provider_id="enforced_provider")
row(f"GET {_ID}/people", _READ, provider_id="provider")
row(f"POST {_ID}/people/{{identity_id}}/release", _MANAGE, body={}, provider_id="provider")

# Pages
_PAGE = "/identity-providers/{provider_id}"
row("GET /identity-providers", _READ)
row("GET /identity-providers/new", _MANAGE)
row("POST /identity-providers/new", _MANAGE, body={"key": "another", **_FORM}, done=_PRIVATE, why=_OFFLINE)
row(f"GET {_PAGE}", _READ, provider_id="provider")
row(f"POST {_PAGE}", _MANAGE, body=_FORM, provider_id="provider", done=_PRIVATE, why=_OFFLINE)
row(f"GET {_PAGE}/try", _MANAGE, provider_id="provider", done=frozenset({503}), why="the provider does not answer")
for _act in ("map", "unmap"):
    row(f"POST {_PAGE}/{_act}", _MANAGE, body={"value": "eng", "group": "{group}"}, provider_id="provider")
row(f"POST {_PAGE}/enable", _MANAGE, provider_id="idle_provider")
row(f"POST {_PAGE}/vouch", _MANAGE, body={"reason": ""}, provider_id="alone_provider")
row(f"POST {_PAGE}/disable", _MANAGE, body={"reason": ""}, provider_id="provider")
row(f"POST {_PAGE}/enforce", _MANAGE, body={"reason": ""}, provider_id="provider")
row(f"POST {_PAGE}/release", _MANAGE, body={"reason": ""}, provider_id="enforced_provider")
row(f"POST {_PAGE}/people/{{identity_id}}/release", _MANAGE, body={"reason": ""}, provider_id="provider")

# Signing in: whoever comes is judged by what the provider says of them, not by who they are.
_NOBODY = frozenset({*DONE, LED_TO_SIGN_IN, 400, 403, 503})
row("POST /sso/route", "anyone", body={"email": "somebody@elsewhere.example"})
row("GET /sso/renew", "anyone", why="no session here began at a provider", done=_NOBODY)
row("GET /sso/confirm", "signed-in", why="leads to the other page that confirms", done=_NOBODY)
row("GET /sso/{key}/login", "anyone", key="provider_key", done=_NOBODY, why="the provider does not answer")
row("GET /sso/{key}/callback", "anyone", key="provider_key", done=frozenset({422}), why="answers no question")
row("POST /sso/{key}/backchannel-logout", "anyone", key="provider_key", done=frozenset({400}), why="no log-out token")
_NOT_SAML = frozenset({400, 404, 422})
for _route in ("POST /sso/{key}/acs", "GET /sso/{key}/finish", "GET /sso/{key}/metadata", "GET /sso/{key}/slo"):
    row(_route, "anyone", key="provider_key", done=_NOT_SAML, why="the provider does not speak SAML")
