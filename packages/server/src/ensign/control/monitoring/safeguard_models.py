"""Tables of safeguards and of the Prometheus that they ask; outside the ledger, their secrets and last readings."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class Safeguard(Governed):
    """What guards a flag in an environment. State: the members of ``domain.safeguards.Safeguard``."""

    object_type = "safeguard"

    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    flag = derived_text("content", "flag", length=100)
    key = derived_text("content", "key", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "monitoring_safeguard"
        constraints = [models.UniqueConstraint(fields=["project", "environment", "key"], name="safeguard_key")]
        indexes = [models.Index(fields=["status", "id"], name="safeguard_status")]


class Prometheus(Governed):
    """Which Prometheus is asked. One row (id ``installation``); state: ``url, credentials`` (``none|bearer|basic``),
    ``secret`` (how often its secret was replaced)."""

    object_type = "prometheus"

    class Meta:
        db_table = "monitoring_prometheus"


class Secret(models.Model):
    """A sealed secret: of Prometheus (id ``prometheus``) or of a safeguard's webhook (its id)."""

    id = models.CharField(max_length=64, primary_key=True)
    sealed = models.TextField()

    class Meta:
        db_table = "monitoring_secret"


class Watch(models.Model):
    """What a safeguard (its id) saw last. Members of ``domain.safeguards.Watch``."""

    id = models.CharField(max_length=64, primary_key=True)
    breaches = models.PositiveIntegerField(default=0)
    value = models.CharField(max_length=40, default="")
    problem = models.CharField(max_length=200, default="")
    checked_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    told = models.BooleanField(default=False)

    class Meta:
        db_table = "monitoring_watch"


class Message(models.Model):
    """The hash of a webhook's message that was taken, until it would be refused as too old."""

    key = models.CharField(max_length=64, primary_key=True)
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "monitoring_message"


exempt("monitoring_secret", "sealed secrets; replacing one is an entry of the safeguard or of the Prometheus")
exempt("monitoring_watch", "last readings: written every 15 seconds; what follows from them are entries with the value")
exempt("monitoring_message", "hashes of messages that count once; what a message caused is an entry")
