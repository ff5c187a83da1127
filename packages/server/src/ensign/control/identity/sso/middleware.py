"""Keeps sessions that began at a provider within what the provider vouches for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from ensign.control.identity.sessions import end_here
from ensign.control.identity.sso import sessions
from ensign.control.kernel import clock

#: Addresses that must work while the session waits to be renewed, or that lead out of it.
_FREE: Final = ("/sso/", "/logout", "/login", "/static/")


class ProviderSessionMiddleware:
    """Sends pages of a session that is due to its provider first, silently, and serves nothing beyond its limits.

    After ``recheck_at`` the next page leads to the provider; what is no page (a form that was being filled in, a call
    of a script) still goes through until ``limit_at``. After ``until`` the session is over.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request, or send it to the provider."""
        kept = sessions.mark(request) if request.user.is_authenticated else None
        if kept is None or request.path.startswith(_FREE):
            return self._get_response(request)
        at = clock.now()
        if at >= kept.until:
            end_here(request, "provider_time", at=at)
            request.user = AnonymousUser()
            request.ensign_session_over = "provider_time"  # type: ignore[attr-defined]  # the page to sign in says why
        elif kept.recheck_at is not None and at >= kept.recheck_at and _is_page(request):
            query = urlencode({"next": request.get_full_path()})
            return HttpResponseRedirect(f"{reverse('sso:renew')}?{query}")
        elif kept.limit_at is not None and at >= kept.limit_at:
            request.user = AnonymousUser()
        return self._get_response(request)


def _is_page(request: HttpRequest) -> bool:
    """Whether a browser loads this as a page, and so can be sent elsewhere and come back."""
    if request.method != "GET" or request.path.startswith("/api/"):
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in request.headers.get("Accept", "")
