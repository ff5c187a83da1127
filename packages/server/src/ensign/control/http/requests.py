"""One id and one log line for every request.

The line names the *route* (``/invite/<token>``), never the path: links to set up, to join and to reset a password
carry their secret in the path, and a query may hold what somebody searched for.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from ensign.control.kernel.request import current_request_id

#: Hexadecimal only: the id stands in ledger entries for ever, where a caller must not be able to put words.
_ACCEPTED = re.compile(r"[0-9a-fA-F-]{16,64}\Z")

_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_log = structlog.get_logger("ensign.request")


class RequestMiddleware:
    """Takes a hexadecimal ``X-Request-ID`` from the caller, else makes one; answers with it; logs the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request under its id."""
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ACCEPTED.match(given) else str(uuid.uuid4())
        token = current_request_id.set(request_id)
        started = time.perf_counter()
        try:
            response = self._get_response(request)
            response["X-Request-ID"] = request_id
            for name, value in _HEADERS.items():
                response.setdefault(name, value)
            self._write(request, response.status_code, time.perf_counter() - started)
            return response
        finally:
            current_request_id.reset(token)

    def _write(self, request: HttpRequest, status: int, seconds: float) -> None:
        if request.path.startswith(settings.STATIC_URL):
            return
        match = request.resolver_match
        actor = getattr(request, "actor", None)
        _log.info(
            "request",
            method=request.method if request.method in _METHODS else "other",
            route="/" + match.route if match is not None else "unknown",
            status=status,
            ms=round(seconds * 1000, 1),
            actor=None if actor is None else actor.id,
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
