"""``POST /hooks/kill/{id}``: what a monitoring system calls to switch a flag off. No session, no cookie, no page."""

from __future__ import annotations

import functools
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ensign.control.identity.gate import not_for_people
from ensign.control.identity.web import network_address
from ensign.control.incidents import triggers
from ensign.control.incidents.triggering import BadRequest
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, EnsignError

#: Calls from one network address in a minute.
RATE: Final = 60
#: What every refusal says, whatever the reason: an outsider learns nothing from it.
_NO: Final = "This request is not accepted: the address is unknown or has ended, or the secret or signature is wrong."


@functools.cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


@not_for_people
@csrf_exempt
def fire(request: HttpRequest, id: str, token: str = "") -> JsonResponse:
    """Switch the flag of the address off. Anything but POST does nothing."""
    if request.method != "POST":
        response = _answer(405, {"detail": "Only POST switches a flag off."})
        response["Allow"] = "POST"
        return response
    # By network address, not by trigger: whoever knows an id could otherwise keep its owner from switching off.
    if not _limiter().hit(RateLimitItemPerMinute(RATE), "kill-trigger", network_address(request)):
        response = _answer(429, {"detail": f"More than {RATE} calls in a minute."})
        response["Retry-After"] = "30"
        return response
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = given.strip()
    try:
        body = request.body
    except RequestDataTooBig:
        return _answer(413, {"detail": "A request has at most 1 MiB."})
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        done = triggers.fire(trigger_id=id, headers=headers, body=body, token=token, at=clock.now(), now=clock.now)
    except BadRequest:
        return _answer(401, {"detail": _NO})
    except EnsignError as error:
        status = 409 if isinstance(error, Conflict) else 503
        return _answer(status, {"detail": error.message, "code": error.code, "remedy": error.remedy})
    said: dict[str, Any] = {"flag": done.trigger.flag, "environment": done.trigger.environment, "off": done.off}
    if done.kill is None:
        return _answer(200, {**said, "already": True, "replayed": done.replayed})
    return _answer(200, {**said, "already": False, "kill": done.kill.id, "took_ms": done.kill.took_ms})


def _answer(status: int, body: dict[str, Any]) -> JsonResponse:
    response = JsonResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    return response
