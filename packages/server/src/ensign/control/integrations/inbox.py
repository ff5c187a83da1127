"""The inbox of a person: what they are to know of, as far as they may still see it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from ensign.control.access.decisions import Held
from ensign.control.access.permissions import BY_CODE, Permission
from ensign.control.integrations import finding_notices
from ensign.control.integrations.domain.messages import Message
from ensign.control.integrations.happenings import Happening, messages
from ensign.control.integrations.models import Notice
from ensign.control.kernel.errors import NotFound
from ensign.control.kernel.transactions import write_door

MANY: Final = 100
"""From here on nobody is counted on: "99+" says as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A notice. ``message`` is None for a finding that was put right since."""

    id: int
    at: datetime
    topic: str
    urgency: str
    read: bool
    project: str
    environment: str
    message: Message | None


def _mine(rights: Held) -> QuerySet[Notice]:
    """What somebody may see of what they were told."""
    rows = Notice.objects.filter(person=rights.actor.id)
    projects = rights.projects(Permission.PROJECT_READ)
    if projects is not None:
        rows = rows.filter(Q(project="") | Q(project__in=projects))
    lacking = [code for code in _needed() if not rights.allows(BY_CODE[code])]
    return rows.exclude(needs__in=lacking) if lacking else rows


def _needed() -> Sequence[str]:
    return (
        str(Permission.ORG_SETTINGS_MANAGE),
        str(Permission.ORG_ACCESS_GRANT),
        str(Permission.ORG_INTEGRATIONS_MANAGE),
    )


def unread(rights: Held) -> int:
    """How many notices somebody has not read, up to :data:`MANY`: one query over an index of what is unread."""
    return len(_mine(rights).filter(read_at=None).values_list("pk", flat=True)[:MANY])


def lines(
    rights: Held,
    *,
    at: datetime,
    unread: bool = False,
    topic: str = "",
    project: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Line]:
    """Notices, newest first: only unread ones, of one topic or project, older than number ``before``."""
    rows = _mine(rights).order_by("-pk")
    if unread:
        rows = rows.filter(read_at=None)
    if topic:
        rows = rows.filter(topic=topic)
    if project:
        rows = rows.filter(project=project)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return _told(list(rows[:limit]), at=at)


def line(rights: Held, id: int, *, at: datetime) -> Line:
    """One notice.

    :raises NotFound: when there is none of theirs, or they may no longer see it.
    """
    row = _mine(rights).filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such notice.", remedy="Look at your inbox.")
    return _told([row], at=at)[0]


def _told(rows: Sequence[Notice], *, at: datetime) -> list[Line]:
    entries = [row for row in rows if row.source.startswith("entry:")]
    found: dict[int, Message | None] = dict(
        zip((row.pk for row in entries), messages([Happening.from_json(r.facts) for r in entries]), strict=True)
    )
    others = [row for row in rows if not row.source.startswith("entry:")]
    if others:
        still = finding_notices.messages([json.loads(row.facts) for row in others], at=at)
        found.update(zip((row.pk for row in others), still, strict=True))
    return [
        Line(
            id=row.pk,
            at=row.at,
            topic=row.topic,
            urgency=row.urgency,
            read=row.read_at is not None,
            project=row.project,
            environment=row.environment,
            message=found[row.pk],
        )
        for row in rows
    ]


def mark(rights: Held, *, at: datetime, ids: Collection[int] | None = None, read: bool = True) -> int:
    """Mark notices as read or unread: those named, or all; returns how many were changed. Nobody's but one's own."""
    rows = Notice.objects.filter(person=rights.actor.id)
    rows = rows.filter(read_at=None) if read else rows.exclude(read_at=None)
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    with write_door():
        return rows.update(read_at=at if read else None)
