"""Questions that a passkey signs: issued here, good once, for a short time, for one person."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign_ledger.passkey import Assertion, b64url, challenge_of, unb64url

from ensign.control.identity.approval_keys.models import SigningQuestion
from ensign.control.kernel.errors import Invalid
from ensign.control.kernel.transactions import require_write_door, write_door

LIFETIME: Final = timedelta(minutes=5)
_LIMIT: Final = 20_000
Kind = Literal["enrol", "approve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the browser sent: the credential's id, and the assertion."""

    credential_id: bytes
    assertion: Assertion


def new_nonce() -> str:
    """256 random bits."""
    return secrets.token_hex(32)


def put(*, kind: Kind, person_id: str, subject: str, challenge: bytes, body: Mapping[str, Any], at: datetime) -> None:
    """Remember what was asked until ``at`` plus :data:`LIFETIME`; those that expired are forgotten."""
    with write_door():
        SigningQuestion.objects.filter(expires_at__lt=at).delete()
        SigningQuestion.objects.create(
            challenge=challenge.hex(),
            kind=kind,
            person_id=person_id,
            subject=subject,
            body=json.dumps(dict(body)),
            expires_at=at + LIFETIME,
        )


def take(answer: Answer, *, kind: Kind, person_id: str, subject: str, at: datetime) -> dict[str, Any]:
    """What was asked, by the challenge that was answered; it cannot be answered again. Call it inside the write door.

    :raises Invalid: when nobody asked this person that about this, or it has expired or been answered.
    """
    require_write_door()
    challenge = challenge_of(answer.assertion.client_data) or b""
    row = SigningQuestion.objects.select_for_update().filter(pk=challenge.hex()).first()
    if row is None or (row.kind, row.person_id, row.subject) != (kind, person_id, subject) or at > row.expires_at:
        raise Invalid(
            "The passkey answered a question that is not open any more.",
            remedy="Reload the page and try again: each question is good once, for five minutes.",
        )
    row.delete()
    body: dict[str, Any] = json.loads(row.body)
    return body


def read_answer(text: str) -> Answer:
    """The answer that a browser sent as JSON.

    :raises Invalid: when it is none.
    """
    try:
        document = json.loads(text) if 0 < len(text) <= _LIMIT else None
        response = document["response"]  # type: ignore[index]  # whatever it is not, is caught below
        parts = (response["authenticatorData"], response["clientDataJSON"], response["signature"])
        return Answer(
            credential_id=unb64url(document["rawId"]),  # type: ignore[index]  # as above
            assertion=Assertion(*(unb64url(part) for part in parts)),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Invalid("The passkey's answer cannot be read.", remedy="Reload the page and try again.") from error


def options(challenge: bytes, *, host: str, credentials: tuple[bytes, ...]) -> dict[str, Any]:
    """What the browser is asked, as JSON for ``navigator.credentials.get``: one of these credentials, with the user
    verified.
    """
    return {
        "publicKey": {
            "challenge": b64url(challenge),
            "rpId": host,
            "allowCredentials": [{"type": "public-key", "id": b64url(id)} for id in credentials],
            "userVerification": "required",
            "timeout": int(LIFETIME.total_seconds() * 1000),
        }
    }
