"""Breaking the glass: how long, who reviews it, until when, and what an overdue review blocks. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.changes.domain.emergency import Opening
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid

HOURS: Final = (1, 4)
HOURS_DEFAULT: Final = 1
REVIEW_WITHIN: Final = timedelta(hours=24)
"""From the opening on."""
ESCALATE_DAYS: Final = 5
"""Business days after the opening at which an overdue review is told once more."""

Verdict = Literal["justified", "unjustified", "process_gap"]
VERDICTS: Final[Mapping[str, str]] = {
    "justified": "Justified: it could not wait",
    "unjustified": "Unjustified: it could have gone the ordinary way",
    "process_gap": "Process gap: it was needed because the ordinary way fails here",
}
PERMISSION: Final = "change:break-glass"
REVIEW: Final = "break-glass:review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """One opening and what became of it. ``changes`` are ids of requests applied under it, ``part`` the people (and
    service accounts) who wrote or edited these, or stood behind them. ``told``: how often it was told to be overdue.
    """

    id: str
    version: int
    person: str
    project: str
    environment: str
    flags: tuple[str, ...]
    incident: str
    reason: str
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    changes: tuple[str, ...] = ()
    part: tuple[str, ...] = ()
    told: int = 0
    verdict: Verdict | None = None
    finding: str = ""
    follow_up: str = ""
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    def open(self, *, at: datetime) -> bool:
        """Whether it still opens anything."""
        return self.opened_at - clock.SKEW <= at < self.over_at

    @property
    def over_at(self) -> datetime:
        """When it ended, or will."""
        return self.expires_at if self.ended_at is None else min(self.expires_at, self.ended_at)

    @property
    def due_at(self) -> datetime:
        """By when it is to be reviewed."""
        return self.opened_at + REVIEW_WITHIN

    def overdue(self, *, at: datetime) -> bool:
        """Whether the review is late."""
        return self.verdict is None and at >= self.due_at

    def to_opening(self, *, incident_open: bool) -> Opening:
        """As the write door takes it."""
        return Opening(
            id=self.id,
            person=self.person,
            project=self.project,
            environment=self.environment,
            flags=frozenset(self.flags),
            incident=self.incident,
            incident_open=incident_open,
            opened_at=self.opened_at,
            expires_at=self.expires_at,
            ended_at=self.ended_at,
        )

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        names = [n for n in self.__dataclass_fields__ if n not in {"id", "version"}]
        return {
            **{name: getattr(self, name) for name in names},
            **{name: list(getattr(self, name)) for name in _LISTS},
            **{name: None if (at := getattr(self, name)) is None else clock.text(at) for name in _TIMES},
        }

    @staticmethod
    def from_state(id: str, version: int, state: Mapping[str, Any]) -> Emergency:
        """The inverse of :meth:`to_state`."""
        return Emergency(
            id=id,
            version=version,
            **{
                **state,
                **{name: tuple(state[name]) for name in _LISTS},
                **{name: None if state[name] is None else clock.parse(state[name]) for name in _TIMES},
            },
        )


_LISTS = ("flags", "changes", "part")
_TIMES = ("opened_at", "expires_at", "ended_at", "reviewed_at")


def check_hours(hours: int) -> timedelta:
    """How long it stays open.

    :raises Invalid: for more than four hours, or none.
    """
    if not HOURS[0] <= hours <= HOURS[1]:
        raise Invalid("The time is out of range.", fields={"hours": f"Choose {HOURS[0]} to {HOURS[1]} hours."})
    return timedelta(hours=hours)


def blocking(
    earlier: Iterable[Emergency], *, person: str, project: str, environment: str, incident: str, at: datetime
) -> Emergency | None:
    """The overdue review that forbids opening *once more* under this incident, or None.

    Only an extension is blocked: another opening under an incident under which this person, or anybody in this
    environment, broke the glass already. The first under a new incident never is: nobody may have to choose between an
    outage and a form.
    """
    known = list(earlier)
    here = [one for one in known if _meets(one, person, project, environment)]
    if not any(one.incident == incident for one in here):
        return None
    return next((one for one in here if one.overdue(at=at)), None)


def _meets(one: Emergency, person: str, project: str, environment: str) -> bool:
    return one.person == person or (one.project, one.environment) == (project, environment)


def end(emergency: Emergency, *, by: str, at: datetime) -> Emergency:
    """End it before its time.

    :raises Conflict: when it is over.
    """
    if not emergency.open(at=at):
        raise Conflict("This emergency access has ended already.", code="wrong-state")
    return replace(emergency, ended_at=at, ended_by=by)


def used(emergency: Emergency, *, request: str, part: Collection[str]) -> Emergency:
    """A change was applied under it."""
    known = tuple(sorted({*emergency.part, *part}))
    return replace(emergency, changes=(*emergency.changes, request), part=known)


def review(
    emergency: Emergency, actor: Actor, *, at: datetime, verdict: str, finding: str, follow_up: str
) -> Emergency:
    """The independent review: by somebody in a session who neither opened it nor had part in what it applied.

    :raises Denied: for anybody else. :raises Conflict: while it is open, or when it was reviewed.
    :raises Invalid: without a verdict and what it rests on; what went wrong needs a follow-up.
    """
    scope = f"{emergency.project}/{emergency.environment}"
    if not actor.interactive:
        raise Denied(
            "A review is an act of a person in a session, never of a token.",
            permission=REVIEW, scope=scope, remedy="Sign in.", code="approval-by-token",
        )  # fmt: skip
    if actor.id == emergency.person or actor.id in emergency.part:
        raise Denied(
            "You broke the glass, or had part in what was applied: somebody else reviews it.",
            permission=REVIEW, scope=scope, remedy="Ask a colleague who had no part.", code="own-change",
        )  # fmt: skip
    if emergency.open(at=at):
        raise Conflict("It is still open.", remedy="End it, then review it.", code="wrong-state")
    if emergency.verdict is not None:
        raise Conflict("It was reviewed already.", code="wrong-state")
    wrong = {}
    if verdict not in VERDICTS:
        wrong["verdict"] = "Choose what you found."
    if len(finding) < 10:
        wrong["finding"] = "Say what you looked at and what you found."
    if verdict in {"unjustified", "process_gap"} and len(follow_up) < 3:
        wrong["follow_up"] = "Say what is done about it, and by whom."
    if wrong:
        raise Invalid("The review is incomplete.", fields=wrong)
    given: Verdict = (
        "justified" if verdict == "justified" else "unjustified" if verdict == "unjustified" else "process_gap"
    )
    return replace(emergency, verdict=given, finding=finding, follow_up=follow_up, reviewed_by=actor.id, reviewed_at=at)


def telling_due(emergency: Emergency, *, at: datetime) -> bool:
    """Whether it is time to say that the review is overdue: at 24 hours, and once more after five business days."""
    if emergency.verdict is not None:
        return False
    if emergency.told == 0:
        return at >= emergency.due_at
    return emergency.told == 1 and at >= after_business_days(emergency.opened_at, ESCALATE_DAYS)


def after_business_days(start: datetime, days: int) -> datetime:
    """``start`` moved on by ``days`` days that are no Saturday and no Sunday (UTC; holidays are not known)."""
    moment = start
    while days:
        moment += timedelta(days=1)
        days -= moment.weekday() < 5
    return moment
