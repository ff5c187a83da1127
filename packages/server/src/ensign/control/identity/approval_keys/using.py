"""Using approval keys: which credentials may answer, which key answered, and its counter."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime

from allauth.mfa.models import Authenticator

from ensign.control.audit.rows import rows
from ensign.control.identity import webauthn
from ensign.control.identity.approval_keys.models import ApprovalKey
from ensign.control.identity.approval_keys.queries import KeyView, to_view
from ensign.control.kernel.errors import Invalid
from ensign.control.kernel.transactions import require_write_door


def credential_ids(person_id: str, hashes: Collection[str]) -> tuple[bytes, ...]:
    """WebAuthn's ids of the person's credentials with these hashes."""
    found = Authenticator.objects.filter(user__person_id=person_id, type=Authenticator.Type.WEBAUTHN).order_by("pk")
    ids = [webauthn.credential_of(row)[0] for row in found]
    return tuple(id for id in ids if hashlib.sha256(id).hexdigest() in hashes)


def answering(person_id: str, credential_id: bytes) -> KeyView | None:
    """The person's key of this credential, locked until the commit; None when it is none that counts."""
    require_write_door()
    hashed = hashlib.sha256(credential_id).hexdigest()
    found = rows(ApprovalKey, lock="update", owner=person_id, credential=hashed, status="active")
    return to_view(found[0]) if found else None


def count_use(person_id: str, key: KeyView, counter: int, *, at: datetime) -> None:
    """Note that the key's passkey was used.

    :raises Invalid: when it is gone, or its counter did not grow: it was copied.
    """
    row = (
        Authenticator.objects.select_for_update()
        .filter(user__person_id=person_id, type=Authenticator.Type.WEBAUTHN, pk=key.factor)
        .first()
    )
    if row is None:
        raise Invalid("This passkey is no second factor of yours any more.", remedy="Use another one.")
    webauthn.count_use(row, counter, at=at)
