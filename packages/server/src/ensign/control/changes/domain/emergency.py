"""An emergency opening as the write door sees it, and what it covers: who may apply what without approval. Pure, and
closed by default: rule 8 of :mod:`trust`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied

BREAK_GLASS = "change:break-glass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """That ``person`` broke the glass for one environment, under an incident, from ``opened_at`` until ``expires_at``.

    ``flags`` are the keys of those it is confined to; empty: any flag or segment of the environment. ``ended_at`` is
    when it was ended before its time. ``incident_open``: whether the incident was still open when this was read, under
    lock.
    """

    id: str
    person: str
    project: str
    environment: str
    flags: frozenset[str]
    incident: str
    incident_open: bool
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def lasts(self, *, at: datetime) -> bool:
        """Whether it is open at ``at``, the incident left out of account. A node's clock may be a little behind."""
        begun = self.opened_at - clock.SKEW <= at
        return begun and at < self.expires_at and (self.ended_at is None or at < self.ended_at)

    def to_approval(self) -> Mapping[str, Any]:
        """How it stands in the ``approval`` of an entry (docs/reference/ledger-format)."""
        return {"id": self.id, "incident": self.incident, "expires_at": clock.text(self.expires_at)}


#: What decides about later changes, or has effect beyond one environment: never an emergency.
#: A plan is: its later steps would rest on an approval that nobody gave.
_NEVER_IN_A_HURRY = frozenset(
    {"policy.set", "environment.protect", "environment.unprotect", "ramp.plan", "segment.map"}
)


def never_in_a_hurry(operation: Operation) -> bool:
    """Whether it is no emergency change, whoever broke the glass."""
    return operation.type in _NEVER_IN_A_HURRY or operation.reach != "environment"


def require_break_glass(opening: Opening | None, request: ChangeRequest, actor: Actor, *, at: datetime) -> None:
    """That this emergency change rests on an opening: rule 8.

    1. it is the opening of who applies, who sits in a session; 2. of this project and environment; 3. it has neither
    expired nor been ended; 4. its incident is open, and the request belongs to it; 5. every operation stays in the
    environment, touches no policy and no protection; 6. and, where the opening names flags, is about one of them.

    :raises Denied: naming the first of these that does not hold.
    """

    def no(message: str, code: str, remedy: str = "") -> Denied:
        scope = f"{request.project}/{request.environment}"
        return Denied(message, permission=BREAK_GLASS, scope=scope, remedy=remedy, code=code)

    if opening is None:
        raise no("No emergency access is open.", "no-opening", "Break the glass on the incident's page first.")
    if not actor.interactive:  # 1
        raise no("A token cannot apply an emergency change.", "break-glass-by-token", "Sign in.")
    if actor.id != opening.person:  # 1
        raise no("Somebody else broke the glass, not you.", "not-your-opening", "Break it yourself, on the incident.")
    if (request.project, request.environment) != (opening.project, opening.environment):  # 2
        raise no("The emergency access is for another environment.", "outside-scope")
    if not opening.lasts(at=at):  # 3
        raise no("The emergency access has ended.", "opening-ended", "Break the glass again if it is still needed.")
    if not opening.incident_open or request.incident != opening.incident:  # 4
        raise no("The incident is resolved, or another one.", "incident-closed", "Declare an incident first.")
    for operation in request.operations:
        if never_in_a_hurry(operation):  # 5
            raise no(
                f"{operation.type} is never an emergency change: it has effect beyond this, or decides about later"
                " changes.",
                "not-in-an-emergency",
                "Make a change request.",
            )
        if opening.flags and getattr(operation, "flag", None) not in opening.flags:  # 6
            raise no(
                f"The emergency access covers {', '.join(sorted(opening.flags))} alone.",
                "outside-scope",
                "End it and break the glass for what is needed.",
            )
