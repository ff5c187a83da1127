"""What the demo's projects ask for, over the year: tightened, given conditions, relaxed after a delay, about to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.settings_operations import EnvironmentProtect, PolicySet
from ensign.control.kernel import clock
from ensign.control.projects import policies
from ensign.control.projects.demands import Demand, Freeze, Rule, When
from ensign.control.projects.domain import PolicyRules
from ensign.demo.company import give
from ensign.demo.stage import Stage

_AUTHOR = "tomas.novak"
_HIGH = Rule(name="High risk takes two", when=When(tags=("risk:high",)), demand=Demand(approvals=2))
_SEGMENTS = Rule(
    name="A segment reaches many flags", when=When(operations=("segment.set",)), demand=Demand(approvals=2)
)


class Policies:
    """Puts the changes of policies into the calendar."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def plan(self) -> None:
        """Half a year small; then tightened, conditional, relaxed; one that waits at the end."""
        calendar = self._stage.calendar
        calendar.on_day(178, self._second_reviewer)
        calendar.on_day(182, self._tighten)
        calendar.on_day(215, partial(self._settle, "mobile", "staging", EnvironmentProtect()))
        calendar.on_day(236, self._conditions)
        calendar.on_day(301, self._relax)
        calendar.put(calendar.ago(7), self._waiting)

    def _second_reviewer(self, at: datetime) -> None:
        """Two approvals need three people who may approve."""
        give(self._stage.company, "mei.tanaka", "approver", "payouts", at=at, reason="Two approvals from next week on.")

    def _tighten(self, at: datetime) -> None:
        """Half-way, payouts asks for two approvals and checkout applies on the last one."""
        self._settle("payouts", "production", PolicySet(rules=PolicyRules(approvals=2, requires_reason=True)), at)
        swift = PolicyRules(approvals=1, requires_reason=True, apply_on_last_approval=True)
        self._settle("checkout", "production", PolicySet(rules=swift), at)

    def _conditions(self, at: datetime) -> None:
        """What is risky in checkout takes two people; the sale of the season is frozen; weaker rules wait two days."""
        end = self._stage.calendar.end.replace(hour=0, minute=0, second=0, microsecond=0)
        sale = Freeze(name="Season's sale", start=_day(end, 24), end=_day(end, 31))
        wanted = replace(self._now("checkout"), rules=(_HIGH, _SEGMENTS), freezes=(sale,), delay_hours=48)
        self._settle("checkout", "production", PolicySet(rules=_wish(wanted)), at)

    def _relax(self, at: datetime) -> None:
        """Two days were too long: that less is asked takes effect after the very delay that it shortens."""
        wanted = replace(self._now("checkout"), delay_hours=24)
        request = self._propose(wanted, at, reason="No policy change was urgent, but two days blocked a launch.")
        approved = at + timedelta(minutes=50)
        self._stage.calendar.put(approved, lambda t: self._approve(request, t))
        # After its delay, and at a time at which somebody is there to press the button.
        self._stage.calendar.put(
            self._stage.calendar.working(approved + timedelta(hours=49)),
            lambda t: self._stage.apply(_AUTHOR, request, t),
        )

    def _waiting(self, at: datetime) -> None:
        """Today it is approved and waits for its day to be over."""
        wanted = replace(self._now("checkout"), rules=(_HIGH,))
        request = self._propose(
            wanted, at, reason="Segments are changed daily by now; their owners review each other anyway."
        )
        self._stage.calendar.put(self._stage.calendar.ago(5.5), lambda t: self._approve(request, t))

    def _approve(self, request: ChangeRequest, at: datetime) -> None:
        """By two: a change of policies answers to every rule of the policy that it replaces."""
        self._stage.approve("amara.okafor", request, at)
        self._stage.approve("mei.tanaka", request, at + timedelta(minutes=14))

    def _propose(self, wanted: PolicyRules, at: datetime, *, reason: str) -> ChangeRequest:
        return self._stage.ask(_AUTHOR, at, "checkout", [PolicySet(rules=_wish(wanted))], reason=reason)

    def _settle(self, project: str, environment: str, operation: Operation, at: datetime) -> None:
        self._stage.requests.propose(
            _AUTHOR, at, project, environment, [operation], smooth=True,
            reason="Decided in the risk review of the half-year; see the minutes.",
        )  # fmt: skip

    def _now(self, project: str) -> PolicyRules:
        return policies.policies_of(project, ["production"])[0].rules


def _day(end: datetime, days: int) -> str:
    return clock.text(end + timedelta(days=days))


def _wish(rules: PolicyRules) -> PolicyRules:
    """The rules as somebody proposes them: since when they are enforced is stamped when they apply."""
    return replace(rules, enforced_since="", preset="")
