"""Answers that were given, so that a write sent twice happens once."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.registry import exempt


class Answer(models.Model):
    """What a write with an ``Idempotency-Key`` was answered. ``status`` is NULL while it runs.

    ``id`` is SHA-256 of caller and key, ``request`` SHA-256 of what was sent. ``answer`` is sealed: it may hold a token
    that was shown once.
    """

    id = models.CharField(max_length=64, primary_key=True)
    request = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(default="")

    class Meta:
        db_table = "api_answer"


exempt("api_answer", "answers kept sealed for 24 hours so that a repeated write happens once; its entry is in the log")
