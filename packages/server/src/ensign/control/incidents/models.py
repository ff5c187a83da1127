"""Tables of kill switches, incidents, emergency changes, triggers and drills."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class Kill(Governed):
    """One press of a kill switch. State: ``project, environment, flag`` (keys), ``request, by, via``,
    ``pressed_at, applied_at`` (RFC 3339), ``reason_status`` (``open|given``), ``reason, reason_by, reason_at``.
    Newer ones also have ``incident`` (id or null), ``trigger`` (id or null).
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


class IncidentRow(Governed):
    """State: the members of ``states.Incident``."""

    object_type = "incident"

    incident_state = derived_text("content", "state", length=20)

    class Meta:
        db_table = "incidents_incident"
        indexes = [models.Index(fields=["incident_state", "id"], name="incident_state")]


class IncidentUpdate(Governed):
    """One line of an incident's log. State: ``incident, by, at, text``. Written once."""

    object_type = "incident_update"

    incident = derived_text("content", "incident", length=64)

    class Meta:
        db_table = "incidents_update"
        indexes = [models.Index(fields=["incident", "id"], name="incident_update")]


class EmergencyRow(Governed):
    """An opening of the glass. State: the members of ``emergency.Emergency``. ``verdict`` is null until reviewed."""

    object_type = "break_glass"

    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    person = derived_text("content", "person", length=64)
    incident = derived_text("content", "incident", length=64)
    verdict = derived_text("content", "verdict", length=20)

    class Meta:
        db_table = "incidents_break_glass"
        indexes = [
            models.Index(fields=["project", "environment", "id"], name="break_glass_place"),
            models.Index(fields=["person", "id"], name="break_glass_person"),
            models.Index(fields=["incident", "id"], name="break_glass_incident"),
        ]


class Trigger(Governed):
    """An address that switches a flag off. State: the members of ``triggering.TriggerView`` without its secret;
    ``token_hash`` is empty where requests are signed.
    """

    object_type = "kill_trigger"

    project = derived_text("content", "project", length=100)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "incidents_trigger"
        indexes = [models.Index(fields=["project", "id"], name="trigger_project")]


class TriggerSecret(models.Model):
    """The key with which requests to a trigger are signed, sealed under ``secrets.key``."""

    trigger = models.CharField(max_length=64, primary_key=True)
    sealed = models.TextField()

    class Meta:
        db_table = "incidents_trigger_secret"


class TriggerSeen(models.Model):
    """A signed request that was acted on, by a hash of its trigger and id, for as long as its time is accepted."""

    key = models.CharField(max_length=64, primary_key=True)
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "incidents_trigger_seen"


class TriggerMinute(models.Model):
    """How many requests to triggers were refused in the present minute. One row."""

    id = models.IntegerField(primary_key=True)
    since = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        db_table = "incidents_trigger_refusals"


class DrillPlan(Governed):
    """When a kill switch is rehearsed. State: the members of ``drilling.Plan``."""

    object_type = "drill_plan"

    project = derived_text("content", "project", length=100)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "incidents_drill_plan"
        indexes = [models.Index(fields=["project", "id"], name="drill_plan_project")]


class Drill(Governed):
    """One rehearsal, and what was measured. State: the members of ``drilling.Drill``."""

    object_type = "drill"

    plan = derived_text("content", "plan", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "incidents_drill"
        indexes = [
            models.Index(fields=["plan", "id"], name="drill_plan"),
            models.Index(fields=["status", "id"], name="drill_status"),
        ]


exempt("incidents_trigger_secret", "keys of signed requests, sealed; making and revoking them are entries")
exempt("incidents_trigger_seen", "hashes of signed requests for ten minutes, so that none is acted on twice")
exempt("incidents_trigger_refusals", "a counter; refusals are entries, summarised above a rate")
