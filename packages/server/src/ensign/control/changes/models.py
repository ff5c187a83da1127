"""Tables of change requests and of what people say about them. Both are governed."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class Request(Governed):
    """State: the members of ``domain.requests.ChangeRequest``; every version is kept, as is every state in the log."""

    object_type = "change_request"

    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    status = derived_text("content", "status", length=20)
    author = derived_text("content", "author", length=64)
    updated_at = derived_text("content", "updated_at", length=27)

    class Meta:
        db_table = "changes_request"
        indexes = [
            models.Index(fields=["status", "id"], name="request_status"),
            models.Index(fields=["project", "environment", "status"], name="request_place"),
            models.Index(fields=["author", "status"], name="request_author"),
        ]


class Comment(Governed):
    """What somebody said about a request. State: ``request, author, text, kind, at``.

    ``kind`` is ``comment`` or the decision that it came with (``approve|request_changes|reject``).
    """

    object_type = "comment"

    request = derived_text("content", "request", length=64)

    class Meta:
        db_table = "changes_comment"
        indexes = [models.Index(fields=["request", "id"], name="comment_request")]
