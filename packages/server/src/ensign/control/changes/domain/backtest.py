"""What a policy would have said of a change that was made: what it lacks, and what cannot be said of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ensign.control.changes.domain.facts import step_of
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import World
from ensign.control.projects import policy_words as words
from ensign.control.projects.demands import ChangeFacts, Demand, Who, frozen_by
from ensign.control.projects.domain import PolicyRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A change as it was: when it applied or was refused, its facts, the states around it (None: redacted since).

    ``who`` says what an approver is; people's roles and groups are those of today. ``ran`` says what it would have
    lacked of progression and tests under a demand; None where that cannot be said.
    """

    request: ChangeRequest
    at: datetime
    facts: ChangeFacts | None
    before: World | None
    after: World | None
    who: Callable[[str], Who]
    names: Mapping[str, str]
    ran: Callable[[Demand], tuple[str, ...] | None] = lambda _demand: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``lacks``: what it would have lacked, in phrases. ``unsaid``: demands of which nothing is known for that time."""

    lacks: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the policy would have held it back."""
        return bool(self.lacks)


def judged(rules: PolicyRules, then: Then) -> Outcome:
    """What ``rules`` would have said. Standard changes and emergencies pass, as they do."""
    if then.request.mode in {"standard", "break-glass"}:
        return Outcome()
    demand = rules.demand(then.facts)
    lacks = [*_approvals(demand, then), *_besides(demand, then)]
    if frozen_by(rules.freezes, then.at) is not None:
        lacks.append("it was frozen")
    before = then.ran(demand) if demand.progression or demand.requires_tests else ()
    lacks += before or ()
    unsaid = [f"whether it had run in {one.environment}" for one in demand.progression if before is None]
    if demand.requires_tests and before is None:
        unsaid.append("whether a test run had passed")
    if demand.max_step is not None and then.before is None:
        unsaid.append("how far a rollout grew")
    return Outcome(lacks=tuple(lacks), unsaid=tuple(unsaid))


def _approvals(demand: Demand, then: Then) -> list[str]:
    given = [
        approval
        for approval in then.request.approvals
        if then.at - approval.at < timedelta(hours=demand.approval_hours)
        and (approval.signature is not None or not demand.signed)
        and all(one.admits(then.who(approval.person)) for one in demand.approvers)
    ]
    lacks = []
    if len(given) < demand.required:
        lacks.append(f"{words.count(demand.required - len(given), 'approval')} more")
    present = frozenset[str]().union(*(then.who(approval.person).groups for approval in given))
    absent = [group for group in demand.each_group if group not in present]
    return [*lacks, *(f"an approval from {then.names.get(group, group)}" for group in absent)]


def _besides(demand: Demand, then: Then) -> list[str]:
    lacks = []
    if demand.requires_reason and not then.request.reason.strip():
        lacks.append("a reason")
    if demand.requires_ticket and not then.request.tickets:
        lacks.append("a ticket")
    if demand.max_step is not None and then.before is not None and then.after is not None:
        grown = step_of(then.before, then.after, then.request.operations)
        if grown > demand.max_step:
            lacks.append(f"smaller steps (a rollout grew by {words.count(grown, 'point')})")
    return lacks
