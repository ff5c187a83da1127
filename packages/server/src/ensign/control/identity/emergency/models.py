"""The seals."""

from __future__ import annotations

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class EmergencySeal(Governed):
    """One seal from its naming to its review; the newest counts.

    State: ``status`` (``preparing|sealed|unsealed|reviewed|replaced``), ``holders`` (list of ``{person, code_hash,
    drawn_at, given_at}``; a code is 160 random bits, of which only the SHA-256 is known), ``hours``, ``named_by``,
    ``named_at``, ``unsealed_at``, ``unsealed_by`` (list), ``ends_at``, ``reviewed_by``, ``reviewed_at``, ``verdict``.
    """

    object_type = "emergency_seal"

    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_emergency_seal"
