"""Table of kill records. Governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class Kill(Governed):
    """One press of a kill switch. State: ``project, environment, flag`` (keys), ``request, by, via``,
    ``pressed_at, applied_at`` (RFC 3339), ``reason_status`` (``open|given``), ``reason, reason_by, reason_at``.
    """

    object_type = "kill"

    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    flag = derived_text("content", "flag", length=100)
    reason_status = derived_text("content", "reason_status", length=10)

    class Meta:
        db_table = "incidents_kill"
        indexes = [
            models.Index(fields=["reason_status", "id"], name="kill_reason"),
            models.Index(fields=["project", "id"], name="kill_project"),
        ]
