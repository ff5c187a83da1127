"""Table of test runs. Governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class ReportedRun(Governed):
    """State: ``project, kind`` (``flag|segment``), ``key, environment, digest`` (the progression digest), ``name,
    result`` (``passed|failed``), ``source`` (``ci|manual``), ``commit, url, by, reported_at, started, finished``.
    """

    object_type = "test_run"

    project = derived_text("content", "project", length=100)
    kind = derived_text("content", "kind", length=10)
    key = derived_text("content", "key", length=100)
    environment = derived_text("content", "environment", length=100)
    digest = derived_text("content", "digest", length=64)

    class Meta:
        db_table = "progression_test_run"
        indexes = [
            models.Index(fields=["project", "kind", "key", "id"], name="test_run_subject"),
            models.Index(fields=["digest"], name="test_run_digest"),
        ]
