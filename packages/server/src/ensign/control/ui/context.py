"""The shell of a page: rooms, person, project (a context processor; no query of its own)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from ensign.control.ui import looks


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room of the product and where it is.

    ``url_name`` is reversed with the current project's key when ``in_project`` is set; a room whose URL
    does not exist, or that needs a project while there is none, is not shown. ``namespaces`` are the URL
    namespaces whose pages belong to it.
    """

    label: str
    icon: str
    url_name: str
    shortcut: str
    namespaces: frozenset[str]
    in_project: bool = False


def _room(label: str, icon: str, url_name: str, shortcut: str, *, in_project: bool = False) -> Room:
    return Room(
        label=label,
        icon=icon,
        url_name=url_name,
        shortcut=shortcut,
        namespaces=frozenset({url_name.partition(":")[0]}),
        in_project=in_project,
    )


ROOMS: Final = (
    (
        "",
        (
            _room("Home", "home", "home:index", "h"),
            _room("Flags", "flag", "flags:list", "f", in_project=True),
            _room("Requests", "request", "changes:list", "r", in_project=True),
            _room("Segments", "segment", "segments:list", "s", in_project=True),
            _room("Log", "log", "audit:log", "l"),
        ),
    ),
    (
        "Administration",
        (
            _room("Projects", "project", "projects:list", "p"),
            _room("Environments & policies", "environment", "environments:list", "e", in_project=True),
            _room("People & access", "people", "access:people", "a"),
            _room("Settings", "settings", "settings:index", "t"),
        ),
    ),
)

KEYS: Final = (
    ("Ctrl K", "Command menu"),
    ("/", "Search this page"),
    ("j", "Next row"),
    ("k", "Previous row"),
    ("Enter", "Open the row"),
    ("?", "These shortcuts"),
)


def _address(name: str, **kwargs: str) -> str:
    try:
        return reverse(name, kwargs=kwargs or None)
    except NoReverseMatch:
        return ""


def navigation(
    *, current_namespace: str, project: str, counts: Mapping[str, int] | None = None
) -> tuple[looks.NavGroup, ...]:
    """The rooms that exist, grouped.

    ``project`` is the key of the current project or ""; ``counts`` maps a room's URL name to what waits
    there.
    """
    groups = []
    for title, rooms in ROOMS:
        items = []
        for room in rooms:
            if room.in_project and not project:
                continue
            href = _address(room.url_name, **({"project": project} if room.in_project else {}))
            if not href:
                continue
            items.append(
                looks.NavItem(
                    label=room.label,
                    icon=room.icon,
                    href=href,
                    shortcut=room.shortcut,
                    current=current_namespace in room.namespaces,
                    count=(counts or {}).get(room.url_name, 0),
                )
            )
        if items:
            groups.append(looks.NavGroup(title=title, items=tuple(items)))
    return tuple(groups)


def shortcuts(nav: tuple[looks.NavGroup, ...]) -> tuple[tuple[str, str], ...]:
    """Every key of the page with what it does: the fixed ones, then ``g`` and a room's letter."""
    rooms = tuple(
        (f"g {item.shortcut}", f"Go to {item.label}") for group in nav for item in group.items if item.shortcut
    )
    return KEYS + rooms


def build_shell(request: HttpRequest) -> looks.Shell:
    """The shell for a request: from its URL, its signed-in person, and ``request.ui_shell`` if a view set it."""
    given = getattr(request, "ui_shell", None)
    if isinstance(given, looks.Shell):
        return given
    match = request.resolver_match
    project = str(match.kwargs.get("project", "")) if match else ""
    namespace = match.namespace.partition(":")[0] if match else ""
    nav = navigation(current_namespace=namespace, project=project)
    user = getattr(request, "user", None)
    person = None
    if user is not None and user.is_authenticated:
        person = looks.Person(name=str(user), detail=str(getattr(user, "email", "")))
    return looks.Shell(
        nav=nav,
        person=person,
        project=project,
        commands_url=_address("ui:commands"),
        sign_out_url=_address("identity:sign-out"),
        security_url=_address("identity:security"),
        shortcuts=shortcuts(nav),
    )


def shell(request: HttpRequest) -> dict[str, Any]:
    """Adds ``shell`` (a ``looks.Shell``), built only when a template reads it."""
    return {"shell": SimpleLazyObject(lambda: build_shell(request))}
