"""What the detectors are set to, and how long an alert may wait. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ensign.control.kernel.errors import Invalid
from ensign.control.monitoring.domain.kinds import KINDS, Severity
from ensign.control.projects.demands import Hours

#: Monday to Friday, 08:00 to 18:00.
OFFICE = Hours(days=(0, 1, 2, 3, 4), start=8 * 60, end=18 * 60)

#: Lowest and highest value of each number.
BOUNDS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "mass_flags": (2, 1_000),
        "mass_minutes": (1, 1_440),
        "rare_days": (7, 365),
        "hasty_seconds": (0, 600),
        "reciprocal_percent": (50, 100),
        "reciprocal_least": (2, 1_000),
        "wide_token_days": (0, 365),
        "high_days": (1, 30),
        "medium_days": (1, 60),
        "low_days": (1, 90),
    }
)
#: The numbers whose growth makes a detector duller (for the others it is their shrinking).
_DULLER_HIGHER: Final = frozenset(
    {"mass_flags", "rare_days", "reciprocal_percent", "reciprocal_least", "wide_token_days",
     "high_days", "medium_days", "low_days"}
)  # fmt: skip
#: Over how long reciprocal approvals are counted.
RECIPROCAL_WINDOW: Final = timedelta(days=30)
#: An approval key is fresh for so long after it was made.
FRESH_KEY: Final = timedelta(hours=24)
PROJECTS_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds. The defaults hold until somebody decides otherwise.

    ``off``: codes of kinds whose detectors are switched off. Working hours are off by default, as Ensign does not know
    in which zone people work: a guess would cry wolf. ``hours`` are those of every project that ``project_hours`` does
    not name. A mass change is ``mass_flags`` flags or more in ``mass_minutes``; an actor is rarely seen who has not
    changed a protected environment for ``rare_days``; an approval is hasty within ``hasty_seconds`` after what it
    approves was put up. Two people approve each other when at least ``reciprocal_percent`` of what each one's changes
    were approved by came from the other, ``reciprocal_least`` times or more each, within 30 days. A token is wide when
    it is narrowed neither in what it may nor in where, and lives longer than ``wide_token_days``. ``…_days``: how long
    an alert of that severity may wait for triage.
    """

    off: tuple[str, ...] = ("off-hours",)
    hours: Hours = OFFICE
    project_hours: Mapping[str, Hours] = field(default_factory=dict)
    mass_flags: int = 20
    mass_minutes: int = 10
    rare_days: int = 90
    hasty_seconds: int = 10
    reciprocal_percent: int = 80
    reciprocal_least: int = 6
    wide_token_days: int = 90
    high_days: int = 1
    medium_days: int = 3
    low_days: int = 7

    def watches(self, kind: str) -> bool:
        """Whether alerts of this kind are raised."""
        return kind not in self.off

    def hours_of(self, project: str) -> Hours:
        """When people of a project work."""
        return self.project_hours.get(project, self.hours)

    def waits(self, severity: Severity) -> timedelta:
        """How long an alert may wait for triage."""
        return timedelta(days={"high": self.high_days, "medium": self.medium_days, "low": self.low_days}[severity])

    def to_state(self) -> dict[str, Any]:
        """As the governed row keeps it."""
        return {
            **{name: value for name, value in asdict(self).items() if name in BOUNDS},
            "off": list(self.off),
            "hours": self.hours.to_state(),
            "project_hours": {key: hours.to_state() for key, hours in sorted(self.project_hours.items())},
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Rules:
        """The inverse of :meth:`to_state`; what an older row does not say is as by default."""
        given: dict[str, Any] = {name: state[name] for name in BOUNDS if name in state}
        if "off" in state:
            given["off"] = tuple(state["off"])
        if "hours" in state:
            given["hours"] = Hours.from_state(state["hours"])
        if "project_hours" in state:
            given["project_hours"] = {key: Hours.from_state(value) for key, value in state["project_hours"].items()}
        return Rules(**given)


def checked(rules: Rules) -> Rules:
    """The same rules in canonical form.

    :raises Invalid: naming each member that is not possible.
    """
    wrong: dict[str, str] = {}
    for name, (low, high) in BOUNDS.items():
        if not low <= getattr(rules, name) <= high:
            wrong[name] = f"Choose {low} to {high}."
    fixed = [code for code in rules.off if code not in KINDS or not KINDS[code].optional]
    if fixed:
        wrong["off"] = f"“{fixed[0][:40]}” cannot be switched off."
    for hours in (rules.hours, *rules.project_hours.values()):
        problem = _problem(hours)
        if problem:
            wrong["hours" if hours == rules.hours else "project_hours"] = problem
    if len(rules.project_hours) > PROJECTS_MAX:
        wrong["project_hours"] = f"Give at most {PROJECTS_MAX} projects hours of their own."
    if wrong:
        raise Invalid("Some of these settings are not possible.", fields=wrong)
    return Rules.from_state({**rules.to_state(), "off": sorted(set(rules.off))})


def _problem(hours: Hours) -> str:
    if not hours.days or any(not 0 <= day <= 6 for day in hours.days):
        return "Name at least one day of the week."
    if not (0 <= hours.start < 1_440 and 0 <= hours.end <= 1_440) or hours.start == hours.end:
        return "Give a beginning and another end, between 00:00 and 24:00."
    try:
        ZoneInfo(hours.zone)
    except (ZoneInfoNotFoundError, ValueError):
        return f"“{hours.zone[:40]}” is no time zone like Europe/Oslo."
    return ""


def changed(before: Rules, after: Rules) -> tuple[str, ...]:
    """The members that differ, sorted."""
    old, new = before.to_state(), after.to_state()
    return tuple(sorted(name for name in new if old[name] != new[name]))


def dulled(before: Rules, after: Rules) -> tuple[str, ...]:
    """The members by which less is noticed, or later, than before; sorted.

    Other working hours count where hours were watched: whether they notice less depends on when people work.
    """
    found = {"off"} if set(after.off) - set(before.off) else set()
    if before.watches("off-hours"):
        found |= {name for name in ("hours", "project_hours") if name in changed(before, after)}
    for name in BOUNDS:
        old, new = getattr(before, name), getattr(after, name)
        if (new > old) if name in _DULLER_HIGHER else (new < old):
            found.add(name)
    return tuple(sorted(found))
