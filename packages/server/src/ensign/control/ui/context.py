"""The shell of a page: rooms, person, project (a context processor; see ``build_shell`` for its cost)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from ensign.control.access.permissions import Permission
from ensign.control.changes.waiting import waits_for_me
from ensign.control.integrations import inbox
from ensign.control.projects.queries import ProjectRow
from ensign.control.ui import looks
from ensign.control.ui.middleware import PROJECT_COOKIE
from ensign.control.ui.visitor import Visitor, visitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room of the product and where it is.

    ``url_name`` is reversed with the current project's key when ``in_project`` is set; a room whose URL
    does not exist, that needs a project while there is none, or when the visitor holds none of its ``needs`` in the
    organisation, is not shown. ``namespaces`` are the URL namespaces whose pages belong to it.
    """

    label: str
    icon: str
    url_name: str
    shortcut: str
    holds: frozenset[str]
    in_project: bool = False
    needs: tuple[Permission, ...] = ()


def _room(
    label: str,
    icon: str,
    url_name: str,
    shortcut: str,
    *also: str,
    in_project: bool = False,
    needs: tuple[Permission, ...] = (),
) -> Room:
    return Room(
        label=label,
        icon=icon,
        url_name=url_name,
        shortcut=shortcut,
        holds=frozenset(also or {url_name.partition(":")[0]}),
        in_project=in_project,
        needs=needs,
    )


SIGN_IN_PAGES: Final = (
    "access:sign-in-rules",
    "access:sign-in-history",
    "access:providers",
    "access:provider-new",
    "access:provider",
    "access:provider-map",
    "access:provider-enforce",
    "access:emergency",
    "access:emergency-holders",
    "access:emergency-draw",
    "access:emergency-review",
    "access:logins",
    "scim",
)

ROOMS: Final = (
    (
        "",
        (
            _room("Home", "home", "home:index", "h"),
            _room("Inbox", "comment", "integrations:inbox", "n", "integrations:inbox", "integrations:preferences"),
            _room(
                "Flags",
                "flag",
                "flags:list",
                "f",
                "flags",
                "progression",
                "changes:bulk",
                "changes:transfer",
                "changes:import",
                "changes:clone",
                in_project=True,
            ),
            _room("Requests", "request", "changes:queue", "r"),
            _room("Releases", "rollout", "releases:index", "o"),
            _room("Segments", "segment", "segments:list", "s", in_project=True),
            _room("Playground", "target", "playground:index", "y"),
        ),
    ),
    (
        "Oversight",
        (
            _room("Incidents", "siren", "incidents:list", "k"),
            _room("Alerts", "eye", "monitoring:alerts", "w", "monitoring"),
            _room("Log", "log", "evidence:log", "l"),
        ),
    ),
    (
        "Administration",
        (
            _room("Projects", "project", "projects:list", "p"),
            _room(
                "Environments & policies",
                "environment",
                "changes:policies",
                "e",
                "changes:policies",
                "changes:policy",
                "changes:policy_plan",
                "changes:policy_timeline",
                in_project=True,
            ),
            _room(
                "People & access",
                "people",
                "access:people",
                "a",
                "access",
                "scim:leavers",
                "scim:movements",
                "scim:departure",
                "privacy:person",
                needs=(Permission.ORG_READ,),
            ),
            _room(
                "Sign-in",
                "fingerprint",
                "access:sign-in-rules",
                "i",
                *SIGN_IN_PAGES,
                needs=(Permission.ORG_SECURITY_MANAGE, Permission.ORG_LEDGER_READ),
            ),
            _room(
                "Settings",
                "settings",
                "settings:index",
                "t",
                "settings",
                "privacy",
                "integrations",
            ),
        ),
    ),
)
WAITS: Final = "changes:queue"
"""The room that shows how many requests wait."""
UNREAD: Final = "integrations:inbox"
"""The room that shows how many notices are unread."""

