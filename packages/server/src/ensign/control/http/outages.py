"""What a request is told that failed unexpectedly: 503 while the database does not answer, else 500."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from ensign.control.api import problems
from ensign.control.ui import errors

API = "/api/"


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the exception is being handled; middleware's failures come here, too."""
    failure = sys.exception()
    if isinstance(failure, OperationalError | InterfaceError):
        response = problems.database_away() if request.path.startswith(API) else errors.server_error(request, 503)
        response["Retry-After"] = "5"
        return response
    return errors.server_error(request)
