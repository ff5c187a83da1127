"""Errors as RFC 9457 problems (``application/problem+json``).

Members: ``type`` (``urn:ensign:problem:<code>``), ``title``, ``status``, ``detail``, ``code``, ``remedy``,
``request_id`` and, for input that breaks a rule, ``errors: [{"pointer", "detail"}]``, where ``pointer`` is a JSON
pointer into the body (RFC 6901), or names a parameter (``?limit``, ``If-Match``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from ensign.control.audit.door import record_denial
from ensign.control.identity import actors
from ensign.control.kernel import clock, errors
from ensign.control.kernel.request import current_request_id

CONTENT_TYPE = "application/problem+json"

#: First match wins, so a subclass stands before its base.
STATUSES: tuple[tuple[type[errors.EnsignError], HTTPStatus], ...] = (
    (errors.Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Denied, HTTPStatus.FORBIDDEN),
    (errors.RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)

_BY_CODE = {
    "precondition-failed": HTTPStatus.PRECONDITION_FAILED,
    "unsupported-media-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}

_log = logging.getLogger("ensign.api")


def status_of(error: errors.EnsignError) -> HTTPStatus:
    """The HTTP status of an expected failure; some codes have one of their own."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    remedy: str = "",
    found: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """A problem as a response. ``found`` are the ``errors`` of the body."""
    body: dict[str, Any] = {
        "type": f"urn:ensign:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
    }
    if remedy:
        body["remedy"] = remedy
    if found:
        body["errors"] = [dict(one) for one in found]
    request_id = current_request_id.get()
    if request_id is not None:
        body["request_id"] = request_id
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    response = HttpResponse(content, status=int(status), content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def from_error(error: errors.EnsignError) -> HttpResponse:
    """An expected failure as a problem."""
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="ensign"'
    if isinstance(error, errors.RateLimited):
        headers["Retry-After"] = str(error.retry_after)
    return problem(
        status=status_of(error),
        code=error.code,
        detail=error.message,
        remedy=error.remedy,
        found=[{"pointer": pointer(path), "detail": text} for path, text in error.fields.items()],
        headers=headers,
    )


def pointer(path: str | Iterable[str | int]) -> str:
    """``strategies.0.name`` or its parts as the JSON pointer ``/strategies/0/name``.

    A name that cannot be a field's path (a header, a parameter with ``?``) stays as it is.
    """
    if isinstance(path, str):
        if not path or path[0] in "/?" or path[0].isupper():
            return path
        path = path.replace("[", ".").replace("]", "").split(".")
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def record_unrecorded(error: errors.EnsignError, request: HttpRequest) -> None:
    """Make a refusal of a *read* an entry; refused writes have been recorded by the operation's door."""
    if isinstance(error, errors.Denied) and not error.recorded:
        actor = getattr(request, "actor", None) or actors.from_request(request)
        record_denial(error, actor=actor, at=clock.now())


def _expected(request: HttpRequest, error: errors.EnsignError) -> HttpResponse:
    record_unrecorded(error, request)
    return from_error(error)


_TIME = "Write a time with its zone, such as 2026-12-01T06:30:00Z."
_REMEDIES = {
    "datetime_from_date_parsing": _TIME,
    "datetime_parsing": _TIME,
    "timezone_aware": _TIME,
    "extra_forbidden": "This field is not known here. Remove it, or correct its name (see /api/v1/openapi.json).",
    "missing": "This field is required.",
}


def _validation(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Ninja's errors carry ``loc`` = (source, parameter name, path…); a body's parameter name is not in the JSON."""
    found = []
    for one in error.errors:
        source, *path = one["loc"]
        text = _REMEDIES.get(one["type"]) or str(one["msg"]).removeprefix("Value error, ").rstrip(".") + "."
        where = pointer(path[1:]) if source == "body" else f"?{path[-1]}" if path else str(source)
        found.append({"pointer": where, "detail": text})
    first = found[0]
    return problem(
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        code="invalid",
        detail=f"{first['pointer'] or 'The body'}: {first['detail']}"
        + (f" And {len(found) - 1} more." if len(found) > 1 else ""),
        remedy="Correct the fields named in `errors` and send it again.",
        found=found,
    )


def _http(_request: HttpRequest, error: HttpError) -> HttpResponse:
    cause = error.__cause__
    if isinstance(cause, errors.EnsignError):
        return from_error(cause)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem(
            status=400,
            code="malformed",
            detail="The request body is not valid JSON" + (f": {cause}." if isinstance(cause, ValueError) else "."),
            remedy="Send one JSON object in UTF-8 with `Content-Type: application/json`.",
        )
    return problem(status=error.status_code, code="error", detail=str(error))


def _missing(request: HttpRequest, _error: Exception) -> HttpResponse:
    return not_found(request)


@csrf_exempt  # it does nothing, and a program is told so by a problem, not by a page about forms
def not_found(request: HttpRequest) -> HttpResponse:
    """404 for an address that is not part of the API."""
    return problem(
        status=404,
        code="not-found",
        detail=f"There is nothing at {request.path}.",
        remedy="See /api/v1/openapi.json for what there is.",
    )


def method_not_allowed(request: HttpRequest, *, allow: str) -> HttpResponse:
    """405 (RFC 9110, section 15.5.6), with ``Allow``."""
    return problem(
        status=405,
        code="method-not-allowed",
        detail=f"{request.method} is not possible here.",
        remedy=f"Possible: {allow}.",
        headers={"Allow": allow},
    )


def bad_request(_request: HttpRequest, error: Exception) -> HttpResponse:
    """400 or 413 for a request that Django itself refuses to read."""
    if isinstance(error, RequestDataTooBig):
        return problem(status=413, code="too-large", detail="The request body is too large.", remedy="Split it.")
    return problem(status=400, code="malformed", detail="The request could not be read.")


def _permission(_request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(status=403, code="denied", detail=str(error) or "You may not do this.")


def database_away() -> HttpResponse:
    """503: the database does not answer, or cannot at present (a deadlock, a full disk)."""
    return problem(
        status=503,
        code="unavailable",
        detail="The database does not answer. Nothing was half saved.",
        remedy="Try again in a few seconds. SDKs keep receiving their rulesets meanwhile.",
        headers={"Retry-After": "5"},
    )


def server_error(request: HttpRequest, error: Exception) -> HttpResponse:
    """500: what failed goes to the server's log, not to the caller. 503 when the database is what failed."""
    _log.error("unexpected failure in the API", exc_info=error, extra={"path": request.path})
    if isinstance(error, OperationalError | InterfaceError):
        return database_away()
    return problem(
        status=500,
        code="internal",
        detail="Ensign made a mistake. Nothing was half saved.",
        remedy="Try again; if it happens again, give your administrator the request_id of this answer.",
    )


def install(api: NinjaAPI) -> None:
    """Answer every error of ``api`` with a problem."""
    handlers: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        Exception: server_error,
        errors.EnsignError: _expected,
        ValidationError: _validation,
        HttpError: _http,
        Http404: _missing,
        PermissionDenied: _permission,
        SuspiciousOperation: bad_request,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
