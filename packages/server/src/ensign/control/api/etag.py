"""Entity tags of governed objects: the version, in quotes (RFC 9110, section 8.8.3)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from ensign.control.kernel.errors import Conflict, Invalid


class PreconditionFailed(Conflict):
    """``If-Match`` named another version than the object has. Nothing was written; answered with 412."""

    code = "precondition-failed"


def give(response: HttpResponse, *, version: int) -> None:
    """Put the object's version into ``ETag``."""
    response["ETag"] = f'"{version}"'


def expected(request: HttpRequest) -> int | None:
    """The version that ``If-Match`` demands, or None when any will do (no header, or ``*``).

    :raises Invalid: when the header is not one strong entity tag that Ensign gave.
    """
    header = request.headers.get("If-Match", "").strip()
    if header in {"", "*"}:
        return None
    digits = header[1:-1]
    if len(header) < 3 or header[0] != '"' or header[-1] != '"' or not (digits.isascii() and digits.isdigit()):
        raise Invalid(
            f'If-Match must be an entity tag that Ensign gave, such as "3" in quotes, not {header[:40]!r}.',
            remedy="Read the object and send its ETag header back as it is.",
            fields={"If-Match": "not an entity tag of Ensign's"},
        )
    return int(digits)


def require_match(request: HttpRequest, *, version: int) -> None:
    """Refuse to go on when the client has seen another version.

    :raises PreconditionFailed: when ``If-Match`` names another version than ``version``.
    """
    wanted = expected(request)
    if wanted is not None and wanted != version:
        raise PreconditionFailed(
            f"You have seen version {wanted}; it is at version {version} now. Nothing was written.",
            remedy="Read it again, look at what changed and make your change on top of it.",
        )
