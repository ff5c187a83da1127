"""An incident of the demo's year in which somebody breaks the glass, and the review of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.ramp_operations import with_share
from ensign.control.flags import queries as flag_queries
from ensign.control.flags.domain import Strategy
from ensign.control.flags.words import share
from ensign.control.incidents import incidents, opening
from ensign.demo.cast import Piece
from ensign.demo.company import Company, give
from ensign.demo.requests import Requests
from ensign.demo.story import Calendar

_RESPONDER, _REVIEWER = "jonas.lindqvist", "amara.okafor"


class Control:
    """Puts an emergency of checkout into the calendar."""

    def __init__(
        self, company: Company, calendar: Calendar, requests: Requests, live: Callable[[], Sequence[Piece]]
    ) -> None:
        self._company, self._calendar, self._requests, self._live = company, calendar, requests, live

    def plan(self) -> None:
        """The days on which it happens."""
        self._calendar.on_day(285, self._responder)
        self._calendar.on_day(318, self._emergency)

    def _rollout(self, project: str, *, least: int, most: int) -> tuple[str, Strategy] | None:
        """A flag that production rolls out to between so many per cent of users, and its strategy."""
        for piece in self._live():
            found = flag_queries.config(piece.key, "production").config.strategies[0]
            now = share(found)
            if piece.project == project and piece.shape == "rollout" and now is not None and least <= now <= most:
                return piece.key, found
        return None

    def _responder(self, at: datetime) -> None:
        """Who is on call may break the glass, and reviews nothing."""
        give(self._company, _RESPONDER, "responder", "checkout", at=at, reason="On call for checkout this year.")

    def _emergency(self, at: datetime) -> None:
        """A rollout goes back to a tenth of the users without approval; it is reviewed the same day."""
        found = self._rollout("checkout", least=11, most=100)
        if found is None:
            return
        key, strategy = found
        actor = self._company.actor(_RESPONDER, at=at)
        declared = incidents.declare(
            actor=actor, at=at, title="Orders fail for some buyers", severity="sev2", project_keys=["checkout"],
            environment="production", detected_at=at - timedelta(minutes=6), suspected_flag=key,
            text="Error rate at 4 % since the last deployment; only buyers whom the flag reaches.",
        ).incident  # fmt: skip
        opened = opening.break_glass(
            actor=actor, at=at + timedelta(minutes=2), incident_id=declared.id, project="checkout",
            environment="production", flags=[key], reason="Orders fail now, and no approver answers the page.",
        )  # fmt: skip
        opening.propose_emergency(
            actor=actor, at=at + timedelta(minutes=4), emergency_id=opened.id,
            operations=[StrategyUpdate(flag=key, strategy=with_share(strategy, 10))], title=f"Rollout of {key} to 10 %",
        )  # fmt: skip
        opening.end(actor=actor, at=at + timedelta(minutes=5), emergency_id=opened.id)
        incidents.mitigate(actor=actor, at=at + timedelta(minutes=9), incident_id=declared.id, text="Errors are gone.")
        self._requests.counts["broke the glass"] += 1
        # Never over a weekend: the review is due within a day.
        self._calendar.put(at + timedelta(hours=3), partial(self._afterwards, declared.id, opened.id))

    def _afterwards(self, incident: str, opened: str, at: datetime) -> None:
        responder = self._company.actor(_RESPONDER, at=at)
        incidents.resolve(
            actor=responder, at=at, incident_id=incident, text="A fix is deployed; all orders go through."
        )
        opening.review(
            actor=self._company.actor(_REVIEWER, at=at), at=at, emergency_id=opened, verdict="justified",
            finding="The diff lowers one rollout and nothing else; the error rate fell within a minute.",
        )  # fmt: skip
