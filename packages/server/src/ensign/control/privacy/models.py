"""Tables of erasures and of the rule how long identities are kept. Both are governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class Erasure(Governed):
    """That somebody who left is to be erased. State: ``person, asked_by, asked_at, early`` (whether identities would
    have to be kept longer), ``status`` (``asked|withdrawn|done``), ``ended_by, ended_at`` (or null), ``remaining``
    (names of objects whose present state still named the person). The reason stands with the entry.
    """

    object_type = "erasure"

    person = derived_text("content", "person", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "privacy_erasure"
        indexes = [models.Index(fields=["person", "status"], name="erasure_person")]


class Rules(Governed):
    """One row, ``privacy``. State: ``keep_months``, how long the identity of somebody who left is kept at least."""

    object_type = "privacy_rules"

    class Meta:
        db_table = "privacy_rules"
