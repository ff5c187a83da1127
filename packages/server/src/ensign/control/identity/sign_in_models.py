"""What the rules of signing in and its history need beside the log."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class SignInRules(Governed):
    """One row, ``sign-in``, from the first decision on. State: the members of ``rules.Rules``."""

    object_type = "sign_in_rules"

    class Meta:
        db_table = "identity_sign_in_rules"


class Trace(models.Model):
    """Where an entry about signing in came from. ``seq`` is the entry's number, ``person_id`` whom it concerns."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    person_id = models.CharField(max_length=64, null=True, db_index=True)
    address = models.GenericIPAddressField()
    agent = models.CharField(max_length=300)

    class Meta:
        db_table = "identity_trace"


exempt(
    "identity_trace",
    "network addresses and browsers of entries about signing in: personal data, which must not stay for ever;"
    " the entries themselves do",
)
