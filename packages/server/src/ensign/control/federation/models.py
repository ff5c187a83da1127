"""Rules of federation, which are governed, and what guards exchanges against replay and the log against floods."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class FederationRule(Governed):
    """Which CI jobs may act as a service account. State: ``service_account`` (id), ``name, shape``
    (``github|gitlab|other``), ``issuer`` (URL), ``audience``, ``claims`` (name -> pattern), ``permissions`` (list of
    codes, or null) and ``edition`` (of the catalogue of permissions), ``project, environment`` (keys or null),
    ``minutes, status`` (``active|ended``), ``created_by, created_at, changed_by``.
    """

    object_type = "federation_rule"

    service_account = derived_text("content", "service_account", length=64)
    issuer = derived_text("content", "issuer", length=500)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "federation_rule"
        indexes = [models.Index(fields=["issuer", "status"], name="federation_rule_issuer")]


class SeenToken(models.Model):
    """An ID token that was exchanged, by a hash, until it ends: it is good for one exchange."""

    key = models.CharField(max_length=64, primary_key=True)
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "federation_seen"


class RefusalMinute(models.Model):
    """How many exchanges were refused in the present minute. One row."""

    id = models.IntegerField(primary_key=True)
    since = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        db_table = "federation_refusals"


exempt(
    "federation_seen", "hashes of ID tokens until they end, so that none is exchanged twice; each exchange is an entry"
)
exempt("federation_refusals", "a counter; refused exchanges are entries, summarised above a rate")
