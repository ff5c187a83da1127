"""What stands in front of every endpoint: limits, repeated writes, and problems instead of Django's own pages."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed

from ensign.control.api import idempotency, problems
from ensign.control.api.auth import authenticate
from ensign.control.api.limits import ApiLimits
from ensign.control.kernel import clock
from ensign.control.kernel.errors import EnsignError, RateLimited, Unauthenticated

PREFIX = "/api/v1/"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ApiMiddleware:
    """Serves ``/api/v1/…``; everything else passes untouched."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._limits = ApiLimits(requests=settings.API_RATE, writes=settings.API_WRITE_RATE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        if not request.path.startswith(PREFIX):
            return self._get_response(request)
        try:
            self._limits.check(request)
        except RateLimited as error:
            return problems.from_error(error)
        if request.method in _WRITES and "Idempotency-Key" in request.headers:
            return self._once(request)
        return self._serve(request)

    def _serve(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            return problems.method_not_allowed(request, allow=response["Allow"])
        response.setdefault("Cache-Control", "private, no-store")
        return response

    def _once(self, request: HttpRequest) -> HttpResponseBase:
        """A replay needs a valid caller like the first try; an invalid one gets the endpoint's own 401."""
        try:
            actor = authenticate(request)
        except EnsignError as error:
            return self._serve(request) if isinstance(error, Unauthenticated) else problems.from_error(error)
        try:
            key = idempotency.key_of(request)
            assert key is not None  # the header is there
            found = idempotency.reserve(request=request, actor=actor, key=key, at=clock.now())
        except EnsignError as error:
            return problems.from_error(error)
        except SuspiciousOperation as error:
            return problems.bad_request(request, error)
        if isinstance(found, HttpResponse):
            return found
        response = self._serve(request)
        if isinstance(response, HttpResponse):
            idempotency.settle(found, response=response)
        return response
