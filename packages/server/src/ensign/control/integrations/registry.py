"""Integrations as values: which there are, and which of them a happening is sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ensign.control.changes.domain.tickets import KINDS as TICKET_KINDS
from ensign.control.changes.domain.tickets import System
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.happenings import Happening
from ensign.control.integrations.models import Integration
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound

OUTGOING: Final = ("webhook", "slack", "teams")
KINDS: Final = (*OUTGOING, *TICKET_KINDS)
KIND_WORDS: Final = {
    "webhook": "Webhook",
    "slack": "Slack",
    "teams": "Microsoft Teams",
    "jira": "Jira",
    "servicenow": "ServiceNow",
    "github": "GitHub issues",
    "gitlab": "GitLab issues",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An integration, without its secrets. ``project`` None: of the whole installation; empty lists: all of them."""

    id: str
    version: int
    name: str
    kind: str
    project: str | None
    topics: tuple[str, ...]
    environments: tuple[str, ...]
    host: str
    base_url: str
    prefixes: tuple[str, ...]
    status: str
    why: str
    secret_version: int
    rotated_at: datetime | None
    made_by: str
    made_at: datetime
    changed_by: str

    @property
    def outgoing(self) -> bool:
        """Whether happenings are sent there; else it is a ticket system."""
        return self.kind in OUTGOING

    @property
    def kind_name(self) -> str:
        """The kind in words."""
        return KIND_WORDS[self.kind]

    def wants(self, happening: Happening, topic: Topic) -> bool:
        """Whether a happening is sent there."""
        if self.project is not None and happening.project != self.project:
            return False
        if self.topics and topic not in self.topics:
            return False
        return not self.environments or not happening.environment or happening.environment in self.environments


def view(row: Integration) -> View:
    """A row as a value."""
    state: dict[str, Any] = row.state
    return View(
        id=row.pk,
        version=row.version,
        name=state["name"],
        kind=state["kind"],
        project=state["project"],
        topics=tuple(state["topics"]),
        environments=tuple(state["environments"]),
        host=state["host"],
        base_url=state["base_url"],
        prefixes=tuple(state["prefixes"]),
        status=state["status"],
        why=state["why"],
        secret_version=state["secret_version"],
        rotated_at=clock.parse(state["rotated_at"]) if state["rotated_at"] else None,
        made_by=state["made_by"],
        made_at=clock.parse(state["made_at"]),
        changed_by=state["changed_by"],
    )


def integration(id: str) -> View:
    """One integration, deleted ones too.

    :raises NotFound: when there is none.
    """
    row = Integration.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such integration.", remedy="Look at the list of integrations.")
    return view(row)


def integrations(*, project: str | None = None, everywhere: bool = False) -> list[View]:
    """Integrations by age, deleted ones left out: of one project (None: of the installation), or all of them."""
    rows = Integration.objects.exclude(status="deleted").order_by("pk")
    if not everywhere:
        rows = rows.filter(project=project) if project is not None else rows.filter(project=None)
    return [view(row) for row in rows]


def outgoing() -> Sequence[View]:
    """Everything that happenings may be sent to."""
    rows = Integration.objects.filter(status="active", kind__in=OUTGOING).order_by("pk")
    return [view(row) for row in rows]


def systems(project: str) -> list[System]:
    """The ticket systems of a project, its own before those of the installation."""
    rows = Integration.objects.filter(status="active", kind__in=TICKET_KINDS).order_by("pk")
    found = [one for one in map(view, rows) if one.project in {None, project}]
    found.sort(key=lambda one: one.project is None)
    return [
        System(kind=one.kind, base_url=one.base_url, prefixes=one.prefixes, ref=one.id)  # type: ignore[arg-type]  # one of the kinds that were asked for
        for one in found
    ]
