"""Identity providers for tests, at once: rows and entries are real, only the settings pages are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import RequestFactory
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity.sso import queries, secrets
from ensign.control.identity.sso.actions import IDENTITY_LINKED, PROVIDER_CREATED
from ensign.control.identity.sso.domain import Asserted, ProviderView, subject_hash
from ensign.control.identity.sso.models import ExternalIdentity, IdentityProvider
from ensign.control.kernel import clock
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import write_door

from ensign_testkit.people import SYSTEM


def add_provider(
    key: str = "okta",
    *,
    kind: str = "oidc",
    shape: str = "generic",
    settings: Mapping[str, Any] | None = None,
    secret: str = "",
    domains: Sequence[str] = ("example.com",),
    mapping: Sequence[tuple[str, str]] = (),
    at: datetime | None = None,
    **more: Any,
) -> ProviderView:
    """A provider; ``mapping`` is (value, group id) pairs that somebody else decided, ``more`` the rest of its state."""
    at = at or clock.now()
    id = new_id("idp", at=at)
    state: dict[str, Any] = {
        "key": key,
        "name": key.capitalize(),
        "kind": kind,
        "shape": shape,
        "status": "active",
        "settings": dict(settings or {}),
        "secret_version": 1 if secret else 0,
        "domains": list(domains),
        "enforced": False,
        "provisioning": False,
        "mfa_counts": False,
        "group_claim": "groups",
        "group_mapping": [{"value": value, "group": group, "by": SYSTEM.id} for value, group in mapping],
        "recheck_minutes": 60,
        "session_hours": 12,
        **more,
    }
    with write_door():
        row = stage(IdentityProvider, id=id, state=state)
        record(action=PROVIDER_CREATED, actor=SYSTEM, at=at, staged=[row])
        if secret:
            secrets.keep(id, "client_secret", secret)
    return queries.provider(id)


def add_identity(
    provider: ProviderView, person_id: str, subject: str = "00u1anna", *, at: datetime | None = None
) -> str:
    """That ``subject`` at a provider is this person; returns the identity's id."""
    at = at or clock.now()
    id = new_id("xid", at=at)
    state = {
        "provider": provider.id,
        "subject": subject,
        "subject_hash": subject_hash(provider.id, subject),
        "person": person_id,
        "linked_at": clock.text(at),
        "how": "address",
        "status": "active",
    }
    with write_door():
        row = stage(ExternalIdentity, id=id, state=state)
        record(action=IDENTITY_LINKED, actor=SYSTEM, at=at, staged=[row])
    return id


def asserting(provider: ProviderView, email: str = "anna.berg@example.com", **more: Any) -> Asserted:
    """What a provider might assert of Anna."""
    given: dict[str, Any] = {
        "provider": provider.id,
        "subject": "00u1anna",
        "email": email,
        "email_verified": True,
        "name": "Anna Berg",
        "groups": (),
        "authenticated_at": clock.now() - timedelta(seconds=1),
        "strong": False,
        "session_index": "sid-1",
        **more,
    }
    return Asserted(**given)


def browser_request(session: SessionStore | None = None) -> HttpRequest:
    """A request of a browser that is not signed in, with a session of its own."""
    request = RequestFactory().get("/")
    request.session = session or SessionStore()
    request.user = AnonymousUser()
    return request
