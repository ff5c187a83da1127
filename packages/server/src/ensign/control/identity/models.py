"""People and their accounts."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

from ensign.control.audit.columns import derived_text
from ensign.control.audit.models import Governed
from ensign.control.audit.registry import exempt


class Person(Governed):
    """A human being, known in the log by id only. State: ``email, name, status`` (``invited|active|disabled``)."""

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

    objects: ClassVar[BaseUserManager[Account]] = BaseUserManager()

    class Meta:
        db_table = "identity_account"


exempt("identity_account", "sign-in secrets; each change is an entry, and drift against the person is reported")
