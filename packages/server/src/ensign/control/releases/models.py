"""Tables of ramps and release templates. Both are governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class Ramp(Governed):
    """State: the members of ``domain.Ramp``, and its flag's key."""

    object_type = "ramp"

    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    flag = derived_text("content", "flag", length=100)
    status = derived_text("content", "status", length=20)
    request = derived_text("content", "request", length=64)
    owner = derived_text("content", "owner", length=64)

    class Meta:
        db_table = "releases_ramp"
        indexes = [
            models.Index(fields=["status", "id"], name="ramp_status"),
            models.Index(fields=["project", "environment", "flag"], name="ramp_flag"),
            models.Index(fields=["request"], name="ramp_request"),
        ]


class ReleaseTemplate(Governed):
    """State: the members of ``domain.Template``."""

    object_type = "release_template"

    project = derived_text("content", "project", length=100)

    class Meta:
        db_table = "releases_template"
        indexes = [models.Index(fields=["project", "id"], name="release_template_project")]
