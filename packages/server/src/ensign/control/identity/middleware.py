"""Ends a session whose person was deactivated, whose time is over, or whose password changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase

from ensign.control.identity.conf import SESSION_LIFETIME
from ensign.control.identity.sign_in import SIGNED_IN_AT
from ensign.control.kernel import clock

_SEEN_EVERY = timedelta(minutes=5)


class SessionMiddleware:
    """Empties a session that no longer stands for anybody; remembers every five minutes that one is in use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request as the person, or as nobody."""
        if SESSION_KEY in request.session:
            at = clock.now()
            if not request.user.is_authenticated or _over(request, at=at):
                request.session.flush()
                request.user = AnonymousUser()
            else:
                _seen(request, at=at)
        return self._get_response(request)


def _over(request: HttpRequest, *, at: datetime) -> bool:
    started = request.session.get(SIGNED_IN_AT)
    return isinstance(started, str) and at - clock.parse(started) > timedelta(seconds=SESSION_LIFETIME)


def _seen(request: HttpRequest, *, at: datetime) -> None:
    rows = UserSession.objects.filter(session_key=request.session.session_key)
    last = rows.values_list("last_seen_at", flat=True).first()
    if last is not None and at - last >= _SEEN_EVERY:
        rows.update(last_seen_at=at)
