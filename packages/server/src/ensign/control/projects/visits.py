"""Who looks at a page, and what they may do there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from ensign.control.access.decisions import Held, denied, held
from ensign.control.access.domain import FlagFacts, Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity.web import signed_in
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of a signed-in person: the clock was read once, their rights were read once."""

    actor: Actor
    at: datetime
    held: Held

    def may(
        self,
        permission: Permission,
        project: str | None = None,
        environment: str | None = None,
        *,
        flag: FlagFacts | None = None,
    ) -> bool:
        """Whether to offer an act, on ``flag`` if it is about one; the operation decides again."""
        return self.held.allows(permission, Scope(project, environment, flag))

    def may_for_some(self, permission: Permission, project: str, environment: str | None = None) -> bool:
        """Whether they may do it to some flag at least: to offer what asks for the flag only later."""
        return self.held.allows_some(permission, Scope(project, environment))

    def sees(self, project: str) -> bool:
        """Whether they may read this project."""
        return self.may(Permission.PROJECT_READ, project)

    def require(self, permission: Permission, project: str) -> None:
        """
        :raises Denied: when they may not.
        """
        decision = self.held.decide(permission, Scope(project))
        if not decision.allowed:
            raise denied(decision, permission, Scope(project))


def visit(request: HttpRequest, *, project: str | None = None) -> Visit:
    """The visit that this request is; within a project, by somebody who may read it.

    :raises Unauthenticated: when nobody is signed in.
    :raises Denied: when they may not read the project.
    """
    actor, at = signed_in(request), clock.now()
    found = Visit(actor=actor, at=at, held=held(actor, at=at))
    request.actor = actor  # type: ignore[attr-defined]  # the log line and recorded refusals name who it was
    if project is not None:
        found.require(Permission.PROJECT_READ, project)
    return found
