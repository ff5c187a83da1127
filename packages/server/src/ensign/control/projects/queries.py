"""Reads of projects, environments and client tokens, as frozen rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.places import Place
from ensign.control.audit import rows as governed
from ensign.control.identity.queries import FINGERPRINT
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.projects import token_uses
from ensign.control.projects.models import ClientToken, Environment, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRow:
    """A project. ``status`` is ``active`` or ``archived``."""

    id: str
    version: int
    key: str
    name: str
    description: str
    default_stickiness: str
    status: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRow:
    """An environment of a project; ``position`` counts from 0, in the order of progression."""

    id: str
    version: int
    project: str
    key: str
    name: str
    position: int
    protected: bool
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A client token, without anything from which its text could be found. Times are aware."""

    id: str
    version: int
    name: str
    type: str
    projects: tuple[str, ...]
    environment: str
    status: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    hint: str = ""
    fingerprint: str = ""
    purpose: str = ""
    owner: str = ""
    former_owners: tuple[tuple[str, datetime], ...] = ()
    predecessor: str | None = None
    successor: str | None = None
    rotated_at: datetime | None = None

    def live(self, *, at: datetime) -> bool:
        """Whether the delivery plane accepts it."""
        return self.status == "active" and (self.expires_at is None or at < self.expires_at)


def to_project(row: Project) -> ProjectRow:
    """The frozen form of a row."""
    return ProjectRow(id=row.pk, version=row.version, **row.state)


def to_environment(row: Environment) -> EnvironmentRow:
    """The frozen form of a row."""
    state = row.state
    state.pop("created_at", None)
    return EnvironmentRow(id=row.pk, version=row.version, **state)


def to_token(row: ClientToken, *, last_used_at: datetime | None) -> TokenRow:
    """The frozen form of a row."""
    state = row.state
    return TokenRow(
        id=row.pk,
        version=row.version,
        name=state["name"],
        type=state["type"],
        projects=tuple(state["projects"]),
        environment=state["environment"],
        status=state["status"],
        created_by=state["created_by"],
        created_at=clock.parse(state["created_at"]),
        expires_at=None if state["expires_at"] is None else clock.parse(state["expires_at"]),
        revoked_at=None if state["revoked_at"] is None else clock.parse(state["revoked_at"]),
        last_used_at=last_used_at,
        hint=state.get("hint", ""),
        fingerprint=state["token_hash"][:FINGERPRINT],
        purpose=state.get("purpose", ""),
        owner=state.get("owner") or state["created_by"],
        former_owners=tuple((one["owner"], clock.parse(one["until"])) for one in state.get("former_owners", ())),
        predecessor=state.get("predecessor"),
        successor=state.get("successor"),
        rotated_at=clock.parse(state["rotated_at"]) if state.get("rotated_at") else None,
    )


def project(key: str) -> ProjectRow:
    """The project with this key, archived ones too.

    :raises NotFound: when there is none.
    """
    row = governed.row(Project, key=key)
    if row is None:
        raise NotFound(f"There is no project “{key[:100]}”.", remedy="Look at the list of projects.")
    return to_project(row)


def projects(*, archived: bool = False) -> list[ProjectRow]:
    """All active projects by name; with ``archived`` those too."""
    rows = Project.objects.all() if archived else Project.objects.filter(status="active")
    return sorted((to_project(row) for row in rows), key=lambda p: (p.name.casefold(), p.key))


def environments(project_key: str) -> list[EnvironmentRow]:
    """The active environments of a project in the order of progression; [] for an unknown project."""
    found = [to_environment(row) for row in governed.rows(Environment, project=project_key, status="active")]
    return sorted(found, key=lambda e: (e.position, e.key))


def all_environments() -> dict[str, list[EnvironmentRow]]:
    """Project key -> its active environments in order; one query."""
    found: dict[str, list[EnvironmentRow]] = {}
    for row in Environment.objects.filter(status="active").order_by("project", "position", "key"):
        found.setdefault(str(row.project), []).append(to_environment(row))
    return found


def was_ever(*, project: str | None, environment: str | None) -> bool:
    """Whether there is a project or environment of these keys, active or archived; None means any."""
    if environment is None:
        return project is None or Project.objects.filter(key=project).exists()
    rows = Environment.objects.filter(key=environment)
    return (rows if project is None else rows.filter(project=project)).exists()


def places() -> list[Place]:
    """Every project, archived ones too, with its active environments: what grants and tokens may name."""
    within = all_environments()
    return [
        Place(
            key=p.key,
            name=p.name,
            environments=tuple((e.key, e.name) for e in within.get(p.key, ())),
            protected=frozenset(e.key for e in within.get(p.key, ()) if e.protected),
        )
        for p in projects(archived=True)
    ]


def environment(project_key: str, key: str) -> EnvironmentRow:
    """One active environment.

    :raises NotFound: when there is none.
    """
    row = governed.row(Environment, project=project_key, key=key, status="active")
    if row is None:
        raise NotFound(
            f"There is no environment “{key[:100]}” in the project “{project_key[:100]}”.",
            remedy="Look at the project's page.",
        )
    return to_environment(row)


def tokens(project_key: str | None = None) -> Sequence[TokenRow]:
    """Client tokens, newest first; with ``project_key`` those that reach that project."""
    found = list(ClientToken.objects.order_by("-id"))
    uses = token_uses.last_used([row.token_hash for row in found])
    rows = [to_token(row, last_used_at=uses.get(row.token_hash)) for row in found]
    if project_key is None:
        return rows
    return [row for row in rows if project_key in row.projects or "*" in row.projects]


def token(id: str) -> TokenRow:
    """One client token.

    :raises NotFound: when there is none.
    """
    row = ClientToken.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such client token.", remedy="Look at the project's list of tokens.")
    return to_token(row, last_used_at=token_uses.last_used([row.token_hash]).get(row.token_hash))
