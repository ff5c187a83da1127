"""The address that Alertmanager and others call: POST /hooks/safeguards/<id>. No session and no token of ours opens it,
only what the safeguard itself was given; whoever lacks that learns nothing, not even whether there is such a safeguard.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ensign.control.identity.gate import not_for_people
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import checking, firing, secrets
from ensign.control.monitoring.domain import signatures, sources
from ensign.control.monitoring.domain.safeguards import Reading, Safeguard
from ensign.control.monitoring.models import Message
from ensign.control.monitoring.models import Safeguard as Row

#: Calls a minute: of one safeguard, and of one address that no safeguard believes.
RATE: Final = 120
STRANGERS: Final = 60
_NOBODY: Final = "0" * 64


@functools.cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


def _within(limit: int, kind: str, who: str) -> bool:
    return _limiter().hit(RateLimitItemPerMinute(limit), "safeguards", kind, who)


@not_for_people
@csrf_exempt
@require_POST
def hook(request: HttpRequest, id: str) -> HttpResponse:
    """Take a message for a safeguard: 202 with what came of it, 401 for who may not say anything here."""
    at = clock.now()
    row = Row.objects.filter(pk=id).first()
    one = None if row is None else Safeguard.from_state(row.pk, row.state)
    try:
        body = request.body
    except RequestDataTooBig:
        return _problem(413, "A message has at most 1 MiB.")
    refusal = _refusal(one, request, body, at=at)
    if one is None or refusal:
        if not _within(STRANGERS, "strangers", str(request.META.get("REMOTE_ADDR", ""))):
            return _problem(429, "Too many calls.")
        return _problem(401, refusal or "This address takes nothing from you.")
    if not _within(RATE, "known", one.id):
        return _problem(429, "Too many calls.")
    try:
        message = json.loads(body)
    except ValueError:
        return _problem(400, "The body is no JSON.")
    # In one transaction: a message counts as taken only with what it caused, and its sender repeats what got lost.
    with write_door():
        if one.source.kind == "webhook" and not _once(one, request, at=at):
            return JsonResponse({"taken": False, "because": "This message was taken already."}, status=202)
        return _taken(one, message, at=at, now=clock.now)


def _refusal(one: Safeguard | None, request: HttpRequest, body: bytes, *, at: datetime) -> str:
    """Why nothing is taken from whoever calls; empty when it is."""
    nothing = "This address takes nothing from you."
    if one is not None and one.source.kind == "webhook" and one.status != "ended":
        try:
            secret = secrets.reveal(one.id)
        except EnsignError:
            return nothing
        timestamp = request.headers.get("webhook-timestamp", "")
        signed = signatures.fits(
            secret,
            id=request.headers.get("webhook-id", ""),
            timestamp=timestamp,
            signatures=request.headers.get("webhook-signature", ""),
            body=body,
        )
        if not signed:
            return nothing
        return "" if signatures.timely(timestamp, at=at) else "Its time is more than five minutes from ours."
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = one.token_hash if one is not None and one.status != "ended" and one.token_hash else _NOBODY
    fits = hmac.compare_digest(secrets.hashed(token.strip()), expected)
    return "" if fits and scheme.lower() == "bearer" else nothing


def _once(one: Safeguard, request: HttpRequest, *, at: datetime) -> bool:
    """Whether this message's id is new. It is remembered for as long as its time would be accepted."""
    key = hashlib.sha256(f"{one.id}/{request.headers.get('webhook-id', '')}".encode()).hexdigest()
    try:
        with transaction.atomic():
            Message.objects.create(key=key, until=at + 2 * signatures.WINDOW)
    except IntegrityError:
        return False
    return True


def _taken(one: Safeguard, message: Any, *, at: datetime, now: Callable[[], datetime]) -> HttpResponse:
    if one.source.kind == "alertmanager":
        firing_ = sources.alertmanager(one.source, message)
        if firing_ is None:
            return _problem(400, "This is no message of Alertmanager's webhook, version 4.")
        if not firing_:
            return JsonResponse({"taken": True, "fired": False}, status=202)
        return _answer(firing.fire(one, Reading(), at=at, now=now))
    if not one.source.path:
        return _answer(firing.fire(one, Reading(), at=at, now=now))
    reading = sources.message(one.source, message)
    if reading.value is None:
        return _problem(422, f"{reading.problem[:1].upper()}{reading.problem[1:]}.")
    checking.settle([(one, reading)], at=at, now=now)
    return JsonResponse(
        {"taken": True, "fired": not Row.objects.filter(pk=one.id, status="armed").exists()}, status=202
    )


def _answer(fired: Safeguard | None) -> HttpResponse:
    """``fired`` False: it is not armed."""
    found = {"taken": True, "fired": fired is not None}
    return JsonResponse(found | ({} if fired is None else {"outcome": fired.outcome}), status=202)


def _problem(status: int, said: str) -> HttpResponse:
    return JsonResponse({"title": said, "status": status}, status=status, content_type="application/problem+json")


def forget_messages(*, at: datetime) -> int:
    """Forget messages that would be refused as too old by now; returns how many."""
    with write_door():
        return Message.objects.filter(until__lt=at).delete()[0]
