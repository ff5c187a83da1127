"""The queue of change requests: what waits for me, what was asked of me, mine, open ones, all; filtered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from ensign.control.access.permissions import Permission
from ensign.control.changes import listing, pages
from ensign.control.changes.domain.requests import Status
from ensign.control.identity import queries as identity
from ensign.control.projects import queries as projects
from ensign.control.projects.visits import Visit, visit
from ensign.control.ui import looks

_LIMIT = 50
_SHOWS = {
    "waiting": "Waits for me",
    "requested": "Requested of me",
    "mine": "Mine",
    "open": "Open",
    "all": "All",
}
STATUSES = get_args(Status)
_FIELDS = ("environment", "flag", "author", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    value: str
    label: str
    current: bool


@require_safe
def queue(request: HttpRequest, project: str = "") -> HttpResponse:
    """Requests by the lists above. Every filter is in the address, so that a list can be sent to a colleague."""
    here = visit(request, project=project or None)
    show = request.GET.get("show", "waiting")
    show = show if show in _SHOWS else "waiting"
    given = {name: request.GET.get(name, "").strip() for name in _FIELDS}
    visible = frozenset({project}) if project else here.held.projects(Permission.PROJECT_READ)
    lists = listing.Lists(here.actor, at=here.at, rights=here.held, projects=visible)
    wanted = listing.Filters(
        environment=given["environment"],
        flag=given["flag"],
        author=given["author"],
        status=given["status"] if given["status"] in STATUSES else "",
    )
    found = lists.page(show, wanted, before=request.GET.get("before", ""), limit=_LIMIT + 1)
    rows, more = found[:_LIMIT], len(found) > _LIMIT
    base = reverse("changes:list", kwargs={"project": project}) if project else reverse("changes:queue")
    link = _linker(base, show, given)
    counts = lists.counts()
    context = {
        "lines": pages.lines(rows, at=here.at),
        "show": show,
        "base": base,
        "choices": [
            looks.Choice(label=label, href=link(show=key, status=""), current=key == show, count=counts.get(key))
            for key, label in _SHOWS.items()
        ],
        "given": given,
        "filtered": any(given.values()),
        "clear": link(**dict.fromkeys(_FIELDS, "")),
        "environments": _environments(visible, project, given["environment"]),
        "statuses": [
            _Option(value=s, label=looks.REQUEST_STATUSES[s].word, current=s == given["status"]) for s in STATUSES
        ],
        "authors": _authors(here, lists, given["author"]),
        "pager": looks.Pager(
            shown=len(rows), noun="requests", older=link(before=rows[-1].request.id) if more else "", newer=""
        ),
        "project": projects.project(project) if project else None,
    }
    return render(request, "changes/queue.html", context)


def _linker(base: str, show: str, given: dict[str, str]) -> Callable[..., str]:
    def link(**changes: str) -> str:
        query = {"show": show, **given, **changes}
        return f"{base}?{urlencode({k: v for k, v in query.items() if v})}"

    return link


def _environments(visible: frozenset[str] | None, project: str, current: str) -> list[_Option]:
    """Every environment of the projects, by key; several projects may have the same."""
    every = projects.all_environments()
    names: dict[str, str] = {}
    for key, rows in every.items():
        if key == project or (not project and (visible is None or key in visible)):
            for row in rows:
                names.setdefault(row.key, row.name)
    return [_Option(value=key, label=name, current=key == current) for key, name in names.items()]


def _authors(here: Visit, lists: listing.Lists, current: str) -> list[_Option]:
    ids = lists.authors() | ({current} if current else set()) | {here.actor.id}
    names = identity.names(ids)
    return [
        _Option(value=id_, label="You" if id_ == here.actor.id else names[id_], current=id_ == current)
        for id_ in sorted(ids, key=lambda id_: (id_ != here.actor.id, names[id_].casefold()))
    ]
