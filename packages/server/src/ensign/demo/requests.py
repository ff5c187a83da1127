"""Change requests in the demo: proposed, reviewed in one way or another, applied, reverted, in conflict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ensign.control.changes import operations as changes
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.requests import ChangeRequest, DecisionKind
from ensign.control.changes.queries import request as request_of
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid
from ensign.demo import cast, told, watching
from ensign.demo.company import Company
from ensign.demo.story import Calendar

Then = Callable[[datetime], None]


def _nothing(_at: datetime) -> None:
    pass


class Requests:
    """The way of every change through the one door. ``counts`` says how often what happened."""

    def __init__(self, company: Company, calendar: Calendar) -> None:
        self._company, self._calendar, self._rng = company, calendar, calendar.rng
        self.counts: Counter[str] = Counter()
        self._keys: dict[str, str] = {}

    def propose(
        self,
        author: str,
        at: datetime,
        project: str,
        environment: str,
        operations: Sequence[Operation],
        *,
        then: Then = _nothing,
        smooth: bool = False,
        reason: str = "",
    ) -> ChangeRequest | None:
        """Propose; ``then`` happens once it has applied. ``smooth``: the review goes well. None: in conflict."""
        try:
            done = changes.propose(
                actor=self._company.actor(author, at=at),
                at=at,
                project=project,
                environment=environment,
                operations=operations,
                reason=reason or self._rng.choice(cast.REASONS),
                tickets=(told.ticket(project, 100 + sum(self.counts.values())),) if environment == "production" else (),
            )
        except (Conflict, Invalid) as error:
            _only_overtaken(error)
            self.counts["conflict"] += 1
            return None
        self._keys[done.request.author] = author
        if done.applied is not None:
            self.counts["applied at once"] += 1
            then(at)
        else:
            self.counts["requested"] += 1
            self._wait_for_review(done.request.id, author, at, then, smooth=smooth)
        return done.request

    def _wait_for_review(self, id: str, author: str, at: datetime, then: Then, *, smooth: bool) -> None:
        calendar = self._calendar
        if not smooth and self._rng.random() < 0.06:
            calendar.after(at, lambda t: self._tries_own(id, author, t), least=_minutes(2), most=_minutes(20))
        if not smooth and self._rng.random() < 0.15:
            calendar.after(at, lambda t: self._comment(id, t), least=_minutes(10), most=_minutes(90))
        fate = 0.0 if smooth else self._rng.random()
        act: Then
        if fate < 0.84:
            act = lambda t: self._approve(id, author, t, then)  # noqa: E731  # one of four, told apart by fate
        elif fate < 0.91:
            act = lambda t: self._send_back(id, author, t, then)  # noqa: E731  # as above
        elif fate < 0.95:
            act = lambda t: self._reject(id, t)  # noqa: E731  # as above
        else:
            act = lambda t: self._withdraw(id, author, t)  # noqa: E731  # as above
        calendar.after(at, act, least=_minutes(12), most=timedelta(hours=20))

    def _reviewer(self, request: ChangeRequest) -> str | None:
        decided = {approval.person for approval in request.approvals} | request.authors
        found = [
            key for key in self._company.holders("approver", request.project) if self._company.ids[key] not in decided
        ]
        if cast.FIRST.key in self._company.here and self._company.ids[cast.FIRST.key] not in decided:
            found = found or [cast.FIRST.key]
        return self._rng.choice(found) if found else None

    def read(self, id: str) -> ChangeRequest:
        """A request as it is now."""
        return request_of(id, reader=self._company.ids[cast.FIRST.key]).request

    def _approve(self, id: str, author: str, at: datetime, then: Then) -> None:
        request = self.read(id)
        reviewer = self._reviewer(request)
        if request.status != "in_review" or reviewer is None:
            return
        actor = self._company.actor(reviewer, at=at)
        text = self._rng.choice(cast.COMMENTS) if self._rng.random() < 0.2 else ""
        watching.reads(actor, request, at=at)
        try:
            done = changes.review_and_apply(
                actor=actor, at=at, request_id=id, decision="approve", digest=request.digest, text=text
            )
        except (Conflict, Invalid) as error:
            _only_overtaken(error)
            self.counts["conflict"] += 1
            self._calendar.after(
                at, lambda t: self._rebase(id, author, t, then), least=_minutes(30), most=timedelta(hours=30)
            )
            return
        self.counts["approved"] += 1
        if done.request.status == "in_review":
            self._calendar.after(
                at, lambda t: self._approve(id, author, t, then), least=_minutes(20), most=timedelta(hours=8)
            )
        elif done.applied is not None:
            then(at)
        else:
            self._calendar.after(
                at, lambda t: self._apply(id, author, t, then), least=_minutes(2), most=timedelta(hours=3)
            )

    def _apply(self, id: str, author: str, at: datetime, then: Then) -> None:
        who = author if author in self._company.here else cast.FIRST.key
        request = self.read(id)
        if who == cast.FIRST.key and self._company.ids[who] not in {a.person for a in request.approvals}:
            return
        try:
            changes.apply(actor=self._company.actor(who, at=at), at=at, request_id=id)
        except (Conflict, Invalid) as error:
            _only_overtaken(error)
            self.counts["conflict"] += 1
            self._calendar.after(
                at, lambda t: self._rebase(id, author, t, then), least=_minutes(30), most=timedelta(hours=30)
            )
            return
        self.counts["applied"] += 1
        then(at)

    def _rebase(self, id: str, author: str, at: datetime, then: Then) -> None:
        """The way out of a conflict: bring it up to date and ask again, or give up."""
        if author not in self._company.here:
            return
        actor = self._company.actor(author, at=at)
        try:
            changes.edit(actor=actor, at=at, request_id=id, rebase=True)
            changes.submit(actor=actor, at=at, request_id=id)
        except (Conflict, Invalid) as error:
            _only_overtaken(error)
            self._withdraw(id, author, at)
            return
        self._wait_for_review(id, author, at, then, smooth=True)

    def _send_back(self, id: str, author: str, at: datetime, then: Then) -> None:
        if not self._decide(id, at, "request_changes", self._rng.choice(cast.SEND_BACK)):
            return
        self.counts["sent back"] += 1
        self._calendar.after(
            at, lambda t: self._rework(id, author, t, then), least=_minutes(20), most=timedelta(hours=26)
        )

    def _rework(self, id: str, author: str, at: datetime, then: Then) -> None:
        if author not in self._company.here:
            return
        actor = self._company.actor(author, at=at)
        reason = "As discussed in the review. " + self._rng.choice(cast.REASONS)
        try:
            changes.edit(actor=actor, at=at, request_id=id, reason=reason, rebase=True)
            changes.submit(actor=actor, at=at, request_id=id)
        except (Conflict, Invalid) as error:
            _only_overtaken(error)
            self._withdraw(id, author, at)
            return
        self._wait_for_review(id, author, at, then, smooth=True)

    def _reject(self, id: str, at: datetime) -> None:
        if self._decide(id, at, "reject", self._rng.choice(cast.REJECT)):
            self.counts["rejected"] += 1

    def _decide(self, id: str, at: datetime, decision: DecisionKind, text: str) -> bool:
        request = self.read(id)
        reviewer = self._reviewer(request)
        if request.status not in {"in_review", "approved"} or reviewer is None:
            return False
        actor = self._company.actor(reviewer, at=at)
        changes.review(actor=actor, at=at, request_id=id, decision=decision, digest=request.digest, text=text)
        return True

    def _withdraw(self, id: str, author: str, at: datetime) -> None:
        if author in self._company.here and self.read(id).open:
            changes.withdraw(actor=self._company.actor(author, at=at), at=at, request_id=id)
            self.counts["withdrawn"] += 1

    def _comment(self, id: str, at: datetime) -> None:
        request = self.read(id)
        who = self._rng.choice(self._company.holders("developer", request.project))
        changes.comment(
            actor=self._company.actor(who, at=at), at=at, request_id=id, text=self._rng.choice(cast.COMMENTS)
        )

    def _tries_own(self, id: str, author: str, at: datetime) -> None:
        """The author presses Approve; the refusal is an entry."""
        request = self.read(id)
        if author in self._company.here and request.status == "in_review":
            self.refused(lambda: changes.review(
                actor=self._company.actor(author, at=at), at=at, request_id=id, decision="approve",
                digest=request.digest,
            ))  # fmt: skip

    def revert(self, request: ChangeRequest, actor_key: str, at: datetime) -> None:
        """Ask for the opposite of what was applied."""
        actor: Actor = self._company.actor(actor_key, at=at)
        try:
            done = changes.revert(actor=actor, at=at, request_id=request.id, reason="It did not do what we expected.")
        except (Conflict, Invalid) as error:
            _only_overtaken(error)
            self.counts["conflict"] += 1
            return
        self.counts["reverted"] += 1
        if done.applied is None:
            self._wait_for_review(done.request.id, actor_key, at, _nothing, smooth=True)

    def refused(self, attempt: Callable[[], object]) -> None:
        """An attempt that must be refused: a demo in which it succeeds would be a lie."""
        try:
            attempt()
        except Denied:
            self.counts["refused"] += 1
            return
        raise AssertionError("something that must be refused was allowed")


def _only_overtaken(error: EnsignError) -> None:
    """Let pass what a busy day brings: somebody was faster. Anything else is a mistake of the demo's."""
    if not isinstance(error, Conflict) and error.code not in {"no-change", "operation-refused"}:
        raise error


def _minutes(count: int) -> timedelta:
    return timedelta(minutes=count)
