"""The table of propagation: how far publications have come, as the nodes that deliver say."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.registry import exempt


class Reach(models.Model):
    """What ``reporter`` says about the instances of ``node`` and one publication; the newest report alone is kept.

    ``number`` 0 is no publication, but who is connected at present. ``groups`` is JSON: a list of ``{app, sdk, mode,
    instances, running, sent, slowest_ms}``; ``times`` maps milliseconds since ``began_at`` to how many instances took
    that long. ``since`` is the first publication that was taken in together with this one. ``entry`` is the entry
    that says how far it came, 0 when there was nothing to say.
    """

    pk = models.CompositePrimaryKey("project", "environment", "number", "node", "reporter")
    project = models.CharField(max_length=100)
    environment = models.CharField(max_length=100)
    number = models.BigIntegerField()
    node = models.CharField(max_length=32)
    reporter = models.CharField(max_length=32)
    epoch = models.BigIntegerField()
    since = models.BigIntegerField()
    began_at = models.DateTimeField()
    groups = models.TextField()
    times = models.TextField()
    slowest_ms = models.BigIntegerField(null=True)
    gone = models.BigIntegerField()
    within = models.BigIntegerField()
    final = models.BooleanField()
    updated_at = models.DateTimeField()
    entry = models.BigIntegerField(null=True)

    class Meta:
        db_table = "publishing_reach"
        indexes = [
            models.Index(fields=["began_at"], name="reach_began"),
            models.Index(fields=["entry", "number"], name="reach_entry"),
        ]


exempt("publishing_reach", "what running applications say about themselves; what came of it stands in an entry")
