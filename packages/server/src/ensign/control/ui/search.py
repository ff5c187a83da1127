"""What the command menu finds by name: only what the person may read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypedDict

from django.urls import reverse

from ensign.control.access.permissions import Permission
from ensign.control.changes import queries as changes
from ensign.control.flags import queries as flags
from ensign.control.identity import queries as identity
from ensign.control.segments import queries as segments
from ensign.control.ui.visitor import Visitor

EACH: Final = 6
"""How many of each kind are shown."""
REQUESTS: Final = 200
"""How many of the newest requests are looked through."""


class Item(TypedDict):
    """One line of the command menu."""

    label: str
    kind: str
    href: str


def search(who: Visitor, text: str) -> list[Item]:
    """Flags, projects, segments, requests and people whose name holds ``text``; at most six of each, flags first."""
    wanted = text.strip().casefold()[:100]
    if not wanted:
        return []
    return [*_flags(who, wanted), *_projects(who, wanted), *_segments(who, wanted), *_requests(who, wanted),
            *_people(who, wanted)]  # fmt: skip


def _flags(who: Visitor, wanted: str) -> Iterator[Item]:
    for row in flags.search(wanted, projects=who.keys, limit=EACH):
        href = reverse("flags:detail", kwargs={"project": row.info.project, "flag": row.info.key})
        kind = "Archived flag" if row.info.archived else "Flag"
        yield {"label": row.info.key, "kind": _in(kind, row.info.project, who), "href": href}


def _projects(who: Visitor, wanted: str) -> Iterator[Item]:
    found = [row for row in who.projects if wanted in row.name.casefold() or wanted in row.key.casefold()]
    for row in found[:EACH]:
        href = reverse("projects:detail", kwargs={"project": row.key})
        yield {"label": row.name, "kind": "Project", "href": href}


def _segments(who: Visitor, wanted: str) -> Iterator[Item]:
    for row in segments.search(wanted, projects=who.keys, limit=EACH):
        href = reverse("segments:detail", kwargs={"project": row.info.project, "segment": row.info.key})
        yield {"label": row.info.name, "kind": _in("Segment", row.info.project, who), "href": href}


def _requests(who: Visitor, wanted: str) -> Iterator[Item]:
    rows = changes.requests(reader=who.actor.id, projects=who.keys, limit=REQUESTS)
    for row in [row for row in rows if wanted in row.request.title.casefold() or wanted == row.request.id][:EACH]:
        href = reverse("changes:detail", kwargs={"id": row.request.id})
        yield {"label": row.request.title, "kind": _in("Request", row.request.project, who), "href": href}


def _people(who: Visitor, wanted: str) -> Iterator[Item]:
    if not who.may(Permission.ORG_READ):
        return
    rows = identity.people()
    for row in [row for row in rows if wanted in row.name.casefold() or wanted in row.email.casefold()][:EACH]:
        yield {"label": row.display, "kind": "Person", "href": reverse("access:person", args=[row.id])}


def _in(kind: str, project: str, who: Visitor) -> str:
    """The kind, with the project where there are several."""
    return kind if len(who.projects) == 1 else f"{kind} in {project}"
