"""Integrations, which are governed, and what notices and messages need while they are on their way."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class Integration(Governed):
    """Where happenings are sent, or a ticket system that requests link to; without its secrets.

    State: ``name``, ``kind`` (``webhook|slack|teams|jira|servicenow|github|gitlab``), ``project`` (key, or None: of the
    whole installation), ``topics`` and ``environments`` (lists; empty: all), ``host`` (of the sealed address),
    ``base_url`` and ``prefixes`` (of a ticket system), ``status`` (``active|disabled|deleted``), ``why`` (of being
    disabled), ``secret_version``, ``rotated_at`` (RFC 3339 or None), ``made_by, made_at, changed_by``.
    """

    object_type = "integration"

    kind = derived_text("content", "kind", length=20)
    project = derived_text("content", "project", length=100)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "integrations_integration"
        indexes = [models.Index(fields=["status", "kind"], name="integration_status")]


class Secret(models.Model):
    """A secret of an integration, sealed by the vault: ``<integration>/<url|secret|previous|token>``."""

    id = models.CharField(max_length=120, primary_key=True)
    sealed = models.TextField()

    class Meta:
        db_table = "integrations_secret"


class Cursor(models.Model):
    """The number of the first entry of the log that has not been told yet. One row, made with the table."""

    name = models.CharField(max_length=20, primary_key=True)
    seq = models.BigIntegerField()

    class Meta:
        db_table = "integrations_cursor"


class Notice(models.Model):
    """That a person is to know of something. Ids only: words are made when it is read, from what is so then.

    ``source`` is ``entry:<number>`` or ``finding:<hash>``, once for each person. ``facts`` is JSON: what
    ``happenings.Happening`` needs, or the finding's code and subject.
    """

    id = models.BigAutoField(primary_key=True)
    person = models.CharField(max_length=64)
    source = models.CharField(max_length=80)
    at = models.DateTimeField()
    topic = models.CharField(max_length=20)
    urgency = models.CharField(max_length=10)
    project = models.CharField(max_length=100)
    environment = models.CharField(max_length=100)
    needs = models.CharField(max_length=60)
    facts = models.TextField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "integrations_notice"
        constraints = [models.UniqueConstraint(fields=["person", "source"], name="notice_once")]
        indexes = [
            models.Index(fields=["person", "-id"], name="notice_person"),
            models.Index(fields=["person"], name="notice_unread", condition=models.Q(read_at=None)),
            models.Index(fields=["at"], name="notice_at"),
        ]


class Delivery(models.Model):
    """A message on its way out, once for each target and source. ``target`` is a person (by e-mail) or an integration.

    ``status``: ``due`` (to be tried at ``next_at``), ``held`` (for the digest), ``sent``, ``dead`` (given up) or
    ``dropped`` (not to be sent any more). ``tries`` is a JSON list of ``{at, status, ms, problem}``, newest last.
    """

    id = models.CharField(max_length=64, primary_key=True)
    target = models.CharField(max_length=64)
    source = models.CharField(max_length=80)
    facts = models.TextField()
    status = models.CharField(max_length=10)
    tried = models.PositiveIntegerField(default=0)
    tries = models.TextField(default="[]")
    next_at = models.DateTimeField()
    made_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "integrations_delivery"
        constraints = [models.UniqueConstraint(fields=["target", "source"], name="delivery_once")]
        indexes = [
            models.Index(fields=["status", "next_at"], name="delivery_due"),
            models.Index(fields=["target", "-made_at"], name="delivery_target"),
            models.Index(fields=["made_at"], name="delivery_made"),
        ]


class Preference(models.Model):
    """How somebody wants to be told by e-mail: JSON, topic -> ``now|digest|never``; what lacks is as by default."""

    person = models.CharField(max_length=64, primary_key=True)
    mails = models.TextField()

    class Meta:
        db_table = "integrations_preference"


exempt("integrations_secret", "addresses and secrets of integrations, sealed; each replacement is an entry")
exempt("integrations_cursor", "how far the log has been told; it can only be told twice, never altered, by this")
exempt("integrations_notice", "who was told of which entry, and whether they have read it; decides nothing")
exempt("integrations_delivery", "messages on their way out and what came of them; what they tell of stands in the log")
exempt("integrations_preference", "how people want to be told by e-mail; decides nothing")
