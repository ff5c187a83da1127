"""What waits when the demo's year is over: requests, drafts, a conflict, a discussion, a clean-up of many flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from ensign.control.changes import bulk
from ensign.control.changes import operations as changes
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.diff import keyed
from ensign.control.changes.domain.flag_operations import FlagDisable
from ensign.control.changes.domain.ramp_operations import with_share
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.operations import LineOf
from ensign.control.changes.queries import effect
from ensign.control.flags import queries as flag_queries
from ensign.control.flags.domain import Constraint
from ensign.control.flags.words import share
from ensign.control.kernel.errors import Conflict
from ensign.demo import cast
from ensign.demo.cast import Piece
from ensign.demo.stage import Stage

Turn = Callable[[Piece, str, int, datetime], object]

_CONTESTED, _DISCUSSED = "order-tracking", "network-token-refresh"
_STEPS = (5, 10, 25, 50, 75, 100)
_WAITING = 4
_TIDY = {"mobile": "ewa.zielinska", "checkout": "jonas.lindqvist", "payouts": "noor.haddad"}
"""Who clears up after whom."""


class Today:
    """Puts the last hours into the calendar."""

    def __init__(self, stage: Stage, live: Callable[[], Sequence[Piece]], turn: Turn) -> None:
        self._stage, self._live, self._turn = stage, live, turn

    def plan(self) -> None:
        """All of it in the last working hours."""
        calendar = self._stage.calendar
        self._stage.launch(_CONTESTED, "mei.tanaka", 335, share=25)
        calendar.put(calendar.ago(8), self._contested)
        calendar.put(calendar.ago(5), self._discussed)
        calendar.put(calendar.ago(2.5), self._many)
        calendar.put(calendar.ago(1.4), self._waiting)
        calendar.put(calendar.ago(0.8), self._drafts)

    def _waiting(self, at: datetime) -> None:
        """The next step of some rollouts, a quarter of an hour apart."""
        growing = [piece for piece in self._live() if piece.shape == "rollout" and 0 < _share(piece) < 100]
        chosen = self._stage.calendar.rng.sample(growing, min(_WAITING, len(growing)))
        for number, piece in enumerate(chosen):
            share = next(step for step in _STEPS if step > _share(piece))
            self._turn(piece, "production", share, at + timedelta(minutes=12 * number))

    def _drafts(self, at: datetime) -> None:
        for who, project in ((cast.FIRST.key, "checkout"), ("pieter.dejong", "mobile")):
            live = [piece for piece in self._live() if piece.project == project]
            if live:
                step = [FlagDisable(flag=live[0].key)]
                actor = self._stage.actor(who, at)
                try:
                    changes.collect(actor=actor, at=at, project=project, environment="production", operations=step)
                except Conflict:
                    self._stage.requests.counts["conflict"] += 1

    def _contested(self, at: datetime) -> None:
        """Two people change one rollout; the one whose request applies second has a line to decide."""
        rule = self._stage.strategy(_CONTESTED)
        self._stage.ask(
            "mei.tanaka", at, "checkout", [StrategyUpdate(flag=_CONTESTED, strategy=with_share(rule, 60))],
            reason="A week at 25 % without a complaint.",
        )  # fmt: skip
        parcels = Constraint(context_name="carrier", operator="IN", values=("dhl", "postnord"))
        narrowed = replace(with_share(rule, 40), constraints=(*rule.constraints, parcels))
        other = self._stage.ask(
            "jonas.lindqvist", self._stage.calendar.ago(7.5), "checkout",
            [StrategyUpdate(flag=_CONTESTED, strategy=narrowed)],
            reason="Two carriers send their events reliably; the others follow in spring.",
        )  # fmt: skip
        self._stage.requests.counts["conflict"] += 1
        self._stage.calendar.put(self._stage.calendar.ago(4.5), lambda t: self._stage.approve("amara.okafor", other, t))

    def _discussed(self, at: datetime) -> None:
        """A request whose reviewers were asked, and whose diff is spoken about line by line."""
        rule = self._stage.strategy(_DISCUSSED)
        eu = Constraint(context_name="issuerRegion", operator="IN", values=("eu", "uk"))
        changed = replace(with_share(rule, 80), constraints=(eu,))
        request = self._stage.ask(
            "mei.tanaka", at, "checkout", [StrategyUpdate(flag=_DISCUSSED, strategy=changed)],
            title="Renew network tokens in Europe alone",
            reason="Issuers elsewhere answer with an error that costs a fee each time.",
        )  # fmt: skip
        ids = self._stage.company
        changes.ask_reviewers(
            actor=self._stage.actor("mei.tanaka", at), at=at, request_id=request.id,
            reviewers=[ids.ids["amara.okafor"], ids.ids[cast.FIRST.key], ids.groups["Checkout"]],
        )  # fmt: skip
        self._stage.calendar.put(self._stage.calendar.ago(3.6), partial(self._comments, request))

    def _comments(self, request: ChangeRequest, at: datetime) -> None:
        """One on a line with its answer, one on the whole."""
        lines = [path for path, _ in keyed(effect(request).rows)]
        first = changes.comment(
            actor=self._stage.actor("ravi.menon", at), at=at, request_id=request.id,
            text="Why 80 % as well? The constraint alone would be easier to judge.",
            line=LineOf(digest=request.digest, path=lines[0]),
        )  # fmt: skip
        later = self._stage.calendar.ago(3.1)
        changes.comment(
            actor=self._stage.actor("mei.tanaka", later), at=later, request_id=request.id, reply_to=first,
            text="The queue of renewals fills up otherwise. I can do it in two requests if you prefer.",
        )  # fmt: skip
        last = self._stage.calendar.ago(2.9)
        changes.comment(
            actor=self._stage.actor("oscar.bright", last), at=last, request_id=request.id,
            text="Support knows. Which merchants will ask?",
        )  # fmt: skip

    def _many(self, at: datetime) -> None:
        """The team with the most flags that everybody has clears them up."""
        over = [piece for piece in self._live() if piece.shape == "rollout" and _share(piece) == 100]
        project = max(_TIDY, key=lambda key: sum(piece.project == key for piece in over))
        done = [piece.key for piece in over if piece.project == project]
        if not done:
            return
        bulk.change_many(
            actor=self._stage.actor(_TIDY[project], at), at=at, project=project, environment="production",
            flags=done[:6], act="archive", tickets=(self._stage.ticket(project),),
            reason="At 100 % for weeks; the code that asked for them is gone.",
        )  # fmt: skip
        self._stage.requests.counts["requested"] += 1


def _share(piece: Piece) -> int:
    """The per cent of users in production to whom the first strategy rolls a flag out."""
    return share(flag_queries.config(piece.key, "production").config.strategies[0]) or 0
