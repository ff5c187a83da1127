"""Who looks at a page: read once for a request, by the shell and by the pages of this app."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from ensign.control.access.decisions import Held, held_in_session
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity import actors
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Unauthenticated
from ensign.control.projects import queries as projects
from ensign.control.projects.queries import ProjectRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A signed-in person with what they may do at ``at`` and the active projects that they may read, by name."""

    actor: Actor
    at: datetime
    held: Held
    name: str
    email: str
    projects: tuple[ProjectRow, ...]

    def may(self, permission: Permission, project: str | None = None, environment: str | None = None) -> bool:
        """Whether to offer an act; the operation decides again."""
        return self.held.allows(permission, Scope(project, environment))

    @property
    def keys(self) -> frozenset[str]:
        """Keys of the projects that they may read."""
        return frozenset(project.key for project in self.projects)


def visitor(request: HttpRequest) -> Visitor | None:
    """Who is signed in, or None; two queries the first time it is asked for a request, none afterwards."""
    known = getattr(request, "ui_visitor", None)
    if isinstance(known, Visitor):
        return known
    user = getattr(request, "user", None)
    if not isinstance(user, Account):
        return None
    actor, at = actors.from_request(request), clock.now()
    if actor.kind != "person":
        return None
    holds = held_in_session(actor, at=at)
    found = Visitor(
        actor=actor,
        at=at,
        held=holds,
        name=str(user),
        email=user.email,
        projects=tuple(row for row in projects.projects() if holds.allows(Permission.PROJECT_READ, Scope(row.key))),
    )
    request.ui_visitor = found  # type: ignore[attr-defined]  # kept for this request alone
    return found


def signed_in(request: HttpRequest) -> Visitor:
    """:func:`visitor` for a page that needs one.

    :raises Unauthenticated: when nobody is signed in.
    """
    found = visitor(request)
    if found is None:
        raise Unauthenticated("Nobody is signed in.", remedy="Sign in.")
    request.actor = found.actor  # type: ignore[attr-defined]  # the log line and recorded refusals name who it was
    return found
