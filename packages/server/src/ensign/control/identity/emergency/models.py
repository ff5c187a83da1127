"""The seals."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_integer, derived_text
from ensign.control.audit.models import Governed


class EmergencySeal(Governed):
    """One seal from its naming to its review.

    State: ``number`` (1, 2, …: the highest counts), ``status`` (``preparing|sealed|unsealed|reviewed|replaced``),
    ``holders`` (list of ``{person, code_hash, drawn_at, given_at}``; a code is 160 random bits, of which only the
    SHA-256 is known), ``hours``, ``named_by``, ``named_at``, ``unsealed_at``, ``unsealed_by`` (list), ``ends_at``,
    ``reviewed_by``, ``reviewed_at``, ``verdict``.
    """

    object_type = "emergency_seal"

    number = derived_integer("content", "number")
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_emergency_seal"
        constraints = [models.UniqueConstraint(fields=["number"], name="emergency_seal_number")]
