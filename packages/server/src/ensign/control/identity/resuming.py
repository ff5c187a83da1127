"""What somebody sent when a second factor was asked for: kept in their session, to be sent again as it was.

Nothing is sent by itself: after the factor is proved a page shows what was sent, and its person presses the button.
What was kept came with the session's CSRF token, goes to the same address, and is checked there like any request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import HttpRequest

from ensign.control.kernel import clock

KEPT: Final = "ensign_kept"
KEEP_FOR: Final = timedelta(minutes=10)
#: More than this is not kept (characters of all fields together); nor is a form with one of these fields.
SIZE_MAX: Final = 30_000
SECRETS: Final = frozenset({"password", "old", "new", "code", "answer", "secret", "token"})
_CSRF: Final = "csrfmiddlewaretoken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A form that was sent: its address, its fields in order, and the page that it was on."""

    path: str
    fields: tuple[tuple[str, str], ...]
    back: str

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """The fields with what their names mean, without empty ones."""
        return tuple(
            (name.replace("_", " ").capitalize(), value) for name, value in self.fields if value and name != "version"
        )


def keep(request: HttpRequest, *, back: str, at: datetime) -> None:
    """Keep the form that the request sent, in place of an earlier one; ``back`` is the page that it was on.

    A fragment's form (htmx), files, secrets and very long texts are not kept: what was kept before is forgotten then.
    """
    request.session.pop(KEPT, None)
    if request.method != "POST" or "HX-Request" in request.headers or request.FILES:
        return
    fields = [[name, text] for name, values in request.POST.lists() for text in values if name != _CSRF]
    if SECRETS & {name for name, _ in fields} or sum(len(a) + len(b) for a, b in fields) > SIZE_MAX:
        return
    request.session[KEPT] = {
        "path": request.get_full_path(),
        "fields": fields,
        "back": back,
        "at": clock.text(at),
        "person": str(getattr(request.user, "pk", "")),
    }


def kept(request: HttpRequest, *, at: datetime) -> Kept | None:
    """What was kept in this session, of the person who sits in it, within the last ten minutes."""
    found = request.session.get(KEPT)
    if not isinstance(found, dict) or at - clock.parse(found["at"]) > KEEP_FOR:
        return None
    if found["person"] != str(getattr(request.user, "pk", "")):
        return None
    return Kept(path=found["path"], fields=tuple((name, text) for name, text in found["fields"]), back=found["back"])
