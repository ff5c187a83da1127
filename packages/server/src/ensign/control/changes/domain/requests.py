"""A change request as a value, and the JSON in which it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from ensign.control.changes.domain.base import Operation, from_json
from ensign.control.kernel import clock
from ensign.control.projects.demands import NOTHING, Demand, Freeze
from ensign.control.projects.domain import REQUEST_DAYS

Status = Literal[
    "draft",
    "in_review",
    "changes_requested",
    "approved",
    "scheduled",
    "applied",
    "rejected",
    "withdrawn",
    "expired",
]
DecisionKind = Literal["approve", "request_changes", "reject"]
#: How it applied: with the approvals of a request; at once, as the policy asks for none; as a standard change; as a
#: step of a plan that was approved once; as an emergency change that is reviewed afterwards.
Mode = Literal["request", "direct", "standard", "plan", "break-glass"]

#: The states in which a request can still apply one day.
OPEN: frozenset[Status] = frozenset({"draft", "in_review", "changes_requested", "approved", "scheduled"})

#: Those in which it waits for somebody, and ends by itself when nobody comes. A draft waits for nobody.
EXPIRES: frozenset[Status] = OPEN - {"draft"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInForce:
    """What a change must meet: the strictest of the policies of all environments that it reaches.

    ``ref`` is ``pol_x@3``, for several environments all of them joined by ``+``: an approval is bound to each.
    """

    ref: str
    demand: Demand = NOTHING
    protected: bool
    compensated: bool = False
    """Whether protected environments ask for nothing and every one of them states a compensating control."""
    apply_on_last_approval: bool = False
    environments: tuple[str, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    request_days: int = REQUEST_DAYS
    delay_hours: int = 0
    """How long after its last approval a change of a policy takes effect; for others it has no meaning."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The names of the groups that the demand names, by id."""

    @property
    def required(self) -> int:
        """How many approvals it takes."""
        return self.demand.required

    @property
    def requires_reason(self) -> bool:
        """Whether it takes a reason."""
        return self.demand.requires_reason

    @property
    def lifetime(self) -> timedelta:
        """How long an approval counts."""
        return self.demand.lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's approval: of exactly this digest, in this round, under this policy.

    ``signature``: the passkey's assertion over the approval statement, as it stands in the entry; None without one.
    """

    person: str
    at: datetime
    digest: str
    policy: str
    round: int
    signature: Mapping[str, Any] | None = None

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "person": self.person,
            "at": clock.text(self.at),
            "digest": self.digest,
            "policy": self.policy,
            "round": self.round,
            "signature": None if self.signature is None else dict(self.signature),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Approval:
        """The inverse of :meth:`to_state`."""
        return Approval(**{**state, "at": clock.parse(state["at"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a reviewer decided, in which round; kept for ever, also when a later edit voids it."""

    person: str
    kind: DecisionKind
    at: datetime
    round: int

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {"person": self.person, "kind": self.kind, "at": clock.text(self.at), "round": self.round}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Decision:
        """The inverse of :meth:`to_state`."""
        return Decision(**{**state, "at": clock.parse(state["at"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When an approved request applies by itself: not before ``at``; asked for by ``by`` (who it applies as).

    ``state``: ``pending``; ``failed`` when it was due and could not apply, with why in ``problem``; ``done``.
    """

    at: datetime
    by: str
    state: Literal["pending", "failed", "done"] = "pending"
    problem: str = ""

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {"at": clock.text(self.at), "by": self.by, "state": self.state, "problem": self.problem}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Schedule:
        """The inverse of :meth:`to_state`."""
        return Schedule(**{**state, "at": clock.parse(state["at"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRef:
    """Of which approved plan a change is a step: the ``request`` that was approved, its ``digest``, the ``ramp``, the
    ``strategy`` whose share it sets, and to how many ``percent``.

    ``step`` is the place of the step in the plan (0 is what the request itself applied); None when it rolls back.
    """

    request: str
    digest: str
    ramp: str
    strategy: str
    step: int | None
    percent: int

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {name: getattr(self, name) for name in PlanRef.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """A change set on one project and environment, and how far it has come.

    ``contributors`` are all who ever edited it, without the author. ``behind`` are the people who stood behind a
    service account at the moment when it wrote or edited this: its owner, and who made the token. ``round`` counts
    reviews: an edit of what was submitted begins a new one. ``approvals`` are those given since the last edit.
    ``base`` maps every object touched or referenced to the version that the author saw.

    ``tickets`` are references to what it is for (``PAY-142``, an address). ``reviewers`` are people and groups asked to
    look. ``expires_at``: it ends by itself then. ``schedule``: when it applies by itself, once approved. ``promotes``:
    from which environment its content was taken. ``incident``: the incident that an emergency change belongs to.
    ``plan``: of which approved plan this is a step.
    """

    id: str
    project: str
    environment: str
    title: str
    reason: str
    author: str
    contributors: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    round: int = 1
    status: Status = "draft"
    operations: tuple[Operation, ...] = ()
    base: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""
    approvals: tuple[Approval, ...] = ()
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None = None
    applied_at: datetime | None = None
    applied_by: str | None = None
    mode: Mode | None = None
    required: int | None = None
    policy: str | None = None
    reverts: str | None = None
    tickets: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    expires_at: datetime | None = None
    schedule: Schedule | None = None
    promotes: str | None = None
    incident: str | None = None
    plan: PlanRef | None = None

    @property
    def open(self) -> bool:
        """Whether it can still change."""
        return self.status in OPEN

    def due(self, at: datetime) -> bool:
        """Whether it has waited for as long as its policy lets it: it no longer counts as open, whatever its status.

        What is scheduled waits for its time, not for people: that comes first, and its outcome decides.
        """
        waits = self.schedule is not None and self.schedule.state == "pending" and self.status == "scheduled"
        return self.expires_at is not None and self.expires_at <= at and self.status in EXPIRES and not waits

    @property
    def tryable(self) -> bool:
        """Whether applications may be told something else by it: what is only about policies and classes is not."""
        return any(not one.type.startswith(_SETTINGS) for one in self.operations)

    @property
    def goes_back(self) -> bool:
        """Whether it is the way back of an approved plan: it only lowers what was approved with it."""
        return self.plan is not None and self.plan.step is None

    @property
    def authors(self) -> frozenset[str]:
        """Who wrote or edited it: they submit, withdraw and apply it, and none of them may approve it."""
        return frozenset({self.author, *self.contributors})

    @property
    def barred(self) -> frozenset[str]:
        """Who can never approve it: the authors, and the people who stood behind them when they wrote it."""
        return self.authors | frozenset(self.behind)

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members, always."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: _text(getattr(self, name)) for name in _TIMES},
            **{name: list(getattr(self, name)) for name in _LISTS},
            "operations": [operation.to_json() for operation in self.operations],
            "base": dict(self.base),
            "approvals": [approval.to_state() for approval in self.approvals],
            "decisions": [decision.to_state() for decision in self.decisions],
            "schedule": None if self.schedule is None else self.schedule.to_state(),
            "plan": None if self.plan is None else self.plan.to_state(),
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> ChangeRequest:
        """The inverse of :meth:`to_state`; what older requests lack has its default."""
        timed, plan = state.get("schedule"), state.get("plan")
        return ChangeRequest(
            id=id,
            **{
                **state,
                **{name: None if (at := state.get(name)) is None else clock.parse(at) for name in _TIMES},
                **{name: tuple(state.get(name, ())) for name in _LISTS},
                "operations": tuple(from_json(value) for value in state["operations"]),
                "approvals": tuple(Approval.from_state(value) for value in state["approvals"]),
                "decisions": tuple(Decision.from_state(value) for value in state["decisions"]),
                "schedule": None if timed is None else Schedule.from_state(timed),
                "plan": None if plan is None else PlanRef(**plan),
            },
        )


_PLAIN = (
    "project", "environment", "title", "reason", "author", "round", "status", "digest",
    "applied_by", "mode", "required", "policy", "reverts", "promotes", "incident",
)  # fmt: skip
_TIMES = ("created_at", "updated_at", "submitted_at", "applied_at", "expires_at")
_SETTINGS = ("policy.", "environment.", "flag.classify")
_LISTS = ("contributors", "behind", "warnings", "tickets", "reviewers")


def _text(at: datetime | None) -> str | None:
    return None if at is None else clock.text(at)
