"""What the single scenes of the demo share: their flags, and requests whose every act has its person and its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ensign.control.changes import operations as changes
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.operations import Reviewed
from ensign.control.changes.queries import request as read
from ensign.control.flags import operations as flags
from ensign.control.flags import queries as flag_queries
from ensign.control.flags.domain import Constraint, Strategy
from ensign.control.kernel.actor import Actor
from ensign.demo import cast, told, watching
from ensign.demo.cast import Piece
from ensign.demo.company import Company
from ensign.demo.requests import Requests
from ensign.demo.story import Calendar


def gradual(key: str, share: int, *constraints: Constraint) -> Strategy:
    """A rollout to so many per cent."""
    parameters = {"rollout": str(share), "stickiness": "default", "groupId": key}
    return Strategy(id="", name="flexibleRollout", parameters=parameters, constraints=constraints)


class Stage:
    """Company, calendar and the ordinary way of requests, for scenes that say who does what."""

    def __init__(self, company: Company, calendar: Calendar, requests: Requests) -> None:
        self.company, self.calendar, self.requests = company, calendar, requests
        self._tickets = 800

    def actor(self, key: str, at: datetime) -> Actor:
        """Somebody, in a session."""
        return self.company.actor(key, at=at)

    def ticket(self, project: str) -> str:
        """The next ticket of a project."""
        self._tickets += 7
        return told.ticket(project, self._tickets)

    def read(self, request: ChangeRequest) -> ChangeRequest:
        """The request as it is now."""
        return read(request.id, reader=request.author).request

    def strategy(self, flag: str, environment: str = "production") -> Strategy:
        """The first strategy of a flag."""
        return flag_queries.config(flag, environment).config.strategies[0]

    def create(self, piece: Piece, author: str, at: datetime) -> None:
        """A flag of a scene, owned by who makes it."""
        flags.create_flag(
            actor=self.actor(author, at), at=at, project=piece.project, key=piece.key, type=piece.type,
            description=piece.description, tags=piece.tags,
        )  # fmt: skip

    def begin(self, piece: Piece, author: str, at: datetime, environment: str, strategy: Strategy) -> None:
        """Switch a flag on where nobody needs to approve."""
        steps = [StrategyAdd(flag=piece.key, strategy=strategy), FlagEnable(flag=piece.key)]
        self.requests.propose(author, at, piece.project, environment, steps, smooth=True)

    def launch(self, key: str, author: str, day: float, *, share: int) -> None:
        """Make a flag on ``day`` and bring it to ``share`` per cent of production by ordinary requests."""
        piece = cast.SCENES[key]
        gently = piece.type != "kill-switch"

        def made(at: datetime) -> None:
            self.create(piece, author, at)
            for environment in ("development", "staging"):
                self.begin(piece, author, at, environment, _strategy(100))
            self.calendar.after(at, live, least=timedelta(days=1), most=timedelta(days=2))

        def live(at: datetime) -> None:
            steps = [StrategyAdd(flag=key, strategy=_strategy(share)), FlagEnable(flag=key)]
            self.requests.propose(author, at, piece.project, "production", steps, smooth=True)

        def _strategy(percent: int) -> Strategy:
            return gradual(key, percent) if gently else Strategy(id="", name="default")

        self.calendar.on_day(day, made)

    def ask(
        self, author: str, at: datetime, project: str, operations: Sequence[Operation], *, title: str = "", reason: str
    ) -> ChangeRequest:
        """A request for production that waits for whoever the scene names."""
        done = changes.propose(
            actor=self.actor(author, at), at=at, project=project, environment="production", operations=operations,
            title=title, reason=reason, tickets=(self.ticket(project),), wish="submit",
        )  # fmt: skip
        self.requests.counts["requested"] += 1
        return done.request

    def approve(self, key: str, request: ChangeRequest, at: datetime, *, text: str = "") -> Reviewed:
        """Somebody reads a request as it is, and approves it."""
        actor, now = self.actor(key, at), self.read(request)
        watching.reads(actor, now, at=at)
        self.requests.counts["approved"] += 1
        return changes.review_and_apply(
            actor=actor, at=at, request_id=now.id, decision="approve", digest=now.digest, text=text
        )

    def apply(self, key: str, request: ChangeRequest, at: datetime) -> None:
        """Somebody applies what is approved."""
        changes.apply(actor=self.actor(key, at), at=at, request_id=request.id)
        self.requests.counts["applied"] += 1