KEYS: Final = (
    ("Ctrl K", "Command menu"),
    ("/", "Search this page"),
    ("j", "Next row"),
    ("k", "Previous row"),
    ("Enter", "Open the row"),
    ("c", "Comment on the line of a difference"),
    ("?", "These shortcuts"),
)


def _address(name: str, **kwargs: str) -> str:
    try:
        return reverse(name, kwargs=kwargs or None)
    except NoReverseMatch:
        return ""


def _current(view: str) -> Room | None:
    """The room that a view belongs to."""
    rooms = [room for _, group in ROOMS for room in group]
    for wanted in (view, view.partition(":")[0]):
        found = next((room for room in rooms if wanted in room.holds), None)
        if found is not None:
            return found
    return None


def navigation(
    *,
    view: str,
    project: str,
    counts: Mapping[str, int] | None = None,
    who: Visitor | None = None,
) -> tuple[looks.NavGroup, ...]:
    """The rooms that exist, grouped; that of ``view`` (``flags:detail``) is the current one.

    ``project`` is the key of the current project or ""; ``counts`` maps a room's URL name to what waits
    there; without ``who`` rooms that need a permission are left out.
    """
    current, groups = _current(view), []
    for title, rooms in ROOMS:
        items = []
        for room in rooms:
            if room.in_project and not project:
                continue
            if room.needs and (who is None or not any(who.may(need) for need in room.needs)):
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
                    current=room is current,
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


def current_project(request: HttpRequest, projects: Sequence[ProjectRow]) -> ProjectRow | None:
    """The project of the page; where it has none, the one that this browser looked at last, else the first."""
    match = request.resolver_match
    wanted = (match.kwargs.get("project") if match else None) or request.COOKIES.get(PROJECT_COOKIE)
    return next((row for row in projects if row.key == wanted), projects[0] if projects else None)


def switcher(request: HttpRequest, projects: Sequence[ProjectRow], current: ProjectRow) -> tuple[looks.Choice, ...]:
    """Every project with the page like this one there: the same list, or the room's."""
    match = request.resolver_match
    here = match.view_name if match is not None and set(match.kwargs) == {"project"} else ""
    if not here and match is not None:
        room = _current(match.view_name)
        here = room.url_name if room is not None and room.in_project else ""
    return tuple(
        looks.Choice(
            label=row.name,
            href=(here and _address(here, project=row.key)) or _address("projects:detail", project=row.key),
            current=row.key == current.key,
        )
        for row in projects
    )


def build_shell(request: HttpRequest) -> looks.Shell:
    """The shell for a request: from its URL, its signed-in person, and ``request.ui_shell`` if a view set it.

    Costs four queries (rights, projects, waiting requests, unread notices), whatever their number.
    """
    given = getattr(request, "ui_shell", None)
    if isinstance(given, looks.Shell):
        return given
    match = request.resolver_match
    view = match.view_name if match else ""
    who = visitor(request)
    if who is None:
        nav = navigation(view=view, project="")
        return looks.Shell(nav=nav, shortcuts=shortcuts(nav))
    project = current_project(request, who.projects)
    nav = navigation(
        view=view,
        project=project.key if project else "",
        counts={WAITS: len(waits_for_me(who.actor, at=who.at, rights=who.held)), UNREAD: inbox.unread(who.held)},
        who=who,
    )
    return looks.Shell(
        nav=nav,
        person=looks.Person(name=who.name, detail=who.email),
        project=project.name if project else "",
        projects=switcher(request, who.projects, project) if project else (),
        commands_url=_address("ui:commands"),
        sign_out_url=_address("identity:sign-out"),
        account_url=_address("identity:account"),
        security_url=_address("identity:security"),
        told_url=_address("integrations:preferences"),
        shortcuts=shortcuts(nav),
    )


def shell(request: HttpRequest) -> dict[str, Any]:
    """Adds ``shell`` (a ``looks.Shell``), built only when a template reads it."""
    return {"shell": SimpleLazyObject(lambda: build_shell(request))}
