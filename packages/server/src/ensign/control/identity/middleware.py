"""Ends a session whose person was deactivated, whose time is over, or whose password changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase

from ensign.control.identity import sessions, traces
from ensign.control.kernel import clock

_View = TypeVar("_View", bound=Callable[..., Any])
_BACKGROUND: Final = "ensign_background"


def background(view: _View) -> _View:
    """Mark a view that a page asks by itself: it does not count as its person using the session."""
    setattr(view, _BACKGROUND, True)
    return view


class SessionMiddleware:
    """Empties a session that no longer stands for anybody; remembers every minute that one is in use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request as the person, or as nobody."""
        with traces.of(request):
            over: sessions.Over | None = None
            if SESSION_KEY in request.session:
                over = sessions.over(request, at=clock.now()) if request.user.is_authenticated else "ended"
            elif request.COOKIES.get(settings.SESSION_COOKIE_NAME) and request.session.session_key is None:
                over = "ended"  # elsewhere: the cookie names a session that is no more
            if over is not None:
                request.session.flush()
                request.user = AnonymousUser()
                request.ensign_session_over = over  # type: ignore[attr-defined]  # the page to sign in says why
            return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], _arguments: Any, _named: Any) -> None:
        """Django calls this when it knows which view answers."""
        if request.user.is_authenticated and not getattr(view, _BACKGROUND, False):
            sessions.seen(request, at=clock.now())
