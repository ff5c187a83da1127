"""Certificates of SAML providers that end soon: nobody signs in through them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse

from ensign.control.access.findings import Finding
from ensign.control.identity.sso import queries
from ensign.control.identity.sso.saml_kind import available

WARNED: Final = timedelta(days=30)


def source(at: datetime) -> Sequence[Finding]:
    """One for each provider in use whose last certificate ends within 30 days, or has ended."""
    providers = [one for one in queries.active_providers() if one.kind == "saml"]
    if not providers or not available():
        return ()
    from ensign.control.identity.sso import saml_metadata  # deferred: lxml is an extra, and heavy

    found = []
    for provider in providers:
        ends = max(saml_metadata.describe(body).ends_at for body in provider.settings["certificates"])
        if ends - at <= WARNED:
            word = "ended" if ends <= at else "ends"
            found.append(
                Finding(
                    code="saml-certificate",
                    subject=provider.id,
                    title=f"The last certificate of {provider.name} {word} on {ends:%d %B %Y}.",
                    remedy="Add the provider's next certificate to its settings, or read its metadata again.",
                    since=ends - WARNED,
                    url=reverse("access:provider", args=[provider.id]),
                )
            )
    return found
