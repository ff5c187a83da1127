"""Pages for what went wrong: always a cause and a remedy, never a stack."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.templatetags.static import static


class Wrong(NamedTuple):
    """What an error page says."""

    title: str
    cause: str
    remedy: str


WRONGS: Final = {
    400: Wrong(
        "This request could not be read",
        "The address or the form held something that Ensign does not understand.",
        "Go back, reload the page and try again. If you followed a link, it may have been cut off.",
    ),
    403: Wrong(
        "You may not do this",
        "Your roles do not include this act here. The refusal has been written to the log.",
        "Ask an administrator of this project for the role that you need, or ask somebody who has it.",
    ),
    404: Wrong(
        "There is nothing here",
        "The address is wrong, or what it named lies in a project that you cannot see.",
        "Check the address, or look for it with the command menu (Ctrl K). Nothing in Ensign is ever deleted: "
        "archived flags are still in the list, under the filter “Archived”.",
    ),
    409: Wrong(
        "Somebody changed this before you",
        "What you were editing is no longer what it was when you opened it, so nothing was saved.",
        "Open it again to see both versions; your text is still in the form when you go back.",
    ),
    422: Wrong(
        "This breaks a rule",
        "What was sent cannot be accepted as it is. Nothing was saved.",
        "Go back; what you typed is still in the form. Correct what is named above and send it again.",
    ),
    429: Wrong(
        "Too many tries",
        "There were more tries from here than are allowed in a while.",
        "Wait a few minutes and try again.",
    ),
    500: Wrong(
        "Ensign made a mistake",
        "The request failed inside the server. Nothing was half saved: a change happens wholly or not at all.",
        "Try again. If it happens again, give your administrator the time and the address of this page. "
        "Applications keep receiving their rulesets meanwhile.",
    ),
    503: Wrong(
        "Ensign cannot do this at present",
        "Something that Ensign needs is not there: its disk, its database or one of its keys.",
        "Try again in a minute; if it stays, tell your administrator. Applications keep receiving their rulesets.",
    ),
}


#: A 409 with a cause of its own: the state of something does not allow it, which seldom is anybody's other edit.
NOT_NOW: Final = Wrong(
    "This cannot be done as things are",
    "",
    "Nothing was saved. Go back and look at it again: it may have changed since you opened it.",
)


def error_page(
    request: HttpRequest, *, status: int, cause: str = "", remedy: str = "", title: str = ""
) -> HttpResponse:
    """The error page of a status in WRONGS; a cause or remedy that is safe to show replaces the usual one."""
    wrong = NOT_NOW if status == 409 and cause else WRONGS[status]
    shown = {
        "status": status,
        "title": title or wrong.title,
        "cause": cause or wrong.cause,
        "remedy": remedy or wrong.remedy,
        "back": _came_from(request),
    }
    return HttpResponse(loader.render_to_string("ui/error.html", shown, request=request), status=status)


def _came_from(request: HttpRequest) -> str:
    """The path of our own page that led here, or ""."""
    given = urlsplit(request.headers.get("Referer", ""))
    if not given.netloc or given.netloc != request.headers.get("Host") or given.path == request.path:
        return ""
    return given.path + (f"?{given.query}" if given.query else "")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 (its words may quote input)
    """Django's handler400."""
    return error_page(request, status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403; the exception's own words, when it has any, are the cause."""
    return error_page(request, status=403, cause=str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 (holds URL patterns)
    """Django's handler404."""
    return error_page(request, status=404)


def server_error(request: HttpRequest, status: int = 500) -> HttpResponse:  # noqa: ARG001 (it may be what is broken)
    """500 or 503, without a request context and a query, for those may be what is broken."""
    wrong = WRONGS[status]
    styles = [static(f"ui/css/{name}.css") for name in ("tokens", "base", "shell", "controls")]
    context = {**wrong._asdict(), "status": status, "styles": [static("vendor/bootstrap-reboot.min.css"), *styles]}
    return HttpResponse(loader.get_template("500.html").render(context), status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 (Django's jargon)
    """Django's CSRF_FAILURE_VIEW: most often a form that was open for too long."""
    return error_page(
        request,
        status=403,
        title="This form is no longer valid",
        cause="It was open in this browser since before you last signed in, or cookies are blocked. Nothing was saved.",
        remedy="Go back, reload the page and send the form again.",
    )
