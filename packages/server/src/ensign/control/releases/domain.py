"""A ramp and a release template as values, and the pure life of a ramp: running <-> paused -> finished | ended.

What a ramp may do to a flag is not decided here: every step passes through the write door, where
:func:`changes.domain.plans.require_step_of_plan` proves that it is the next step of the approved plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from ensign.control.changes.domain.base import from_json
from ensign.control.changes.domain.ramp_operations import OnBreach, RampPlan, RampStep, steps_words
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict
from ensign.control.projects.demands import NOTHING, Demand

Status = Literal["running", "paused", "finished", "rolled_back", "stopped"]
#: The states in which it can still go on.
UNDERWAY: frozenset[Status] = frozenset({"running", "paused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Why a ramp does not go on, since when, and who (id) paused it.

    ``code`` is frozen: ``asked`` (by a person), ``safeguard``, ``guard``, ``conflicted``, ``left`` (its owner did), or
    that of the error with which a step was refused. ``safeguard``: only a person lets it go on.
    """

    code: str
    reason: str
    by: str
    at: datetime
    safeguard: bool = False

    def to_state(self) -> dict[str, Any]:
        """JSON form, without ``reason``: what people type stands where an erasure finds it, beside the others."""
        return {"code": self.code, "by": self.by, "at": clock.text(self.at), "safeguard": self.safeguard}

    @staticmethod
    def from_state(state: Mapping[str, Any], *, reason: str) -> Pause:
        """The inverse of :meth:`to_state`."""
        return Pause(**{**state, "at": clock.parse(state["at"]), "reason": reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A share that was reached: when (ledger time) and by which request."""

    percent: int
    at: datetime
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """An approved plan that is being carried out.

    ``request`` is the change that was approved; ``operation`` its plan. ``owner`` is who it acts for: a step is taken
    only while they may apply it. ``reached`` is the place of the step in force, held since ``since`` (ledger time).
    ``initial`` is the share before. ``base`` and ``left`` are the versions, and the digest of the content, of all that
    the flag is and depends on, as the last step left them. ``asked`` is what the policy asked of the plan when it was
    applied.
    """

    id: str
    project: str
    environment: str
    request: str
    operation: RampPlan
    owner: str
    status: Status = "running"
    reached: int = 0
    since: datetime
    initial: int = 0
    base: Mapping[str, int] = field(default_factory=dict)
    left: str = ""
    asked: Demand = NOTHING
    pause: Pause | None = None
    taken: tuple[Taken, ...] = ()
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def flag(self) -> str:
        """Key of its flag."""
        return self.operation.flag

    @property
    def steps(self) -> tuple[RampStep, ...]:
        """Its plan."""
        return self.operation.steps

    @property
    def percent(self) -> int:
        """The share in force, as far as the ramp knows."""
        return self.initial if self.status == "rolled_back" else self.steps[self.reached].percent

    @property
    def underway(self) -> bool:
        """Whether it can still go on."""
        return self.status in UNDERWAY

    @property
    def last(self) -> bool:
        """Whether the step in force is the last one."""
        return self.reached + 1 >= len(self.steps)

    @property
    def next_at(self) -> datetime | None:
        """When the next step is due; None when none is, or it is paused."""
        if self.status != "running" or self.last:
            return None
        return self.since + timedelta(minutes=self.steps[self.reached].hold)

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members, the flag's key to find it by, and ``why`` it is paused."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "flag": self.flag,
            "operation": self.operation.to_json(),
            "since": clock.text(self.since),
            "base": dict(self.base),
            "asked": self.asked.to_state(),
            "pause": None if self.pause is None else self.pause.to_state(),
            "why": "" if self.pause is None else self.pause.reason,
            "taken": [{"percent": t.percent, "at": clock.text(t.at), "request": t.request} for t in self.taken],
            "started_at": clock.text(self.started_at),
            "ended_at": None if self.ended_at is None else clock.text(self.ended_at),
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> Ramp:
        """The inverse of :meth:`to_state`."""
        operation, pause, ended = from_json(state["operation"]), state["pause"], state["ended_at"]
        assert isinstance(operation, RampPlan)
        return Ramp(
            id=id,
            **{name: state[name] for name in _PLAIN},
            operation=operation,
            since=clock.parse(state["since"]),
            base=dict(state["base"]),
            asked=Demand.from_state(state.get("asked", {})),
            pause=None if pause is None else Pause.from_state(pause, reason=state["why"]),
            taken=tuple(Taken(**{**t, "at": clock.parse(t["at"])}) for t in state["taken"]),
            started_at=clock.parse(state["started_at"]),
            ended_at=None if ended is None else clock.parse(ended),
        )


_PLAIN = ("project", "environment", "request", "owner", "status", "reached", "initial", "left")


def stepped(ramp: Ramp, *, request: str, at: datetime, base: Mapping[str, int], left: str) -> Ramp:
    """The next step was taken by ``request`` at ``at`` (ledger time); after the last one it is finished.

    :raises Conflict: when it does not run.
    """
    if ramp.status != "running" or ramp.last:
        raise Conflict("This ramp takes no step now.", code="wrong-state")
    reached = ramp.reached + 1
    over = reached + 1 == len(ramp.steps)
    return replace(
        ramp,
        reached=reached,
        since=at,
        base=dict(base),
        left=left,
        taken=(*ramp.taken, Taken(percent=ramp.steps[reached].percent, at=at, request=request)),
        status="finished" if over else "running",
        ended_at=at if over else None,
    )


def paused(ramp: Ramp, pause: Pause) -> Ramp:
    """It goes on no more until somebody lets it. A safeguard's pause outweighs one that a person asked for.

    :raises Conflict: when it does not run, or nothing would change.
    """
    stronger = ramp.status == "paused" and pause.safeguard and ramp.pause is not None and not ramp.pause.safeguard
    if ramp.status != "running" and not stronger:
        raise Conflict(f"This ramp is {ramp.status.replace('_', ' ')}.", code="wrong-state")
    return replace(ramp, status="paused", pause=pause)


def resumed(ramp: Ramp, *, by: str, at: datetime, base: Mapping[str, int], left: str) -> Ramp:
    """It goes on, owned by ``by``; the step in force is held anew for all of its time, from ``at`` (ledger time).

    :raises Conflict: when it is not paused; code ``conflicted`` when what it rolls out is not what its last step left.
    """
    if ramp.status != "paused":
        raise Conflict(f"This ramp is {ramp.status.replace('_', ' ')}, not paused.", code="wrong-state")
    if left != ramp.left:
        raise Conflict(
            "What this ramp rolls out was changed since its last step; its approval was for something else.",
            remedy="Stop it or roll it back, and request a new ramp.",
            code="conflicted",
        )
    return replace(ramp, status="running", pause=None, owner=by, since=at, base=dict(base))


def rolled_back(ramp: Ramp, *, request: str, at: datetime) -> Ramp:
    """Its share is what it was before; it is over.

    :raises Conflict: when it is over already.
    """
    require_underway(ramp)
    taken = (*ramp.taken, Taken(percent=ramp.initial, at=at, request=request))
    return replace(ramp, status="rolled_back", taken=taken, ended_at=at)


def stopped(ramp: Ramp, *, at: datetime) -> Ramp:
    """It is over, and the share stays where it is.

    :raises Conflict: when it is over already.
    """
    require_underway(ramp)
    return replace(ramp, status="stopped", ended_at=at)


def require_underway(ramp: Ramp) -> None:
    """That it is running or paused.

    :raises Conflict: naming what it is.
    """
    if not ramp.underway:
        raise Conflict(f"This ramp is {ramp.status.replace('_', ' ')}; it is over.", code="wrong-state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a guard says now: ``good``, ``bad`` (``on_breach`` follows) or ``unknown`` (no step then)."""

    state: Literal["good", "bad", "unknown"]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is to be done with a running ramp now; ``wait`` may say for what."""

    kind: Literal["wait", "step", "pause", "roll_back"]
    code: str = ""
    reason: str = ""
    safeguard: bool = False


def due(ramp: Ramp, *, at: datetime, moved: Sequence[str], judgements: Mapping[str, Judgement]) -> Act:
    """What the plan says is to be done at ``at``.

    ``moved`` are names of objects that somebody else changed since the last step; ``judgements`` those of its guards:
    one that nobody judges is bad, as nobody watches then.
    """
    if ramp.status != "running":
        return Act(kind="wait")
    if moved:
        return Act(kind="pause", code="conflicted", reason="Somebody else changed what this ramp rolls out.")
    absent = Judgement(state="bad", reason="nobody judges it any more")
    said = {name: judgements.get(name, absent) for name in ramp.operation.guards}
    bad = [f"{name}: {one.reason}" if one.reason else name for name, one in said.items() if one.state == "bad"]
    if bad:
        then: Literal["pause", "roll_back"] = ramp.operation.on_breach
        return Act(kind=then, code="guard", reason=f"A guard is bad ({'; '.join(bad)}).", safeguard=True)
    if ramp.next_at is None or at < ramp.next_at:
        return Act(kind="wait")
    unknown = sorted(name for name, one in said.items() if one.state == "unknown")
    if unknown:
        return Act(kind="wait", code="guard", reason=f"Waiting for what {', '.join(unknown)} says.")
    return Act(kind="step")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A named plan that ramps are drafted from. Changing it changes no ramp and no request."""

    id: str
    project: str
    name: str
    description: str = ""
    steps: tuple[RampStep, ...]
    guards: tuple[str, ...] = ()
    on_breach: OnBreach = "pause"
    archived: bool = False

    @property
    def words(self) -> str:
        """Its steps in words."""
        return steps_words(self.steps)

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            **{name: getattr(self, name) for name in ("project", "name", "description", "on_breach", "archived")},
            "steps": [step.to_state() for step in self.steps],
            "guards": list(self.guards),
        }

    @staticmethod
    def from_state(id: str, state: Mapping[str, Any]) -> Template:
        """The inverse of :meth:`to_state`."""
        steps = tuple(RampStep(**step) for step in state["steps"])
        return Template(id=id, **{**state, "steps": steps, "guards": tuple(state["guards"])})
