"""Tables of flags: the shared part and the content per environment. Both are governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_boolean, derived_text
from ensign.control.audit.models import Governed


class Flag(Governed):
    """State: the members of ``domain.FlagInfo``. The key is unique in the installation, as SDKs know flags by name."""

    object_type = "flag"

    key = derived_text("content", "key", length=100)
    project = derived_text("content", "project", length=100)
    type = derived_text("content", "type", length=20)
    archived = derived_boolean("content", "archived")

    class Meta:
        db_table = "flags_flag"
        constraints = [models.UniqueConstraint(fields=["key"], name="flag_key")]
        indexes = [models.Index(fields=["project", "key"], name="flag_project")]


class FlagEnvironment(Governed):
    """State: ``flag`` (key), ``project, environment`` (keys) and the members of ``domain.FlagConfig``."""

    object_type = "flag_config"

    flag = derived_text("content", "flag", length=100)
    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)

    class Meta:
        db_table = "flags_flag_environment"
        constraints = [
            models.UniqueConstraint(fields=["project", "environment", "flag"], name="flag_environment_place")
        ]
        indexes = [models.Index(fields=["flag"], name="flag_environment_flag")]
