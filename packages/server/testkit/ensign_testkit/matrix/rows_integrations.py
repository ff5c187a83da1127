"""Rows of notices, of how one is told, and of integrations."""

from __future__ import annotations

from ensign_testkit.matrix.table import row

_OWN = "their own"
_ORG = "org:integrations:manage"
_MANAGE = "project:integrations:manage"
_JIRA = {"name": "Our tickets", "base_url": "https://tickets.example.com"}
_ACT = {"act": "disable"}

row("GET /api/v1/notices", "signed-in", why=_OWN)
row("POST /api/v1/notices/mark", "signed-in", body={}, why=_OWN)
row("GET /api/v1/notification-preferences", "signed-in", why=_OWN)
row("PUT /api/v1/notification-preferences", "signed-in", body={"mails": {"talk": "never"}}, why=_OWN)
row("GET /api/v1/changes/{id}/tickets", "project:read", id="applied")
row("GET /api/v1/integrations", _ORG)
row("POST /api/v1/integrations", _MANAGE, body={"kind": "jira", "project": "{project}", **_JIRA})
row("GET /api/v1/integrations/{id}", _MANAGE, id="integration")
row("PUT /api/v1/integrations/{id}", _MANAGE, body=_JIRA, id="tickets")
row("POST /api/v1/integrations/{id}/rotate", _MANAGE, id="integration")
row("POST /api/v1/integrations/{id}/act", _MANAGE, body=_ACT, id="integration")
row("GET /api/v1/integrations/{id}/deliveries", _MANAGE, id="integration")
row("POST /api/v1/deliveries/{id}/redeliver", _MANAGE, id="delivery")

row("GET /inbox", "in person", why=_OWN)
row("POST /inbox/read", "in person", why=_OWN)
row("GET /inbox/{notice}", "in person", why="only their own: others' are not found", notice="no_number",
    done=frozenset({404}))  # fmt: skip
row("GET /account/notifications", "in person", why=_OWN)
row("POST /account/notifications", "in person", body={"talk": "never"}, why=_OWN)
row("GET /requests/{id}/tickets", "project:read", id="applied")
row("GET /settings/integrations", _ORG)
row("GET /settings/integrations/new", _ORG)
row("POST /settings/integrations/new", _ORG, body={"kind": "jira", **_JIRA})
row("POST /settings/integrations/mail", _ORG)
row("GET /projects/{project}/integrations", _MANAGE)
row("GET /projects/{project}/integrations/new", _MANAGE)
row("POST /projects/{project}/integrations/new", _MANAGE, body={"kind": "jira", **_JIRA})
row("GET /integrations/{id}", _MANAGE, id="integration")
row("POST /integrations/{id}", _MANAGE, body=_JIRA, id="tickets")
row("POST /integrations/{id}/act", _MANAGE, body=_ACT, id="integration")
