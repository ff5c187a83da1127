"""The project on the preset *Regulated*: what ran in staging and passed its tests, approved by two with passkeys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from ensign.control.changes import operations as changes
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.ramp_operations import RampPlan, RampStep
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.flags.domain import Constraint, Strategy
from ensign.control.progression import operations as progression
from ensign.control.progression import promoting
from ensign.control.progression.domain.runs import Subject
from ensign.control.releases import running
from ensign.demo import cast
from ensign.demo.company import give, hire, settle
from ensign.demo.requests import Then
from ensign.demo.signing import Signers
from ensign.demo.stage import Stage, gradual

KEY: Final = cast.REGULATED.key
_AUTHOR, _OTHER = "noor.haddad", "jonas.lindqvist"
_SIGNERS = ("sofia.marques", "daniel.weiss")
_SHARES = (5, 25, 50, 100)
_HOLD: Final = 90
"""Minutes: all steps fit into the evening of a Friday, before the weekend's freeze."""
_PLANS = Constraint(context_name="plan", operator="IN", values=("business", "enterprise"))
_REGION = Constraint(context_name="region", operator="IN", values=("eu", "uk"))

OnFlag = Callable[[str, datetime], None]


class Issuing:
    """Puts the project's half-year into the calendar."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._company, self._calendar = stage, stage.company, stage.calendar
        self._signers = Signers(stage.company)
        self._runs = 1400

    def plan(self) -> None:
        """Flags that went all the way, one that waits for its second signature, one that is too early."""
        calendar = self._calendar
        calendar.on_day(204, self._open)
        calendar.on_day(285, partial(self._staged, "card-limits-v2", partial(self._directly, 20)))
        calendar.on_day(318, partial(self._staged, "freeze-card-in-app", partial(self._directly, 25)))
        calendar.on_day(337, partial(self._improved, "freeze-card-in-app"))
        limits = "card-limits-v2"
        calendar.put(calendar.ago(33), lambda t: self._restage(limits, t, _PLANS, _REGION))
        calendar.put(calendar.ago(31), lambda t: self._tested(limits, t, "failed"))
        calendar.put(calendar.ago(29), lambda t: self._restage(limits, t, _REGION))
        calendar.put(calendar.ago(8), lambda t: self._tested(limits, t))
        calendar.put(calendar.ago(6), self._half_signed)
        calendar.put(calendar.ago(3), partial(self._staged, "contactless-limits", None))
        calendar.put(calendar.ago(1.5), self._too_early)

    def _open(self, at: datetime) -> None:
        """The project, and who works in it."""
        admin = self._stage.actor(cast.FIRST.key, at)
        settle(admin, cast.REGULATED, at=at, preset="regulated")
        hire(self._company, admin, "ci", "Reports the runs of the test suites.", "tester", at=at)
        for key in (_AUTHOR, _OTHER):
            give(self._company, key, "developer", KEY, at=at, reason="Builds card issuing.")
        for key in (*_SIGNERS, "amara.okafor"):
            give(self._company, key, "approver", KEY, at=at, reason="Named in the scheme's contract.")
        tomorrow = self._tomorrow(at)
        self._calendar.put(tomorrow, self._enrol)
        self._calendar.put(self._tomorrow(tomorrow), partial(self._staged, "virtual-cards", self._promoted))

    def _enrol(self, at: datetime) -> None:
        for number, key in enumerate(_SIGNERS):
            self._signers.enrol(key, at + timedelta(minutes=20 * number))

    def _staged(self, key: str, then: OnFlag | None, at: datetime) -> None:
        """In development and staging at once; its tests the day after; then on to production."""
        piece = cast.SCENES[key]
        self._stage.create(piece, _AUTHOR, at)
        for environment in ("development", "staging"):
            self._stage.begin(piece, _AUTHOR, at, environment, gradual(key, 100, _PLANS))
        if then is not None:
            tested = self._calendar.working(at + timedelta(hours=26))
            self._calendar.put(tested, partial(self._tested, key))
            self._calendar.put(tested + timedelta(minutes=20), partial(then, key))

    def _restage(self, key: str, at: datetime, *constraints: Constraint) -> None:
        """Another rule in staging, where nobody needs to approve."""
        changed = replace(self._stage.strategy(key, "staging"), constraints=constraints)
        steps = [StrategyUpdate(flag=key, strategy=changed)]
        self._stage.requests.propose(_AUTHOR, at, KEY, "staging", steps, smooth=True)

    def _tested(self, key: str, at: datetime, result: str = "passed") -> None:
        """The pipeline says how its run against staging ended."""
        self._runs += 13
        progression.report_run(
            actor=self._company.service("ci", at=at), at=at, project=KEY, subject=Subject(kind="flag", key=key),
            environment="staging", name="end-to-end", result=result,
            url=f"https://ci.halyard.example/card-service/runs/{self._runs}",
            commit=hashlib.sha256(f"{key} {self._runs}".encode()).hexdigest()[:40],
            started=at - timedelta(minutes=9), finished=at - timedelta(minutes=1),
        )  # fmt: skip
        self._stage.requests.counts[f"tests {result}"] += 1

    def _promoted(self, key: str, at: datetime) -> None:
        """What staging runs, in production at 0 %; then by a ramp to everybody."""
        request = self._promote(key, at, reason="Ran in staging since yesterday; the suite passed.", switch_on=True)
        self._signed(request, at, lambda t: self._calendar.put(self._tomorrow(t), partial(self._ramp, key)))

    def _promote(self, key: str, at: datetime, *, reason: str, switch_on: bool = False) -> ChangeRequest:
        """A request for production made out of what staging runs."""
        done = promoting.promote(
            actor=self._stage.actor(_AUTHOR, at), at=at, project=KEY, flags=[key], source="staging",
            target="production", switch_on=switch_on, reason=reason, tickets=(self._stage.ticket(KEY),),
        )  # fmt: skip
        self._stage.requests.counts["requested"] += 1
        return done.request

    def _ramp(self, key: str, at: datetime) -> None:
        steps = (*(RampStep(percent=share, hold=_HOLD) for share in _SHARES[:-1]), RampStep(percent=_SHARES[-1]))
        plan = RampPlan(flag=key, strategy=self._stage.strategy(key).id, steps=steps)
        request = self._stage.ask(_AUTHOR, at, KEY, [plan], reason="Agreed with the issuing bank; support is briefed.")

        def go_on(applied: datetime) -> None:
            for number in range(1, len(steps)):
                self._calendar.put(applied + timedelta(minutes=(_HOLD + 1) * number), self._beat)

        self._signed(request, at, go_on)

    def _beat(self, at: datetime) -> None:
        running.tick(at=at)

    def _directly(self, share: int, key: str, at: datetime) -> None:
        """To a part of production in one request: the same configuration as in staging, for fewer people."""
        steps = [StrategyAdd(flag=key, strategy=gradual(key, share, _PLANS)), FlagEnable(flag=key)]
        request = self._stage.ask(_OTHER, at, KEY, steps, reason="The suite passed on this very configuration.")
        self._signed(request, at, lambda _: None)

    def _signed(self, request: ChangeRequest, at: datetime, then: Then) -> None:
        """Two sign within the hour, and its author applies it."""
        first = self._calendar.working(at + timedelta(hours=1))
        for number, key in enumerate(_SIGNERS):
            self._calendar.put(first + timedelta(minutes=20 * number), partial(self._sign, key, request))
        author = next(key for key in (_AUTHOR, _OTHER) if self._company.ids[key] == request.author)

        def apply(t: datetime) -> None:
            self._stage.apply(author, request, t)
            then(t)

        self._calendar.put(first + timedelta(minutes=35), apply)

    def _sign(self, key: str, request: ChangeRequest, at: datetime) -> None:
        self._signers.approve(key, self._stage.read(request), at)
        self._stage.requests.counts["signed"] += 1

    def _tomorrow(self, at: datetime) -> datetime:
        return self._calendar.working(at + timedelta(hours=20))

    def _improved(self, key: str, at: datetime) -> None:
        """Another rule in staging, tested for a day, then promoted: the same people in production have it."""
        self._restage(key, at, _PLANS, _REGION)
        tested = self._calendar.working(at + timedelta(hours=26))
        self._calendar.put(tested, partial(self._tested, key))

        def promoted(t: datetime) -> None:
            request = self._promote(key, t, reason="The bank's other regions follow once their call centres know.")
            self._signed(request, t, lambda _: None)

        self._calendar.put(tested + timedelta(minutes=20), promoted)

    def _half_signed(self, at: datetime) -> None:
        """The limits that were mended in staging, for production: one of two has signed."""
        why = "The first rule locked out everybody without a plan; see the failed run."
        request = self._promote("card-limits-v2", at, reason=why)
        changes.ask_reviewers(
            actor=self._stage.actor(_AUTHOR, at), at=at, request_id=request.id,
            reviewers=[self._company.ids[name] for name in (*_SIGNERS, "amara.okafor")],
        )  # fmt: skip
        self._calendar.put(self._calendar.ago(4), partial(self._sign, _SIGNERS[0], request))

    def _too_early(self, at: datetime) -> None:
        """Asked for on the day on which staging got it, before any test: the request says what it lacks."""
        key = "contactless-limits"
        steps = [StrategyAdd(flag=key, strategy=_same(self._stage.strategy(key, "staging"))), FlagEnable(flag=key)]
        self._stage.ask(_OTHER, at, KEY, steps, reason="The limit applies from Monday; could somebody look?")


def _same(strategy: Strategy) -> Strategy:
    """For a tenth of the users."""
    return replace(strategy, id="", parameters={**strategy.parameters, "rollout": "10"})
