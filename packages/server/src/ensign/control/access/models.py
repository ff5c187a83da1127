"""Grants, and what the organisation decided at set-up."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed


class Grant(Governed):
    """A role given to a person, group or service account.

    State: ``subject, role, project, environment`` (keys or null), ``granted_by, starts_at, ends_at`` (or null),
    ``status`` (``active|revoked``), ``ended_by`` (or null); since roles can be narrowed to flags also ``flag_types,
    tags`` (lists, empty: any) and ``reason``. Every entry about it holds a reason of its own.
    """

    object_type = "grant"

    subject = derived_text("content", "subject", length=64)
    role = derived_text("content", "role", length=64)
    project = derived_text("content", "project", length=100)
    environment = derived_text("content", "environment", length=100)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "access_grant"
        indexes = [models.Index(fields=["subject", "status"], name="grant_subject")]


class CustomRole(Governed):
    """A role that an organisation made for itself. Built-in ones are code (``roles.ROLES``).

    State: ``key`` (frozen), ``name, description, permissions`` (codes, sorted), ``assigns`` (keys of roles, or ``*``),
    ``cloned_from`` (a key or null), ``status`` (``active|archived``).
    """

    object_type = "role"

    key = derived_text("content", "key", length=64)
    name = derived_text("content", "name", length=100)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "access_role"
        constraints = [models.UniqueConstraint(fields=["key"], name="role_key")]


class Organisation(Governed):
    """One row, ``organisation``. State: ``name, preset, compensating_control, enforced_since`` (text or null)."""

    object_type = "organisation"

    class Meta:
        db_table = "access_organisation"


class AccessRequest(Governed):
    """That somebody is to get a role (or a membership, or a later end of a role) which others have to approve first.

    State: ``kind`` (``own``: asked for oneself; ``grant``, ``membership``, ``extension``: begun by who may give it),
    ``subject`` (who gets it), ``grants`` (the roles: lists of ``role, project, environment, flag_types, tags``),
    ``group``, ``managed_by`` (the identity provider that asks), ``extends`` (a grant's id), ``starts_at, ends_at,
    minutes`` (null where they say nothing), ``reason, requested_by, requested_at, expires_at, needed, approvals`` (list
    of ``by, at``), ``status`` (``open|granted|refused|withdrawn|expired``), ``decided_by, decided_at, answer, grant``,
    ``sole`` (nobody else could have confirmed it), ``reviewed_by, reviewed_at``.
    """

    object_type = "access_request"

    subject = derived_text("content", "subject", length=64)
    requested_by = derived_text("content", "requested_by", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "access_request"
        indexes = [models.Index(fields=["status"], name="access_request_status")]


class DutyException(Governed):
    """That somebody may hold what segregation of duties keeps apart, for a while, with something else in its place.

    State: ``subject, pairs`` (keys of ``duties.PAIRS``), ``project, environment`` (keys or null), ``reason, control``
    (what is done instead), ``requested_by, requested_at, expires_at, approved_by, approved_at``, ``status``
    (``proposed|approved|refused|ended``), ``ended_by``, ``setup`` (made with the first person, by nobody else).
    """

    object_type = "duty_exception"

    subject = derived_text("content", "subject", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "access_duty_exception"
        indexes = [models.Index(fields=["subject", "status"], name="duty_exception_subject")]
