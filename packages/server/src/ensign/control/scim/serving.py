"""One SCIM request: from bytes to an answer. Reads see one snapshot after another; a write is one transaction."""

from __future__ import annotations

import functools
import hmac
from datetime import datetime
from http import HTTPStatus
from typing import Final

from django.conf import settings
from scim2_models import (
    ConflictException,
    ForbiddenException,
    InvalidFilterException,
    InvalidValueException,
    NotFoundException,
    SCIMException,
    UnauthorizedException,
    UniquenessException,
)
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.kernel import errors
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.scim import actions
from ensign.control.scim.resources import Service, service
from ensign.control.scim.storage import DirectoryStorage
from ensign.control.scim.tokens import require_directory

FILTER_MAX: Final = 1000
"""Characters of a filter; longer ones are refused unread."""

_UNIQUE: Final = frozenset({"name-taken", "email-taken"})
_READS: Final = frozenset({"GET", "HEAD"})


@functools.cache
def protocol() -> Service:
    """The protocol's side, made once: building its schemas takes a while."""
    secret = hmac.digest(settings.SECRET_KEY.encode(), b"ensign: SCIM cursors", "sha256")
    return service(secret=secret, documentation=f"{settings.PUBLIC_URL}/directory")


def reads(request: ScimRequest) -> bool:
    """Whether it alters nothing: a search may come by POST."""
    return request.method in _READS or request.path.rstrip("/").endswith(".search")


def serve(request: ScimRequest, *, actor: Actor, at: datetime) -> ScimResponse:
    """Answer a request of the directory.

    :raises SCIMException: for every refusal, with the status and type of RFC 7644, section 3.12.
    """
    _check_size(request)
    try:
        if reads(request):
            return _handle(request, actor=actor, at=at, writing=False)
        return _write(actor=actor, at=at, request=request)
    except errors.EnsignError as error:
        if error.code == "last-administrator":
            _note_refused_leaver(request, actor=actor, at=at)
        raise to_scim(error) from error
    except RecursionError as error:
        raise InvalidFilterException(detail="The request is nested too deeply.") from error


@operation
def _write(*, actor: Actor, at: datetime, request: ScimRequest) -> ScimResponse:
    require_directory(actor, at=at)
    return _handle(request, actor=actor, at=at, writing=True)


def _handle(request: ScimRequest, *, actor: Actor, at: datetime, writing: bool) -> ScimResponse:
    handler = ScimHandler(protocol(), DirectoryStorage(actor=actor, at=at, writing=writing))
    return handler.handle(request)


def _check_size(request: ScimRequest) -> None:
    if len(request.query.get("filter", "")) > FILTER_MAX:
        raise InvalidFilterException(detail=f"A filter has at most {FILTER_MAX} characters.")


def to_scim(error: errors.EnsignError) -> SCIMException:
    """Our own refusals in SCIM's terms: the same words, and never a value that was sent."""
    detail = f"{error.message} {error.remedy}".strip()
    if error.fields:
        detail += f" ({', '.join(sorted(error.fields))})"
    if isinstance(error, errors.Conflict):
        return UniquenessException(detail=detail) if error.code in _UNIQUE else ConflictException(detail=detail)
    if isinstance(error, errors.Invalid) or error.code == "member-unknown":
        return InvalidValueException(detail=detail)
    if isinstance(error, errors.NotFound):
        return NotFoundException(detail=detail)
    if isinstance(error, errors.Unauthenticated):
        return UnauthorizedException(detail=detail)
    if isinstance(error, errors.Denied):
        return ForbiddenException(detail=detail)
    return Failure(detail=detail, error=error)


class Failure(SCIMException):
    """What has no class of its own: too many requests, something missing."""

    def __init__(self, *, detail: str, error: errors.EnsignError) -> None:
        limited = isinstance(error, errors.RateLimited)
        self.status = int(HTTPStatus.TOO_MANY_REQUESTS if limited else HTTPStatus.SERVICE_UNAVAILABLE)
        super().__init__(detail=detail)


def _note_refused_leaver(request: ScimRequest, *, actor: Actor, at: datetime) -> None:
    """Somebody should be out and is not, because nobody would be left who can give roles: an entry and a finding."""
    kind, _, id = request.path.strip("/").partition("/")
    if kind.lower() == "users" and id.startswith("usr_"):
        with write_door():
            detail = {"person": id, "signal": "leaver", "code": "last_administrator"}
            record(action=actions.LEAVER_REFUSED, actor=actor, at=at, detail=detail)


def protocol_answer(request: ScimRequest) -> ScimResponse:
    """The configuration, which is about Ensign and nobody."""
    return protocol().service_provider_config(request.url, request.query)
