"""From the provider's cross-site POST to a request that carries our session: a one-time ticket (ADR 0024).

Browsers do not send our session's cookie (SameSite=Lax) with a POST from another site, and should not. So the POST is
judged without any cookie, what came of it is laid down sealed under a ticket, and the browser is led to a GET, with
which the cookie comes. A ticket is good once, for two minutes, and for nothing without the session that asked.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from ensign.control.identity.sso.saml_models import SamlTicket
from ensign.control.kernel.sealing import vault
from ensign.control.kernel.transactions import write_door

LIFETIME: Final = timedelta(minutes=2)


def lay_down(provider_id: str, content: dict[str, Any], *, at: datetime) -> str:
    """Keep what a POST brought; returns the ticket. Old ones are forgotten at the same time."""
    text = secrets.token_urlsafe(24)
    id = _hashed(text)
    sealed = vault().seal(json.dumps(content), place=f"identity_saml_ticket/{id}")
    with write_door():
        SamlTicket.objects.filter(until__lt=at).delete()
        SamlTicket.objects.create(pk=id, provider_id=provider_id, sealed=sealed, until=at + LIFETIME)
    return text


def take(text: str, provider_id: str, *, at: datetime) -> dict[str, Any] | None:
    """What the ticket stands for, once; None when there is no such ticket for this provider."""
    id = _hashed(text)
    with write_door():
        row = SamlTicket.objects.select_for_update().filter(pk=id, provider_id=provider_id, until__gte=at).first()
        if row is None:
            return None
        row.delete()
    content: dict[str, Any] = json.loads(vault().open(row.sealed, place=f"identity_saml_ticket/{id}"))
    return content


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def prune(*, at: datetime) -> int:
    """Forget tickets that nobody took up in time; returns how many. For the worker."""
    return SamlTicket.objects.filter(until__lt=at).delete()[0]
