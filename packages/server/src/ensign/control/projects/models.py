"""Tables of projects, environments, policies and client tokens, which are governed, and of when tokens were used."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_boolean, derived_integer, derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class Project(Governed):
    """State: ``key, name, description, default_stickiness, status`` (``active|archived``), ``created_at``."""

    object_type = "project"

    key = derived_text("content", "key", length=100)
    name = derived_text("content", "name", length=200)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "projects_project"
        constraints = [models.UniqueConstraint(fields=["key"], name="project_key")]


class Environment(Governed):
    """State: ``project`` and ``key`` (keys), ``name, position`` (from 0), ``protected, status, created_at``."""

    object_type = "environment"

    project = derived_text("content", "project", length=100)
    key = derived_text("content", "key", length=100)
    position = derived_integer("content", "position")
    protected = derived_boolean("content", "protected")
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "projects_environment"
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="environment_key")]


class Policy(Governed):
    """State: ``project, environment`` (keys) and the members of ``domain.PolicyRules``."""

    object_type = "policy"

    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)

    class Meta:
        db_table = "projects_policy"
        constraints = [models.UniqueConstraint(fields=["project", "environment"], name="policy_place")]


class Enforcement(Governed):
    """One row (id ``installation``): the preset that new projects get, and since when it is enforced."""

    object_type = "enforcement"

    class Meta:
        db_table = "projects_enforcement"


class ClientToken(Governed):
    """What an SDK or edge signs in with. State: ``name, type`` (``backend|frontend|edge``), ``projects``
    (keys, or ``["*"]``), ``environment`` (key), ``token_hash`` (SHA-256 hex of the token's text), ``status``
    (``active|revoked``), ``created_by, created_at, expires_at`` (RFC 3339 or None), ``revoked_at``. The text itself is
    never stored. Since tokens rotate, rows may also hold ``hint, purpose, owner`` (a person), ``former_owners``
    (``owner, until``), ``predecessor, successor, rotated_at`` and ``made_until`` (its end before it was rotated).
    """

    object_type = "client_token"

    token_hash = derived_text("content", "token_hash", length=64)
    type = derived_text("content", "type", length=20)
    environment = derived_text("content", "environment", length=100)
    status = derived_text("content", "status", length=20)
    expires_at = derived_text("content", "expires_at", length=27)

    class Meta:
        db_table = "projects_client_token"
        constraints = [models.UniqueConstraint(fields=["token_hash"], name="client_token_hash")]


class TokenRules(Governed):
    """How long client tokens may live. One row (id ``installation``); state: ``max_days, never``."""

    object_type = "client_token_rules"

    class Meta:
        db_table = "projects_client_token_rules"


class TokenUse(models.Model):
    """When a client token was last used, as delivery nodes report it. Nothing is decided by it."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    last_used_at = models.DateTimeField()

    class Meta:
        db_table = "projects_client_token_use"


exempt("projects_client_token_use", "when client tokens were last used: high-volume, informative only")
