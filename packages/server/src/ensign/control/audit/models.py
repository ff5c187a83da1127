"""Tables of the ledger, and :class:`Governed`, the base of every table whose rows the ledger vouches for.

The triggers that tie them together are in ``schema_sqlite`` and ``schema_postgresql``.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models

from ensign.control.audit.columns import derived_text


class Head(models.Model):
    """One row: how many entries there are and when the last one was made. Locked by every append."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    origin = models.CharField(max_length=200)
    size = models.BigIntegerField()
    last_ts = models.CharField(max_length=27)

    class Meta:
        db_table = "ledger_head"


class Entry(models.Model):
    """One entry. ``body`` holds the exact canonical bytes; every other column is derived from it."""

    seq = models.BigIntegerField(primary_key=True)
    body = models.TextField()
    leaf_hash = models.CharField(max_length=64)
    ts = derived_text("body", "ts", length=27)
    actor = derived_text("body", "actor.id", length=64)
    action = derived_text("body", "action", length=80)
    project = derived_text("body", "where.project", length=100)
    environment = derived_text("body", "where.environment", length=100)
    request_id = derived_text("body", "request_id", length=64)
    #: How a change came to apply (``request|direct|standard|break-glass``); NULL for all other entries.
    mode = derived_text("body", "approval.mode", length=20)

    class Meta:
        db_table = "ledger_entry"
        indexes = [
            models.Index(fields=["ts"], name="entry_ts"),
            models.Index(fields=["actor", "seq"], name="entry_actor"),
            models.Index(fields=["action", "seq"], name="entry_action"),
            models.Index(fields=["project", "environment", "seq"], name="entry_where"),
            models.Index(fields=["mode", "ts"], name="entry_mode"),
        ]


class Touch(models.Model):
    """That entry ``seq`` took ``object`` from digest ``before`` to ``after``. Derived from the entry by a trigger."""

    pk = models.CompositePrimaryKey("object", "version")
    object = models.CharField(max_length=100)
    version = models.BigIntegerField()
    seq = models.BigIntegerField(db_index=True)
    before = models.CharField(max_length=64, null=True)
    after = models.CharField(max_length=64)

    class Meta:
        db_table = "ledger_touch"


class Never(models.Model):
    """Always empty. A pending row refers to it with a deferred key, so a leftover fails the commit."""

    id = models.BigIntegerField(primary_key=True)

    class Meta:
        db_table = "ledger_never"


class Pending(models.Model):
    """A touch whose governed row has not been written yet; must be gone at commit."""

    pk = models.CompositePrimaryKey("object", "version")
    object = models.CharField(max_length=100)
    version = models.BigIntegerField()
    seq = models.BigIntegerField()
    after = models.CharField(max_length=64)
    leftover = models.ForeignKey(Never, on_delete=models.DO_NOTHING, default=1)

    class Meta:
        db_table = "ledger_pending"


class Document(models.Model):
    """What a digest in the ledger stands for: a governed state or a free text, each with a random nonce.

    ``content`` becomes NULL when an entry authorises the redaction; the digest stays.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    content = models.TextField(null=True)

    class Meta:
        db_table = "ledger_document"


class Redaction(models.Model):
    """That entry ``seq`` authorises forgetting the document ``digest``. Derived from the entry by a trigger."""

    digest = models.CharField(max_length=64, primary_key=True)
    seq = models.BigIntegerField()

    class Meta:
        db_table = "ledger_redaction"


class Checkpoint(models.Model):
    """A signed checkpoint (C2SP) and the frontier it was made from."""

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()
    frontier = models.TextField()

    class Meta:
        db_table = "ledger_checkpoint"


class Governed(models.Model):
    """A row that changes only together with a ledger entry, enforced by triggers.

    ``content`` is the canonical JSON of the whole state plus a ``nonce``; its SHA-256 is what the entry commits to.
    Columns to query by are derived from it by the database (``columns.derived_*``).
    Rows are made and changed through ``audit.staging.stage`` and ``audit.ledger.record`` and never deleted.
    """

    #: Short name in the ledger, e.g. ``flag``; an object there is ``flag:<id>``.
    object_type: ClassVar[str]
    #: Whether each version's content is kept as a :class:`Document`.
    keeps_history: ClassVar[bool] = True

    id = models.CharField(max_length=64, primary_key=True)
    version = models.BigIntegerField()
    ledger_seq = models.BigIntegerField()
    content = models.TextField()

    class Meta:
        abstract = True

    @property
    def object_name(self) -> str:
        """The name of this object in the ledger."""
        return f"{self.object_type}:{self.id}"

    @property
    def state(self) -> dict[str, Any]:
        """The governed state, without the nonce."""
        state: dict[str, Any] = json.loads(self.content)  # the digest vouches for it; keys of users' data are free
        state.pop("nonce", None)
        return state
