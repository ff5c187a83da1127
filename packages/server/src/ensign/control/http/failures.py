"""Expected failures in pages: a page with cause and remedy, or the way to sign in or to prove a second factor."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import Resolver404, resolve, reverse

from ensign.control.api.problems import record_unrecorded, status_of
from ensign.control.identity import gate, resuming
from ensign.control.identity.web import SeeOther
from ensign.control.kernel import clock, errors
from ensign.control.ui.errors import error_page

API = "/api/"

#: Why a session ended (``identity.sessions.Over``) -> what its person is told.
_OVER = {
    "idle": "You were signed out because the session was not used for a while.",
    "lifetime": "You were signed out because the session had lasted as long as sessions do here.",
    "rules": "You were signed out because people sign in by another way now.",
    "closed": "You were signed out because the emergency access was closed.",
    "provider_time": "You were signed out because sessions through your identity provider do not last longer.",
    "ended": "That session has ended. Sign in again.",
}


class FailureMiddleware:
    """Turns ``kernel.errors`` that a view let through into an answer; everything else stays Django's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request. An address that takes only a form, opened as a page, leads to the page above it: it stands
        in the address bar when a form came back with an error, and is reloaded or sent to a colleague.
        """
        response = self._get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and _opened_as_page(request):
            return HttpResponseRedirect(_page_above(request.path))
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _arguments: Any, _named: Any
    ) -> HttpResponseBase | None:
        """Django calls this before a view runs: what people may not even ask for is answered here.

        The API asks the same of its callers (``control.api.auth``), as it also knows tokens.
        """
        if request.path.startswith(API):
            return None
        refusal = gate.refusal(request, view, at=clock.now())
        if refusal is None:
            return None
        if refusal.code == gate.ENROLMENT:
            messages.warning(request, f"{refusal.message} {refusal.remedy}")
            return SeeOther(reverse("identity:security"))
        return error_page(request, status=403, cause=refusal.message, remedy=refusal.remedy)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Django calls this with what a view raised."""
        if not isinstance(exception, errors.EnsignError) or request.path.startswith(API):
            return None
        if isinstance(exception, errors.Unauthenticated):
            return _sign_in(request)
        record_unrecorded(exception, request)
        if isinstance(exception, errors.NeedsMfa):
            return _step_up(request, exception)
        cause = exception.message
        if exception.fields:
            cause += " " + " ".join(f"{field}: {text}" for field, text in exception.fields.items())
        remedy = exception.remedy
        if isinstance(exception, errors.Denied):
            remedy = f"{remedy} This refusal has been written to the log.".strip()
        response = error_page(request, status=status_of(exception), cause=cause, remedy=remedy)
        if isinstance(exception, errors.RateLimited):
            response["Retry-After"] = str(exception.retry_after)
        return response


def _opened_as_page(request: HttpRequest) -> bool:
    """Whether a person's browser asks for a page; what machines post to (it is exempt from CSRF) stays as it is."""
    found = request.resolver_match
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("Accept", "")
        and found is not None
        and not request.path.startswith(API)
        and not getattr(found.func, "csrf_exempt", False)
    )


def _page_above(path: str) -> str:
    """The nearest address above that there is; at the latest the home page."""
    while path := path.rpartition("/")[0]:
        try:
            resolve(path)
        except Resolver404:
            continue
        return path
    return "/"


def _sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page; back to this one afterwards if it can be fetched again."""
    why = _OVER.get(getattr(request, "ensign_session_over", ""))
    if why is not None:
        messages.info(request, why)
    address = resolve_url(settings.LOGIN_URL)
    if request.method == "GET":
        address += "?" + urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(address)


def _step_up(request: HttpRequest, error: errors.NeedsMfa) -> HttpResponse:
    """To the page on which a second factor is proved; afterwards what was sent is offered to be sent again as it was,
    or, where it cannot be kept, back to where the act was begun.

    The shell turns the redirect into a change of page where htmx asked.
    """
    resuming.keep(request, back=_page_of(request), at=clock.now())
    messages.warning(request, f"{error.message} {error.remedy}".strip())
    return SeeOther(reverse("identity:confirm") + "?" + urlencode({"next": _page_of(request)}))


def _page_of(request: HttpRequest) -> str:
    """The path of the page that the request belongs to: itself if it can be fetched again, else ours that sent it."""
    if request.method == "GET" and "HX-Request" not in request.headers:
        return request.get_full_path()
    given = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    if given.netloc != request.get_host() or not given.path.startswith("/") or given.path.startswith("//"):
        return "/"
    return given.path + (f"?{given.query}" if given.query else "")
