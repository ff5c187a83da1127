"""What the directory says about people, its tokens, when people left; and what went wrong lately."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class DirectoryUser(Governed):
    """What the directory says of a person, under the person's own id. Never deleted; a removed one keeps its names.

    State: ``user_name``, ``user_key`` (case-folded), ``external_id``, ``active_stated`` (false: the directory took
    the attribute away), ``display_name, formatted, given_name, family_name, title, department, manager`` (texts or
    null), ``emails`` (list of ``{value, type, primary}``), ``created_at``, ``status`` (``present|removed``). Whether
    the person is active stands with the person. All of it can be redacted.
    """

    object_type = "directory_user"

    user_key = derived_text("content", "user_key", length=200)
    external_id = derived_text("content", "external_id", length=200)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "scim_directory_user"
        constraints = [
            models.UniqueConstraint(fields=["user_key"], condition=Q(status="present"), name="directory_user_name")
        ]
        indexes = [models.Index(fields=["status", "id"], name="directory_user_status")]


class DirectoryToken(Governed):
    """What the directory signs in with; only its SHA-256 is known.

    State: ``name, token_hash, hint, created_by, created_at, expires_at, replaces`` (the token whose rotation made it,
    or null), ``status`` (``active|revoked``).
    """

    object_type = "directory_token"

    token_hash = derived_text("content", "token_hash", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "scim_directory_token"
        constraints = [models.UniqueConstraint(fields=["token_hash"], name="directory_token_hash")]


class Departure(Governed):
    """When a person's employment ends or ended, under the person's own id.

    State: ``terminated_at`` (or null: taken back), ``text`` (the same as it was written), ``source``
    (``directory|hand``), ``told_by``, ``told_at``.
    """

    object_type = "departure"

    class Meta:
        db_table = "scim_departure"


class LeaverPolicy(Governed):
    """One row, ``leavers``. State: ``hours``: how long a leaver may keep access before it is an exception."""

    object_type = "leaver_policy"

    class Meta:
        db_table = "scim_leaver_policy"


class Refusal(models.Model):
    """A request of the directory that was answered with an error: the last two hundred, without what was sent."""

    at = models.DateTimeField()
    method = models.CharField(max_length=10)
    place = models.CharField(max_length=40)
    """``Users``, ``Groups/…`` and so on; never an address or a name."""
    subject = models.CharField(max_length=64, default="")
    """The id that the path named, if it is one of ours."""
    status = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=40, default="")
    """SCIM's ``scimType``, or the code of our own error."""
    message = models.CharField(max_length=300, default="")
    """Our own words, which hold no values; empty where the protocol's library refused."""

    class Meta:
        db_table = "scim_refusal"


exempt("scim_refusal", "the last errors answered to the directory, to find faults in its set-up; forgotten by number")
