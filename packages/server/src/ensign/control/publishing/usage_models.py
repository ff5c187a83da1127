"""Tables of usage: how often each flag was evaluated, and by which applications. Counts only, never a context.

They live apart from ``models`` because they are no configuration: nothing that an SDK evaluates depends on them.
"""

from __future__ import annotations

from django.db import models

from ensign.control.audit.registry import exempt


class UsageHour(models.Model):
    """How often an application asked for a flag within one hour (``hour`` is its beginning, UTC).

    The row with an empty ``variant`` counts answers ``yes`` and ``no``; a row with a variant's name counts in ``yes``
    how often that variant was given. ``known`` is false for a name that the ruleset did not hold.
    """

    pk = models.CompositePrimaryKey("project", "environment", "flag", "app_name", "hour", "variant")
    project = models.CharField(max_length=100)
    environment = models.CharField(max_length=100)
    flag = models.CharField(max_length=100)
    app_name = models.CharField(max_length=200)
    hour = models.DateTimeField()
    variant = models.CharField(max_length=100)
    yes = models.BigIntegerField()
    no = models.BigIntegerField()
    known = models.BooleanField()

    class Meta:
        db_table = "publishing_usage_hour"
        indexes = [models.Index(fields=["hour"], name="usage_hour")]


class Application(models.Model):
    """An application that was seen: with which SDK, and how many instances of it within the last hour it reported in.

    ``project`` is a project's key, or ``*`` for a token that reaches all of them.
    """

    pk = models.CompositePrimaryKey("project", "environment", "app_name", "sdk")
    project = models.CharField(max_length=100)
    environment = models.CharField(max_length=100)
    app_name = models.CharField(max_length=200)
    sdk = models.CharField(max_length=100)
    instances = models.BigIntegerField()
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        db_table = "publishing_application"


class Refusal(models.Model):
    """How many requests of applications were refused in one minute (its beginning, UTC) for one reason.

    ``reason`` is of a short list, such as ``401_unknown_token``. Rows go when the worker has summed them up.
    """

    pk = models.CompositePrimaryKey("minute", "reason")
    minute = models.DateTimeField()
    reason = models.CharField(max_length=100)
    count = models.BigIntegerField()

    class Meta:
        db_table = "publishing_refusal"


exempt("publishing_usage_hour", "counts that SDKs report about themselves; no flag's state depends on them")
exempt("publishing_application", "what SDKs report about themselves; no flag's state depends on it")
exempt("publishing_refusal", "counts on their way into an entry, which the worker writes and then forgets them")
