"""What htmx requests need that plain requests don't."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

REDIRECTS = frozenset({301, 302, 303, 307, 308})
PROJECT_COOKIE = "ensign_project"
"""Holds the key of the project that this browser looked at last: what the rooms of a project lead to elsewhere."""
_DAYS_90 = 90 * 24 * 3600


def is_partial(request: HttpRequest) -> bool:
    """Whether a fragment answers this request: htmx asked, and not to restore a whole page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-Request-Type") != "full"


class HtmxMiddleware:
    """Marks responses as varying with ``HX-Request`` and turns redirects into page changes.

    The browser follows a redirect inside a fetch by itself and htmx would put the new page into a
    fragment's place; ``HX-Redirect`` makes it a navigation, which also covers an expired session that
    redirects to sign-in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, with the redirect rewritten when htmx asked."""
        response = self._get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if request.headers.get("HX-Request") != "true" or response.status_code not in REDIRECTS:
            return response
        answer = HttpResponse(status=204)
        answer["HX-Redirect"] = response["Location"]
        answer.cookies = response.cookies
        patch_vary_headers(answer, ["HX-Request"])
        return answer


class ProjectMiddleware:
    """Remembers in a cookie which project was looked at last: where the rooms of a project lead from other pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        response = self._get_response(request)
        match = request.resolver_match
        project = match.kwargs.get("project") if match is not None else None
        # No project's key is anything but ASCII, and a header can hold nothing else.
        known = project if response.status_code == 200 and project and project.isascii() else None
        if known is not None and request.COOKIES.get(PROJECT_COOKIE) != known:
            secure = bool(settings.SESSION_COOKIE_SECURE)
            response.set_cookie(PROJECT_COOKIE, known, max_age=_DAYS_90, secure=secure, httponly=True, samesite="Lax")
        return response
