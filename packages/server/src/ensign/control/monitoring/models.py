"""Tables of alerts, safeguards and their settings, which are governed, and of what they need to know meanwhile."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt
from ensign.control.monitoring.safeguard_models import Message as Message
from ensign.control.monitoring.safeguard_models import Prometheus as Prometheus
from ensign.control.monitoring.safeguard_models import Safeguard as Safeguard
from ensign.control.monitoring.safeguard_models import Secret as Secret
from ensign.control.monitoring.safeguard_models import Watch as Watch


class Alert(Governed):
    """Something that somebody has to judge. State: the members of ``domain.alerts.Alert``."""

    object_type = "alert"

    kind = derived_text("content", "kind", length=40)
    severity = derived_text("content", "severity", length=10)
    subject = derived_text("content", "subject", length=160)
    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    status = derived_text("content", "status", length=20)
    due_at = derived_text("content", "due_at", length=27)

    class Meta:
        db_table = "monitoring_alert"
        indexes = [
            models.Index(fields=["status", "id"], name="alert_status"),
            models.Index(fields=["project", "id"], name="alert_project"),
            models.Index(fields=["kind", "subject"], name="alert_matter"),
        ]


class MonitoringRules(Governed):
    """What the detectors are set to. One row (id ``installation``); state: the members of ``domain.rules.Rules``."""

    object_type = "monitoring_rules"

    class Meta:
        db_table = "monitoring_rules"


class Cursor(models.Model):
    """How far the detectors have read the log: the number of the first entry that they have not judged."""

    id = models.CharField(max_length=20, primary_key=True)
    seq = models.BigIntegerField()

    class Meta:
        db_table = "monitoring_cursor"


class Opened(models.Model):
    """That somebody (by id) opened a change request's page in a round of its review, and when first."""

    request = models.CharField(max_length=64)
    round = models.PositiveIntegerField()
    person = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        db_table = "monitoring_opened"
        constraints = [models.UniqueConstraint(fields=["request", "round", "person"], name="opened_once")]
        indexes = [models.Index(fields=["at"], name="opened_at")]


exempt("monitoring_cursor", "how far the detectors have read the log; it moves in the transaction of what they raise")
exempt(
    "monitoring_opened", "who opened which request's page, by ids: high-volume, kept 90 days; only alerts rest on it"
)
