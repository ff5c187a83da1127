"""What SDKs get: the current ruleset of every environment, and every revision that there ever was.

The delivery plane reads both tables (ARCHITECTURE.md, "Contracts between apps").
"""

from __future__ import annotations

from django.db import models

from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt, insert_only
from ensign.control.publishing.reach_models import Reach as Reach
from ensign.control.publishing.usage_models import Application as Application
from ensign.control.publishing.usage_models import UsageHour as UsageHour


class Ruleset(Governed):
    """The current ruleset of one environment. The id is the environment's with ``rul_`` for ``env_``.

    ``content`` is canonical JSON ``{environment, epoch, features, nonce, number, project, segments,
    signature}``; rulesets from before there were signatures have none. No column is
    derived from it, as the database would parse half a megabyte for each. Its versions are not kept as documents:
    every one of them can be derived from the flags and segments, whose versions are.
    """

    object_type = "ruleset"
    keeps_history = False

    class Meta:
        db_table = "publishing_ruleset"


class Revision(models.Model):
    """One publication. ``number`` counts those of the whole installation; (``epoch``, ``number``) never goes back.

    ``delta`` is a JSON list of events (wire-contracts 3.2: ``feature-updated``, ``feature-removed``,
    ``segment-updated``, ``segment-removed``, without ``eventId``, which is ``number``) that takes the previous ruleset
    of this environment to this one. ``digest`` is that of the ruleset's content, as the entry ``ledger_seq`` has it.
    """

    number = models.BigIntegerField(primary_key=True)
    epoch = models.BigIntegerField()
    project = models.CharField(max_length=100)
    environment = models.CharField(max_length=100)
    ruleset = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    delta = models.TextField()
    ledger_seq = models.BigIntegerField()

    class Meta:
        db_table = "publishing_revision"
        indexes = [
            models.Index(fields=["project", "environment", "number"], name="revision_place"),
            models.Index(fields=["ledger_seq"], name="revision_entry"),
        ]


insert_only("publishing_revision", "one row for every published ruleset; its digest stands in the entry that it names")


class Proof(models.Model):
    """That the log vouches for the ruleset ``ruleset``, for whoever checks signatures (docs/reference/signed-rulesets).

    ``document`` is JSON ``{project, environment, epoch, number, entry, index, path, checkpoint}``, or empty where
    there is nothing to prove. ``serial`` grows with every row that is written, so that readers find what is new.
    """

    ruleset = models.CharField(max_length=64, primary_key=True)
    ledger_seq = models.BigIntegerField()
    serial = models.BigIntegerField()
    document = models.TextField()

    class Meta:
        db_table = "publishing_proof"


exempt("publishing_proof", "entries and signed checkpoints put together for applications; whoever gets one verifies it")
