"""The keys, and the questions that passkeys are asked to sign."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class ApprovalKey(Governed):
    """A passkey with which its owner signs approvals. Nothing in it changes but its end.

    State: ``owner`` (a person), ``factor`` (number of the passkey among second factors), ``credential`` (SHA-256 of the
    credential's id), ``algorithm`` (COSE: -7, -8, -257), ``public_key`` (COSE in base64url), ``host`` and ``origin``
    where it may be used, ``enrolled_at``, ``status`` (``active|revoked``), ``revoked_at``, ``revoked_by``,
    ``because`` (``owner|factor|left|administrator``).
    """

    object_type = "approval_key"

    owner = derived_text("content", "owner", length=64)
    credential = derived_text("content", "credential", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_approval_key"
        indexes = [models.Index(fields=["owner", "status"], name="approval_key_owner")]


class SigningQuestion(models.Model):
    """What a passkey was asked to sign: found by its challenge, good once and for a few minutes.

    ``kind``: ``enrol`` or ``approve``; ``subject`` the factor's number or the request's id; ``body`` JSON: what the
    challenge is made of.
    """

    challenge = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=10)
    person_id = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    body = models.TextField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "identity_signing_question"


exempt(
    "identity_signing_question",
    "questions put to passkeys, gone when answered or after minutes; what was signed stands in the entries",
)
