"""``Idempotency-Key``: the same write sent again gets the same answer and happens once.

The key belongs to the caller (actor and token). It is reserved before the write runs; if the server dies in between,
the reservation stays and later tries are told that the outcome is unknown: never is a write run twice. Answers are kept
for 24 hours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from ensign.control.api.models import Answer
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.kernel.sealing import vault
from ensign.control.kernel.transactions import write_door

KEEP = timedelta(hours=24)
_FORM = re.compile(r"[\x21-\x7e]{1,200}\Z")
_KEPT_HEADERS = ("Content-Type", "ETag", "Location")
#: Nothing had begun when these were answered, so the same key may be tried again.
_NOT_BEGUN = frozenset({401, 413, 415, 429, 503})


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to run the write; hand it to :func:`settle` with the answer."""

    id: str


def _digest(*parts: bytes) -> str:
    """SHA-256 over length-prefixed parts, so that no two lists of parts share one."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


def key_of(request: HttpRequest) -> str | None:
    """The request's key, or None.

    :raises Invalid: when it is not 1 to 200 printable ASCII characters without spaces.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _FORM.match(key):
        raise Invalid(
            "The Idempotency-Key must be 1 to 200 printable ASCII characters without spaces.",
            remedy="Use a random UUID.",
            fields={"Idempotency-Key": "malformed"},
        )
    return key


def reserve(*, request: HttpRequest, actor: Actor, key: str, at: datetime) -> Reservation | HttpResponse:
    """The right to run the write, or the answer that it was given before.

    :raises Invalid: when the key was used for another request.
    :raises Conflict: when the first try is still running, or died before it was answered.
    """
    name = _digest(actor.id.encode(), (actor.token_id or "session").encode(), key.encode())
    sent = _digest(
        (request.method or "").encode(),
        request.get_full_path().encode(),
        (request.content_type or "").encode(),
        request.body,
    )
    try:
        with write_door():
            Answer.objects.filter(pk=name, created_at__lte=at - KEEP).delete()
            with transaction.atomic():
                Answer.objects.create(id=name, request=sent, created_at=at)
    except IntegrityError:
        return _replay(Answer.objects.get(pk=name), sent=sent)
    return Reservation(name)


def _replay(kept: Answer, *, sent: str) -> HttpResponse:
    if kept.request != sent:
        raise Invalid(
            "This Idempotency-Key was used for another request within the last 24 hours.",
            remedy="Use a new key for a new request.",
            fields={"Idempotency-Key": "used for another request"},
            code="idempotency-key-reused",
        )
    if kept.status is None:
        raise Conflict(
            "The first request with this Idempotency-Key has not been answered: it is still running, or the server"
            " stopped while it ran.",
            remedy="Wait and try again; if this stays, look whether the change was made and use a new key if not.",
            code="idempotency-outcome-unknown",
        )
    answer = json.loads(vault().open(kept.answer, place=f"api_answer:{kept.pk}"))
    response = HttpResponse(base64.b64decode(answer["body"]), status=kept.status)
    for header, value in answer["headers"].items():
        response[header] = value
    response["Idempotency-Replayed"] = "true"
    return response


def settle(reservation: Reservation, *, response: HttpResponse) -> None:
    """Keep the answer; or give the key back when nothing had begun."""
    rows = Answer.objects.filter(pk=reservation.id)
    if response.status_code in _NOT_BEGUN:
        with write_door():
            rows.delete()
        return
    answer = {
        "headers": {name: response[name] for name in _KEPT_HEADERS if name in response},
        "body": base64.b64encode(response.content).decode(),
    }
    sealed = vault().seal(json.dumps(answer), place=f"api_answer:{reservation.id}")
    with write_door():
        rows.update(status=response.status_code, answer=sealed)


def purge(*, at: datetime) -> int:
    """Forget answers older than 24 hours; returns how many. The worker's task."""
    if not Answer.objects.filter(created_at__lte=at - KEEP).exists():
        return 0
    with write_door():
        return Answer.objects.filter(created_at__lte=at - KEEP).delete()[0]
