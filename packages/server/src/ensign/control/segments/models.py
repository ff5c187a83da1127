"""Tables of segments: the shared part and the constraints per environment. Both are governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_integer, derived_text
from ensign.control.audit.models import Governed


class Segment(Governed):
    """State: the members of ``domain.SegmentInfo``."""

    object_type = "segment"

    key = derived_text("content", "key", length=100)
    project = derived_text("content", "project", length=100)
    name = derived_text("content", "name", length=200)
    wire_id = derived_integer("content", "wire_id")

    class Meta:
        db_table = "segments_segment"
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="segment_key"),
            models.UniqueConstraint(fields=["wire_id"], name="segment_wire_id"),
        ]


class SegmentEnvironment(Governed):
    """State: ``segment`` (key), ``project, environment`` (keys), ``constraints``."""

    object_type = "segment_config"

    segment = derived_text("content", "segment", length=100)
    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)

    class Meta:
        db_table = "segments_segment_environment"
        constraints = [
            models.UniqueConstraint(fields=["project", "environment", "segment"], name="segment_environment_place")
        ]
