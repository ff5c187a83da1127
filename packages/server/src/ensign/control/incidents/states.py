"""The life of an incident: open -> mitigated -> resolved, with times that cannot contradict each other. Pure.

Every function takes an incident and returns the next one, or raises and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal

from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Invalid

Severity = Literal["sev1", "sev2", "sev3", "sev4"]
State = Literal["open", "mitigated", "resolved"]

#: What each severity means, worst first.
SEVERITIES: Final[Mapping[str, str]] = {
    "sev1": "most users cannot use what matters",
    "sev2": "many users are hindered",
    "sev3": "some users notice",
    "sev4": "nobody outside noticed",
}
MAX_FOLLOW_UPS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What is to be done so that it does not happen again. ``owner`` is the id of a person."""

    id: str
    text: str
    owner: str
    due: date
    done_at: datetime | None = None
    done_by: str | None = None

    def overdue(self, *, at: datetime) -> bool:
        """Whether its day has passed (UTC) and it is not done."""
        return self.done_at is None and self.due < at.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident. ``environment`` empty: all of the projects. ``began_at``: when the harm began, if that is known.

    ``suspected_flag`` and ``suspected_change`` (id of a request) are empty where nothing is suspected.
    """

    id: str
    title: str
    severity: Severity
    projects: tuple[str, ...]
    environment: str
    state: State
    began_at: datetime | None
    detected_at: datetime
    declared_at: datetime
    declared_by: str
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    suspected_flag: str = ""
    suspected_change: str = ""
    root_cause: str = ""
    follow_ups: tuple[FollowUp, ...] = ()

    @property
    def going_on(self) -> bool:
        """Whether it is not resolved: only then is anything done in its name."""
        return self.state != "resolved"

    def concerns(self, project: str, environment: str) -> bool:
        """Whether it is about this place."""
        return project in self.projects and self.environment in {"", environment}

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members but the id."""
        found = {name: value for name, value in asdict(self).items() if name != "id"}
        return {
            **found,
            **{name: _text(getattr(self, name)) for name in _TIMES},
            "projects": list(self.projects),
            "follow_ups": [
                {**asdict(one), "due": one.due.isoformat(), "done_at": _text(one.done_at)} for one in self.follow_ups
            ],
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> Incident:
        """The inverse of :meth:`to_state`."""
        return Incident(
            id=id,
            **{
                **state,
                **{name: _time(state[name]) for name in _TIMES},
                "projects": tuple(state["projects"]),
                "follow_ups": tuple(
                    FollowUp(**{**one, "due": date.fromisoformat(one["due"]), "done_at": _time(one["done_at"])})
                    for one in state["follow_ups"]
                ),
            },
        )


_TIMES = ("began_at", "detected_at", "declared_at", "mitigated_at", "resolved_at")


def _text(at: datetime | None) -> str | None:
    return None if at is None else clock.text(at)


def _time(text: str | None) -> datetime | None:
    return None if text is None else clock.parse(text)


def check(incident: Incident, *, at: datetime) -> Incident:
    """The incident itself, if what it says can be so.

    :raises Invalid: naming every member that cannot.
    """
    wrong: dict[str, str] = {}
    if len(incident.title) < 3:
        wrong["title"] = "Say in a few words what is wrong."
    if incident.severity not in SEVERITIES:
        wrong["severity"] = f"Choose one of {', '.join(SEVERITIES)}."
    if not 1 <= len(incident.projects) <= 20:
        wrong["projects"] = "Name the project that it is about, or up to twenty."
    if incident.detected_at > at:
        wrong["detected_at"] = "It cannot be detected in the future."
    if incident.began_at is not None and incident.began_at > incident.detected_at:
        wrong["began_at"] = "It began before it was detected."
    if incident.mitigated_at is not None and not incident.detected_at <= incident.mitigated_at <= at:
        wrong["mitigated_at"] = "It was mitigated after it was detected, and not in the future."
    if wrong:
        raise Invalid("This incident cannot be recorded like that.", fields=wrong)
    return incident


def mitigate(incident: Incident, *, at: datetime, when: datetime | None = None) -> Incident:
    """The harm has ended; ``when`` it did, if not now.

    :raises Conflict: unless it is open.
    """
    if incident.state != "open":
        raise Conflict(f"This incident is {incident.state} already.", code="wrong-state")
    return check(replace(incident, state="mitigated", mitigated_at=when or at), at=at)


def reopen(incident: Incident, *, at: datetime) -> Incident:
    """It was not over after all: what was mitigated or resolved is open again. Its times begin anew.

    :raises Conflict: when it is open.
    """
    if incident.state == "open":
        raise Conflict("This incident is open.", code="wrong-state")
    return check(replace(incident, state="open", mitigated_at=None, resolved_at=None), at=at)


def resolve(incident: Incident, *, at: datetime) -> Incident:
    """It is over. What was never said to be mitigated was so by now at the latest.

    :raises Conflict: when it is resolved.
    """
    if incident.state == "resolved":
        raise Conflict("This incident is resolved already.", code="wrong-state")
    mitigated = at if incident.mitigated_at is None else incident.mitigated_at
    return check(replace(incident, state="resolved", mitigated_at=mitigated, resolved_at=at), at=at)


def with_follow_up(incident: Incident, follow_up: FollowUp) -> Incident:
    """One more thing to do.

    :raises Invalid: for one without words, or too many of them.
    """
    if len(follow_up.text) < 3:
        raise Invalid("The follow-up is missing.", fields={"text": "Say what is to be done."})
    if len(incident.follow_ups) >= MAX_FOLLOW_UPS:
        raise Invalid(f"An incident has at most {MAX_FOLLOW_UPS} follow-up actions.", fields={"text": "Too many."})
    return replace(incident, follow_ups=(*incident.follow_ups, follow_up))


def done(incident: Incident, follow_up: str, *, by: str, at: datetime) -> Incident:
    """One thing is done.

    :raises Conflict: when there is no such thing left to do.
    """
    if not any(one.id == follow_up and one.done_at is None for one in incident.follow_ups):
        raise Conflict("There is no such follow-up left to do.", code="wrong-state")
    return replace(
        incident,
        follow_ups=tuple(
            replace(one, done_at=at, done_by=by) if one.id == follow_up else one for one in incident.follow_ups
        ),
    )
