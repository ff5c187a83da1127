"""What SAML needs to remember besides what every protocol does."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.registry import exempt


class SamlTicket(models.Model):
    """What a response that was posted across sites brought, sealed, until the browser's session takes it up."""

    id = models.CharField(max_length=64, primary_key=True)
    provider_id = models.CharField(max_length=64)
    sealed = models.TextField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "identity_saml_ticket"


exempt("identity_saml_ticket", "verified answers of SAML providers on their way to a session: sealed, two minutes")
