"""Which account a session stands for."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from ensign.control.identity.models import Account


class PersonBackend(BaseBackend):
    """Loads the account of a session, if its person is still active. Signing in is ``sign_in``'s, not Django's."""

    def authenticate(  # the signature is Django's
        self,
        request: HttpRequest | None,  # noqa: ARG002
        **credentials: Any,  # noqa: ARG002
    ) -> Account | None:
        """Nobody: ``django.contrib.auth.authenticate`` knows neither the lock-out nor the log."""
        return None

    def get_user(self, user_id: Any) -> Account | None:
        """The account, or None when the person was deactivated: every request asks anew."""
        account = Account.objects.select_related("person").filter(pk=user_id, is_active=True).first()
        return account if account is not None and account.person.status == "active" else None
