"""The operation that plans a ramp: a gradual strategy goes to its first share now and to the next ones by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

from ensign.control.changes.domain.base import Operation, operation_type
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.reading import Reader, refuse
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.flags.domain import Strategy
from ensign.control.flags.words import SHARES, share

OnBreach = Literal["pause", "roll_back"]

MOST_STEPS = 20
#: Minutes for which one step is held at most: 30 days.
MOST_HOLD = 30 * 24 * 60
MOST_GUARDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RampStep:
    """A share in per cent, and for how many minutes at least it is held before the next; 0 for the last."""

    percent: int
    hold: int = 0

    def to_state(self) -> dict[str, int]:
        """JSON form."""
        return {"percent": self.percent, "hold": self.hold}


def read_step(value: Any, path: str) -> RampStep:
    """A step from JSON."""
    reader = Reader(value, path)
    made = RampStep(
        percent=reader.integer("percent", least=1, most=100), hold=reader.integer("hold", 0, most=MOST_HOLD)
    )
    reader.end()
    return made


def check_steps(steps: Sequence[RampStep], *, path: str = "steps") -> tuple[RampStep, ...]:
    """Steps as they may stand: each larger than the one before, all but the last held for a while.

    :raises Invalid: naming the step that is wrong.
    """
    if not 2 <= len(steps) <= MOST_STEPS:
        raise refuse(path, f"must be 2 to {MOST_STEPS} steps", remedy="To change a share once, change the strategy.")
    for index, (one, following) in enumerate(pairwise(steps)):
        if following.percent <= one.percent:
            raise refuse(
                f"{path}[{index + 1}].percent", f"must be more than {one.percent}", remedy="A ramp only rises."
            )
        if one.hold < 1:
            raise refuse(f"{path}[{index}].hold", "must be at least a minute: all but the last step are held")
    return (*steps[:-1], replace(steps[-1], hold=0))


def with_share(strategy: Strategy, percent: int) -> Strategy:
    """The gradual strategy with another share, and nothing else of it different.

    :raises OperationError: when its type has no share.
    """
    if strategy.name not in SHARES:
        raise OperationError(
            f"The strategy {strategy.id} has no share that could grow.", remedy="Choose a gradual strategy."
        )
    return replace(strategy, parameters={**strategy.parameters, SHARES[strategy.name]: str(percent)})


def hold_words(minutes: int) -> str:
    """``90`` -> ``1 h 30 min``."""
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (left, "min")) if n]
    return " ".join(parts) or "0 min"


def steps_words(steps: Sequence[RampStep]) -> str:
    """``5 % (1 h) → 25 % (1 h) → 100 %``."""
    return " → ".join(f"{one.percent} %" + (f" ({hold_words(one.hold)})" if one.hold else "") for one in steps)


@operation_type("ramp.plan")
@dataclass(frozen=True, slots=True, kw_only=True)
class RampPlan(Operation):
    """Bring a gradual strategy of a flag to the first share of ``steps``, and to each further one after its hold.

    Approving it approves the whole plan. ``guards`` are names of judgements that must be good for every further step;
    ``on_breach`` says what becomes of the ramp when one is bad: it pauses, or goes back to the share before.
    """

    flag: str
    strategy: str
    steps: tuple[RampStep, ...]
    guards: tuple[str, ...] = ()
    on_breach: OnBreach = "pause"

    def body(self) -> dict[str, Any]:
        return {
            "flag": self.flag,
            "strategy": self.strategy,
            "steps": [step.to_state() for step in self.steps],
            "guards": list(self.guards),
            "on_breach": self.on_breach,
        }

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        guards = reader.texts("guards", ())
        if len(set(guards)) != len(guards) or len(guards) > MOST_GUARDS or not all(guards):
            raise refuse(reader.at("guards"), f"must be at most {MOST_GUARDS} different names")
        wished = reader.text("on_breach", "pause")
        on_breach = next((known for known in get_args(OnBreach) if known == wished), None)
        if on_breach is None:
            raise refuse(reader.at("on_breach"), f"must be one of {', '.join(get_args(OnBreach))}")
        return cls(
            flag=reader.text("flag"),
            strategy=reader.text("strategy"),
            steps=check_steps(reader.items("steps", read_step), path=reader.at("steps")),
            guards=guards,
            on_breach=on_breach,
        )

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("config", environment, self.flag),)

    def apply(self, world: World) -> World:
        old = self.old(world)
        if (share(old) or 0) > self.steps[0].percent:
            raise OperationError(
                f"{self.flag} reaches {share(old)} % of users already, more than the first step of the ramp.",
                remedy=f"Begin with {share(old)} % or more.",
            )
        return StrategyUpdate(flag=self.flag, strategy=with_share(old, self.steps[0].percent)).apply(world)

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (StrategyUpdate(flag=self.flag, strategy=self.old(before)),)

    def describe(self, before: World) -> str:
        said = (
            f"The rollout of {self.flag} in {before.environment} ramps up from {share(self.old(before)) or 0} %: "
            f"{steps_words(self.steps)}"
        )
        if self.guards:
            then = "pauses" if self.on_breach == "pause" else "rolls back"
            guards = f"the guard {self.guards[0]}" if len(self.guards) == 1 else f"one of {', '.join(self.guards)}"
            said += f". It {then} when {guards} says so"
        return f"{said}."

    def old(self, world: World) -> Strategy:
        """The strategy as it is in ``world``.

        :raises OperationError: when it is not there, or has no share.
        """
        found = next((s for s in world.live(self.flag).strategies if s.id == self.strategy), None)
        if found is None:
            raise OperationError(
                f"{self.flag} has no strategy {self.strategy} here.", remedy="Choose one of its gradual strategies."
            )
        with_share(found, 0)
        return found

    @property
    def largest_step(self) -> int:
        """The most percentage points by which a further step raises the share."""
        return max((b.percent - a.percent for a, b in pairwise(self.steps)), default=0)
