"""What the pages, the API and the command line say about the directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from ensign.control.audit import history
from ensign.control.audit.history import EntryView, Filters
from ensign.control.identity import queries as identity
from ensign.control.scim import tokens
from ensign.control.scim.domain import GONE
from ensign.control.scim.models import DirectoryUser


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryView:
    """The directory as it stands. ``heard_at``: when it last signed in, to ten minutes; ``changed_at``: last wrote."""

    address: str
    connected: bool
    users: int
    active: int
    groups: int
    heard_at: datetime | None
    changed_at: datetime | None


def directory(*, at: datetime) -> DirectoryView:
    """What there is of it. ``connected``: whether any token works."""
    listed = set(DirectoryUser.objects.filter(status="present").values_list("pk", flat=True))
    made = tokens.tokens()
    last = recent(limit=1)
    return DirectoryView(
        address=f"{settings.PUBLIC_URL}/scim/v2",
        connected=any(token.usable(at=at) for token in made),
        users=len(listed),
        active=sum(1 for person in identity.people() if person.id in listed and person.status not in GONE),
        groups=sum(1 for group in identity.groups() if group.managed and group.status == "active"),
        heard_at=max((token.last_used_at for token in made if token.last_used_at), default=None),
        changed_at=last[0].at if last else None,
    )


def recent(*, limit: int = 10) -> Sequence[EntryView]:
    """The directory's newest entries."""
    return history.entries(Filters(actor=identity.DIRECTORY), limit=limit)
