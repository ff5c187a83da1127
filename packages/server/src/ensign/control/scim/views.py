"""``/scim/v2``: the directory's door. No session, no cookie, no other token than the directory's own opens it."""

from __future__ import annotations

import functools
import json
import logging
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from scim2_models import PayloadTooLargeException, SCIMException
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from ensign.control.identity.gate import not_for_people
from ensign.control.kernel import clock, errors
from ensign.control.kernel.ids import is_id
from ensign.control.scim import refusals, serving, tokens

CONTENT_TYPE: Final = "application/scim+json; charset=utf-8"
_OPEN: Final = "/ServiceProviderConfig"
_log = logging.getLogger("ensign.scim")


@functools.cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


@not_for_people
@csrf_exempt
def endpoint(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any request below ``/scim/v2``."""
    at = clock.now()
    asked = _read(request, rest)
    code = message = ""
    try:
        return _respond(_answer(request, asked, at=at))
    except SCIMException as error:
        response = serving.protocol().error_response(error)
        cause = error.__cause__
        code = str(error.scim_type or "")
        if isinstance(cause, errors.EnsignError):
            code, message = cause.code, cause.message
        if isinstance(cause, errors.RateLimited):
            response.headers["Retry-After"] = str(cause.retry_after)
    except (OperationalError, InterfaceError) as error:
        _log.error("the database does not answer the directory", exc_info=error)
        code, response = "unavailable", _failed(503, "The database does not answer. Nothing was half saved.")
        response.headers["Retry-After"] = "5"
    except Exception as error:  # whatever it is, the directory gets SCIM's own form of an error, and no word of it
        _log.error("unexpected failure in SCIM", exc_info=error)
        code, response = "internal", _failed(500, "Ensign made a mistake. Nothing was half saved.")
    _note(request, asked, response.status, code, message, at=at)
    return _respond(response)


def _read(request: HttpRequest, rest: str) -> ScimRequest:
    path = "/" + rest.strip("/").removesuffix(".scim")
    headers = dict(request.headers.items())
    query = {name: str(request.GET[name]) for name in request.GET}
    base = f"{settings.PUBLIC_URL}/scim/v2"
    return ScimRequest(method=(request.method or "GET").upper(), base_url=base, path=path, query=query, headers=headers)


def _answer(request: HttpRequest, asked: ScimRequest, *, at: datetime) -> ScimResponse:
    """Who asks, how often, how much; then the answer. The configuration alone is open to everybody (RFC 7643, 5)."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    try:
        if asked.method == "GET" and asked.path == _OPEN:
            _limit("open", address)
            return serving.protocol_answer(asked)
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        try:
            actor = tokens.actor(text.strip() if scheme.lower() == "bearer" else "", at=at)
        except errors.Unauthenticated:
            _limit("unknown", address)
            raise
        request.actor = actor  # type: ignore[attr-defined]  # Django's request takes attributes; the log line reads it
        _limit("token", actor.token_id or "")
        try:
            asked.body = request.body
        except RequestDataTooBig as error:
            raise PayloadTooLargeException(detail="A request has at most 1 MiB.") from error
        return serving.serve(asked, actor=actor, at=at)
    except errors.EnsignError as error:
        raise serving.to_scim(error) from error


def _limit(kind: str, who: str) -> None:
    item = RateLimitItemPerMinute(settings.SCIM_RATE)
    if not _limiter().hit(item, "scim", kind, who):
        raise errors.RateLimited(
            f"More than {item.amount} requests in a minute.", retry_after=30, remedy="Wait, then go on."
        )


def _note(request: HttpRequest, asked: ScimRequest, status: int, code: str, message: str, *, at: datetime) -> None:
    """Remember a refusal for the administrators' page, if the directory itself was refused."""
    if getattr(request, "actor", None) is None or getattr(request.actor, "token_id", None) is None:  # type: ignore[attr-defined]
        return
    kind, _, id = asked.path.strip("/").partition("/")
    place = kind if kind.lower() in {"users", "groups", "schemas", "resourcetypes", "bulk", "me"} else "elsewhere"
    refusals.keep(
        at=at,
        method=asked.method,
        place=place,
        subject=id if is_id(id) else "",
        status=status,
        kind=code,
        message=message,
    )


def _failed(status: int, detail: str) -> ScimResponse:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": detail}
    return ScimResponse(status, body)  # type: ignore[arg-type]  # any int will do


def _respond(answer: ScimResponse) -> HttpResponse:
    content: Any = b"" if answer.body is None else json.dumps(answer.body, ensure_ascii=False).encode()
    response = HttpResponse(content, status=int(answer.status), content_type=CONTENT_TYPE)
    if answer.body is None:
        del response["Content-Type"]
    for name, value in answer.headers.items():
        if name.lower() != "content-type":
            response[name] = value
    response["Cache-Control"] = "no-store"
    return response
