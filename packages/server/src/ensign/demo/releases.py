"""Releases of the demo: templates, safeguards, a ramp that one of them stopped, a ramp on its way, and set times."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from ensign.control.access import custom_roles
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.permissions import Permission
from ensign.control.changes import operations as changes
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep, with_share
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.monitoring import checking, guarding, safeguard_queries
from ensign.control.monitoring.domain.safeguards import Reading, Source
from ensign.control.monitoring.guarding import Made, SafeguardWish
from ensign.control.releases import operations as ramps
from ensign.control.releases import queries, running, templating
from ensign.demo import cast
from ensign.demo.company import hire
from ensign.demo.requests import Then
from ensign.demo.stage import Stage

_WHO, _APPROVER = "jonas.lindqvist", "amara.okafor"
_PLANNER, _MOBILE_APPROVER = "ewa.zielinska", "pieter.dejong"
_STOPPED, _UNDERWAY, _TIMED = "network-token-refresh", "express-checkout", "receipt-themes"
_SHARES = (5, 25, 50, 100)
_HOLD: Final = 120
_BEGAN: Final = 19.0
"""Working hours before the end at which the ramp on its way began: two days and a bit."""


def _steps(hold: int) -> tuple[RampStep, ...]:
    return (*(RampStep(percent=share, hold=hold) for share in _SHARES[:-1]), RampStep(percent=_SHARES[-1]))


class Releases:
    """Puts templates, ramps and set times into the calendar."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._safeguard = ""

    def plan(self) -> None:
        """Templates in spring, a ramp that was stopped in the last quarter; today's are counted back from the end."""
        calendar = self._stage.calendar
        calendar.on_day(120, self._templates)
        calendar.on_day(298, self._guard)
        self._stage.launch(_STOPPED, _WHO, 300, share=5)
        calendar.on_day(320, self._stopped_ramp)
        self._stage.launch(_UNDERWAY, _WHO, 330, share=1)
        calendar.put(calendar.ago(_BEGAN + 1), self._underway)
        self._stage.launch(_TIMED, _PLANNER, 312, share=5)
        calendar.on_day(328, self._at_night)
        calendar.put(calendar.ago(9), self._scheduled)

    def _templates(self, at: datetime) -> None:
        """Plans that teams agreed on."""
        for who, project, name, description, hold, percents in (
            (_WHO, "checkout", "Careful", "A day for each step; for what touches money.", 24 * 60, _SHARES),
            (_WHO, "checkout", "Same day", "Two hours for each step; for what was tried before.", _HOLD, (25, 50, 100)),
            (_PLANNER, "mobile", "With the stores", "As the stores hand out a release.", 2 * 24 * 60, (10, 50, 100)),
        ):
            steps = (*(RampStep(percent=share, hold=hold) for share in percents[:-1]), RampStep(percent=percents[-1]))
            templating.make(
                actor=self._stage.actor(who, at), at=at, project=project, name=name, description=description,
                steps=steps,
            )  # fmt: skip

    def _guard(self, at: datetime) -> None:
        """A service account that can stop and do nothing else."""
        admin = self._stage.actor(cast.FIRST.key, at)
        allowed = [str(one) for one in (Permission.PROJECT_READ, Permission.FLAG_KILL, Permission.RAMP_PAUSE)]
        wish = RoleWish(name="Guard", permissions=allowed, description="Switches off and pauses ramps.")
        custom_roles.create(actor=admin, at=at, key="guard", wish=wish)
        hire(self._stage.company, admin, "guard", "Acts for the safeguards of checkout.", "guard", at=at)

    def _watch(self, at: datetime, flag: str, key: str, source: Source, threshold: str = "0") -> Made:
        """A safeguard that pauses the flag's ramp."""
        wish = SafeguardWish(
            flag=flag, source=source, account=self._stage.company.services["guard"], act="pause", threshold=threshold,
            checks=2,
        )  # fmt: skip
        return guarding.make(
            actor=self._stage.actor(_WHO, at), at=at, project="checkout", environment="production", key=key, wish=wish,
            reason="Nobody looks at a dashboard all day.",
        )  # fmt: skip

    def _ramp(self, flag: str, guard: str, hold: int, at: datetime) -> ChangeRequest:
        plan = RampPlan(flag=flag, strategy=self._stage.strategy(flag).id, steps=_steps(hold), guards=(guard,))
        return self._stage.ask(
            _WHO, at, "checkout", [plan], reason="As agreed in the launch meeting; the declines are watched."
        )

    def _beat(self, at: datetime) -> None:
        running.tick(at=at)

    def _stopped_ramp(self, at: datetime) -> None:
        """The second step brings declines; the safeguard pauses it, and people let it go on the next morning."""
        source = Source(kind="webhook", path="data.declined")
        self._safeguard = self._watch(at, _STOPPED, "declines", source, "0.05").safeguard.id
        request = self._ramp(_STOPPED, "declines", _HOLD, at + timedelta(minutes=10))
        calendar = self._stage.calendar
        # In the morning, so that what follows happens by day.
        begin = calendar.working((at + timedelta(days=1)).replace(hour=8, minute=5))

        def approve(t: datetime) -> None:
            self._stage.approve(_APPROVER, request, t)
            for number, value in ((50, 0.021), (124, 0.019), (141, 0.068), (142, 0.074)):
                calendar.put(t + timedelta(minutes=number), self._reads(value))
            calendar.put(t + timedelta(minutes=_HOLD + 1), self._beat)
            calendar.put(calendar.working((t + timedelta(days=1)).replace(hour=8, minute=20)), self._goes_on)

        calendar.put(begin, approve)

    def _reads(self, value: float) -> Then:
        """A message of the monitor, which says how many of a hundred cards were declined."""

        def read(at: datetime) -> None:
            one = safeguard_queries.safeguard(self._safeguard, project="checkout").safeguard
            checking.settle([(one, Reading(value=value))], at=at, now=lambda: at + timedelta(milliseconds=60))

        return read

    def _goes_on(self, at: datetime) -> None:
        """The cause is gone: armed again, a reading that is good, and on with the ramp."""
        actor = self._stage.actor(_WHO, at)
        guarding.rearm(
            actor=actor, at=at, safeguard_id=self._safeguard,
            reason="The network's test cards were counted as declined; they are left out now.",
        )  # fmt: skip
        self._reads(0.018)(at + timedelta(minutes=2))
        (ramp,) = queries.underway("checkout", flag=_STOPPED)
        resumed = at + timedelta(minutes=5)
        ramps.resume(actor=actor, at=resumed, ramp_id=ramp.id, reason="Declines are at 1.8 % again.")
        for number in range(1, len(_SHARES)):
            self._stage.calendar.put(resumed + timedelta(minutes=(_HOLD + 1) * number), self._beat)

    def _underway(self, at: datetime) -> None:
        """One step has been taken, the next is due tomorrow."""
        source = Source(kind="alertmanager", labels={"alertname": "ExpressCheckoutErrors", "severity": "page"})
        self._watch(at, _UNDERWAY, "express-errors", source)
        calendar = self._stage.calendar
        began = calendar.ago(_BEGAN)
        hold = math.ceil((calendar.end - began) / timedelta(hours=1) * 0.65) * 60
        request = self._ramp(_UNDERWAY, "express-errors", hold, at)
        calendar.put(began, lambda t: self._stage.approve(_APPROVER, request, t))
        calendar.put(began + timedelta(minutes=hold + 1), self._beat)

    def _themes(self, at: datetime, share: int, reason: str) -> ChangeRequest:
        changed = with_share(self._stage.strategy(_TIMED), share)
        return self._stage.ask(_PLANNER, at, "mobile", [StrategyUpdate(flag=_TIMED, strategy=changed)], reason=reason)

    def _at_night(self, at: datetime) -> None:
        """A step that applied by itself before anybody was up."""
        request = self._themes(at, 20, "The stores hand the release out tonight.")
        night = (at + timedelta(days=1)).replace(hour=4, minute=30, second=0, microsecond=0)
        self._set(request, night, at + timedelta(minutes=70))
        self._stage.calendar.put(night, self._beat)

    def _scheduled(self, at: datetime) -> None:
        """The next one, in the coming days."""
        request = self._themes(at, 50, "The campaign begins that morning; marketing has the texts.")
        calendar = self._stage.calendar
        morning = (calendar.end + timedelta(days=2)).replace(hour=6, minute=0, second=0, microsecond=0)
        self._set(request, morning, calendar.ago(6))

    def _set(self, request: ChangeRequest, when: datetime, approved: datetime) -> None:
        """Approved, and told when to apply."""
        calendar = self._stage.calendar
        calendar.put(approved, lambda t: self._stage.approve(_MOBILE_APPROVER, request, t))
        calendar.put(
            approved + timedelta(minutes=8),
            lambda t: changes.schedule(actor=self._stage.actor(_PLANNER, t), at=t, request_id=request.id, when=when),
        )
