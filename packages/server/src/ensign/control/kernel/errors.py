"""Errors that a person may read: a stable code, a message that is safe to show, and the remedy.

The mapping to HTTP status codes lives at the edges (``control/api``, ``control/ui``), not here.
"""

from __future__ import annotations

from collections.abc import Mapping


class EnsignError(Exception):
    """Base of every expected failure.

    ``code`` is stable and machine-readable; ``message`` says what is wrong and ``remedy`` what to do;
    ``fields`` maps the path of an input field to its own message.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        fields: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.fields = dict(fields or {})
        if code is not None:
            self.code = code


class Invalid(EnsignError):
    """The input breaks a rule; ``fields`` names each offending field."""

    code = "invalid"


class NotFound(EnsignError):
    """There is no such object, or the actor may not know of it."""

    code = "not-found"


class Conflict(EnsignError):
    """The object changed meanwhile, or its state does not allow this. Nothing was written."""

    code = "conflict"


class Unauthenticated(EnsignError):
    """Nobody is signed in, or the token is not valid."""

    code = "unauthenticated"


class Denied(EnsignError):
    """The actor may not do this. ``permission`` and ``scope`` say what was missing where; becomes an entry."""

    code = "denied"

    def __init__(
        self, message: str, *, permission: str, scope: str = "", remedy: str = "", code: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.permission = permission
        self.scope = scope
        self.recorded = False


class NeedsMfa(Denied):
    """The act needs a recent second factor in this session."""

    code = "mfa-required"


class RateLimited(EnsignError):
    """Too many tries; ``retry_after`` in seconds."""

    code = "rate-limited"

    def __init__(self, message: str, *, retry_after: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class Unavailable(EnsignError):
    """Something that Ensign needs is not there (disk read-only, schema newer, keys missing)."""

    code = "unavailable"
