"""People, groups, service accounts, their tokens, and what signing in needs."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt
from ensign.control.identity.approval_keys.models import ApprovalKey as ApprovalKey
from ensign.control.identity.approval_keys.models import SigningQuestion as SigningQuestion
from ensign.control.identity.emergency.models import EmergencySeal  # noqa: F401  # Django looks for models here
from ensign.control.identity.sign_in_models import SignInRules as SignInRules
from ensign.control.identity.sign_in_models import Trace as Trace
from ensign.control.identity.sso.models import IdentityProvider  # noqa: F401  # Django looks for models here
from ensign.control.identity.sso.saml_models import SamlTicket  # noqa: F401  # as above


class Person(Governed):
    """A human being, known in the log by id only. State: ``email, name, status`` (``invited|active|disabled``).

    Of somebody who was erased only ``status`` (``erased``) is left."""

    object_type = "person"

    email = derived_text("content", "email", length=254)
    name = derived_text("content", "name", length=200)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_person"
        constraints = [models.UniqueConstraint(fields=["email"], name="person_email")]


class Account(AbstractBaseUser):
    """What a person signs in with: the password's argon2id hash; allauth hangs second factors on it.

    Outside the ledger because it holds secrets; every change of it is an entry, and drift between
    ``is_active``/``email`` and the person is reported by `ensign ledger verify`.
    """

    person = models.OneToOneField(Person, on_delete=models.PROTECT, related_name="account")
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = BaseUserManager["Account"]()

    class Meta:
        db_table = "identity_account"

    def __str__(self) -> str:
        """The person's name, as pages show who is signed in."""
        return self.person.name or self.email


class Group(Governed):
    """People who share grants. State: ``name, description, status`` (``active|archived``)."""

    object_type = "group"

    name = derived_text("content", "name", length=100)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_group"
        constraints = [models.UniqueConstraint(fields=["name"], name="group_name")]


class Membership(Governed):
    """That a person belongs to a group. State: ``group, person, added_by, status`` (``active|removed``)."""

    object_type = "membership"

    group = derived_text("content", "group", length=64)
    person = derived_text("content", "person", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_membership"
        constraints = [models.UniqueConstraint(fields=["group", "person"], name="membership_once")]
        indexes = [models.Index(fields=["person", "status"], name="membership_person")]


class ServiceAccount(Governed):
    """A tool's own identity. State: ``name, purpose, owner`` (a person), ``status`` (``active|disabled``); perhaps
    ``former_owners``: list of ``owner, until``.
    """

    object_type = "service_account"

    name = derived_text("content", "name", length=100)
    owner = derived_text("content", "owner", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_service_account"
        constraints = [models.UniqueConstraint(fields=["name"], name="service_account_name")]


class Token(Governed):
    """A personal, service or federated token, of which only the SHA-256 is known.

    State: ``kind`` (``personal|service|federated``), ``name, subject`` (person or service account), ``token_hash``
    (hex), ``hint`` (first characters, shown in lists), ``permissions`` (list of codes, or null), ``project,
    environment`` (keys or null), ``created_by, created_at, expires_at, status`` (``active|revoked``).

    Since tokens rotate, rows may also hold ``purpose``, ``vouched_by`` (the person who made the first of a line that
    rotates itself), ``predecessor`` and ``successor`` (ids), ``rotated_at``, ``made_until``
    (its end before it was rotated), ``revoked_at``, ``renewable_until`` and ``renewable_since`` (while it may rotate
    itself), and, when federated, ``federation``: ``rule, issuer, subject``.
    """

    object_type = "token"

    kind = derived_text("content", "kind", length=20)
    subject = derived_text("content", "subject", length=64)
    token_hash = derived_text("content", "token_hash", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_token"
        constraints = [models.UniqueConstraint(fields=["token_hash"], name="token_hash_once")]
        indexes = [models.Index(fields=["subject", "status"], name="token_subject")]


class TokenUse(models.Model):
    """When a token was last used, written at most every ten minutes."""

    token_id = models.CharField(max_length=64, primary_key=True)
    last_used_at = models.DateTimeField()

    class Meta:
        db_table = "identity_token_use"


class Link(models.Model):
    """A one-time link, of which only the SHA-256 is known. ``kind``: ``setup``, ``invite`` or ``reset``."""

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=10)
    token_hash = models.CharField(max_length=64, unique=True)
    person_id = models.CharField(max_length=64, null=True, db_index=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=10, default="")

    class Meta:
        db_table = "identity_link"


class Attempts(models.Model):
    """Failed tries within a window, by a keyed hash of what they have in common; never what was typed."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "identity_attempts"


exempt("identity_account", "sign-in secrets; each change is an entry, and drift against the person is reported")
exempt("identity_token_use", "when tokens were last used: high-volume, informative only")
exempt("identity_link", "hashes of one-time links; their making and their use are entries")
exempt("identity_attempts", "counters against guessing; failed sign-ins are entries, summarised above a rate")
exempt("mfa_authenticator", "second factors (secrets, public keys); enrolment and removal are entries")
exempt("usersessions_usersession", "where people are signed in; signing in and out and ending sessions are entries")
exempt("django_session", "sessions, which expire; signing in and out and ending sessions are entries")
exempt("django_content_type", "Django's list of its own models")
exempt("auth_permission", "Django's own permissions, which Ensign does not use: decisions are made in access")
exempt("auth_group", "Django's own groups, which Ensign does not use")
exempt("auth_group_permissions", "Django's own groups, which Ensign does not use")
exempt("account_emailaddress", "allauth's addresses, which Ensign does not use yet")
exempt("account_emailconfirmation", "allauth's address confirmation, which Ensign does not use")
exempt("socialaccount_socialaccount", "accounts at identity providers")
exempt("socialaccount_socialapp", "connections to identity providers")
exempt("socialaccount_socialtoken", "tokens of identity providers")
