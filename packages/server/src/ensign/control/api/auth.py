"""Who calls: a signed-in session (with a CSRF token on writes), or a personal or service token.

Either way ``request.actor`` is set. A header that does not hold a valid token never falls back to the session.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import APIKeyCookie, HttpBearer

from ensign.control.api.limits import GUESSES_SHARE, Guesses
from ensign.control.identity import actors, gate, sign_in
from ensign.control.identity.web import network_address
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Unauthenticated

_REMEDY = (
    "Send `Authorization: Bearer <token>` with a personal token (ensign_pat_…) or a service account's token"
    " (ensign_svc_…), or sign in."
)


_guesses = Guesses(per_minute=max(10, settings.API_RATE // GUESSES_SHARE))


class CsrfFailed(Denied):
    """A write in a session came without the CSRF token."""

    code = "csrf-failed"


class TokenAuth(HttpBearer):
    """``Authorization: Bearer ensign_pat_…``, ``ensign_svc_…`` or ``ensign_fed_…``."""

    def __call__(self, request: HttpRequest) -> Actor | None:
        """The token's owner, or None when there is no Authorization header at all.

        :raises Unauthenticated: for any header that is not a valid bearer token.
        """
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("The Authorization header does not hold a bearer token.", remedy=_REMEDY)
        return self.authenticate(request, token.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        """The token's owner, kept as ``request.actor``."""
        at = clock.now()
        try:
            actor = actors.from_token(token, at=at)
        except Unauthenticated:
            _guesses.failed(network_address(request))
            sign_in.refused("token", person_id=None, at=at)
            raise
        gate.require_network(request, actor, at=at)
        request.actor = actor  # type: ignore[attr-defined]  # Django's request takes attributes; views read this one
        return actor


class SessionAuth(APIKeyCookie):
    """The session cookie of the pages; a write needs the ``X-CSRFToken`` header, too."""

    param_name = "sessionid"

    def __call__(self, request: HttpRequest) -> Actor | None:
        """The signed-in person.

        :raises CsrfFailed: when a write carries a session but no valid CSRF token.
        """
        actor = actors.from_request(request)
        if actor.kind == "anonymous":
            raise Unauthenticated("Nobody is signed in.", remedy=_REMEDY)
        try:
            self._get_key(request)
        except HttpError as error:
            raise CsrfFailed(
                "The request came from a session without its CSRF token.",
                permission="session",
                remedy="Send the csrftoken cookie's value as X-CSRFToken, or use a token instead of the session.",
            ) from error
        gate.require(request, at=clock.now())
        request.actor = actor  # type: ignore[attr-defined]  # as above
        return actor

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        """Not used: the session middleware has read the cookie already."""
        raise NotImplementedError


AUTHENTICATION = (TokenAuth(), SessionAuth())


def authenticate(request: HttpRequest) -> Actor:
    """The caller, by the same rules as every endpoint (for middleware that must know before the endpoint runs).

    :raises Unauthenticated: when neither a token nor a session vouches for the caller.
    """
    for way in AUTHENTICATION:
        actor = way(request)
        if actor is not None:
            return actor
    raise Unauthenticated("Nobody is signed in.", remedy=_REMEDY)
