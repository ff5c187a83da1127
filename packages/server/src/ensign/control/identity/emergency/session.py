"""Sessions that began by emergency access: they end with it, whatever else lasts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase

from ensign.control.identity import sessions
from ensign.control.identity.emergency import queries
from ensign.control.kernel import clock

#: Where a session keeps by which seal it began, or is about to begin.
MARK: Final = "ensign_emergency"


def mark(request: HttpRequest, seal_id: str) -> None:
    """Note by which seal somebody comes in."""
    request.session[MARK] = seal_id


def still_open(request: HttpRequest, *, at: datetime) -> bool:
    """Whether the seal by which this session came in is open."""
    seal = queries.open_seal(at=at)
    return seal is not None and request.session.get(MARK) == seal.id


class EmergencyMiddleware:
    """Ends a session whose emergency access is over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request as the person, or as nobody."""
        at = clock.now()
        if MARK in request.session and request.user.is_authenticated and not still_open(request, at=at):
            sessions.end_here(request, "closed", at=at)
            request.user = AnonymousUser()
            request.ensign_session_over = "closed"  # type: ignore[attr-defined]  # the page to sign in says why
        return self._get_response(request)
