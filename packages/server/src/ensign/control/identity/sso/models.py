"""Identity providers, who came through them, and what their sessions need."""

from __future__ import annotations

from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class IdentityProvider(Governed):
    """A connection to an identity provider, without its secrets.

    State: ``key`` (in addresses), ``name``, ``kind`` (``oidc|saml``), ``shape`` (``domain.SHAPES``), ``status``
    (``active|disabled``), ``settings`` (those of the kind), ``secret_version`` (grows when a secret is replaced),
    ``domains`` (list of e-mail domains), ``enforced``, ``provisioning``, ``mfa_counts`` (whether its second factor
    counts as Ensign's), ``group_claim``, ``group_mapping`` (list of ``{value, group, by}``), ``recheck_minutes``,
    ``session_hours``, ``trusted_by`` (id of who last decided what it trusts) and ``vouched_by`` (id of somebody else
    who has looked at that since, or None); a provider from before these has neither.
    """

    object_type = "identity_provider"

    key = derived_text("content", "key", length=40)
    kind = derived_text("content", "kind", length=10)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_provider"
        constraints = [models.UniqueConstraint(fields=["key"], name="provider_key")]


class ExternalIdentity(Governed):
    """That a subject at a provider is a person here. One person may have several.

    State: ``provider`` and ``person`` (ids), ``subject`` (in clear, redactable with the row), ``subject_hash``,
    ``linked_at``, ``how`` (``address|provisioned``), ``status`` (``active|released``). Of one whose person was erased
    only ``person`` and ``status`` (``erased``) are left.
    """

    object_type = "external_identity"

    provider = derived_text("content", "provider", length=64)
    subject_hash = derived_text("content", "subject_hash", length=64)
    person = derived_text("content", "person", length=64)
    status = derived_text("content", "status", length=20)

    class Meta:
        db_table = "identity_external"
        constraints = [models.UniqueConstraint(fields=["provider", "subject_hash"], name="external_once")]
        indexes = [models.Index(fields=["person", "status"], name="external_person")]


class ProviderSecret(models.Model):
    """A secret of a provider, sealed by the vault. ``name``: ``client_secret`` or what the kind calls it."""

    id = models.CharField(max_length=120, primary_key=True)
    sealed = models.TextField()

    class Meta:
        db_table = "identity_provider_secret"


class ProviderSession(models.Model):
    """A session that began at a provider: what its log-out names (``sid``, subject), as hashes."""

    session_key = models.CharField(max_length=40, primary_key=True)
    provider_id = models.CharField(max_length=64)
    person_id = models.CharField(max_length=64, db_index=True)
    identity_id = models.CharField(max_length=64)
    subject_hash = models.CharField(max_length=64)
    sid_hash = models.CharField(max_length=64, default="")
    started_at = models.DateTimeField()
    checked_at = models.DateTimeField()

    class Meta:
        db_table = "identity_provider_session"
        indexes = [
            models.Index(fields=["provider_id", "subject_hash"], name="provider_session_subject"),
            models.Index(fields=["provider_id", "sid_hash"], name="provider_session_sid"),
        ]


class SeenMessage(models.Model):
    """A message that counts once (a log-out token, an assertion), until it would be refused as too old anyway."""

    key = models.CharField(max_length=64, primary_key=True)
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "identity_seen_message"


exempt("identity_provider_secret", "sealed secrets of providers; replacing one is an entry (its version grows)")
exempt("identity_provider_session", "which sessions began at which provider; beginning and ending them are entries")
exempt("identity_seen_message", "hashes of one-time messages, against replay; informative only, expiring")
