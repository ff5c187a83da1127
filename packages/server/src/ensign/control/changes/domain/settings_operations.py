"""Operations on segments, on an environment's policy and on its protection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ensign.control.changes.domain import words
from ensign.control.changes.domain.base import Operation, operation_type
from ensign.control.changes.domain.content import read_constraint
from ensign.control.changes.domain.policy_reading import read_rules
from ensign.control.changes.domain.reading import Reader
from ensign.control.changes.domain.world import OperationError, Ref, World
from ensign.control.flags.domain import Constraint
from ensign.control.projects import policy_words
from ensign.control.projects.domain import PolicyRules


@operation_type("segment.set")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSet(Operation):
    """Replace the constraints of a segment in the environment: alters every flag that uses it."""

    segment: str
    constraints: tuple[Constraint, ...]

    def body(self) -> dict[str, Any]:
        return {"segment": self.segment, "constraints": [c.to_state() for c in self.constraints]}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(segment=reader.text("segment"), constraints=reader.items("constraints", read_constraint))

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("segment", environment, self.segment),)

    def apply(self, world: World) -> World:
        world.constraints(self.segment)
        return replace(world, segments={**world.segments, self.segment: self.constraints})

    def invert(self, before: World) -> tuple[Operation, ...]:
        return (SegmentSet(segment=self.segment, constraints=before.constraints(self.segment)),)

    def describe(self, before: World) -> str:
        old, new = words.rules(before.constraints(self.segment)), words.rules(self.constraints)
        return f"The segment {self.segment} in {before.environment} goes from {old} to {new}."


@operation_type("segment.map")
@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMap(Operation):
    """Declare a segment environment-mapped, or end that: whether its constraints are part of what must have run in a
    lower environment first. It is said of the segment in every environment, and answers to all of their policies.
    """

    reach = "project"

    segment: str
    mapped: bool

    def body(self) -> dict[str, Any]:
        return {"segment": self.segment, "mapped": self.mapped}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(segment=reader.text("segment"), mapped=reader.boolean("mapped"))

    def touches(self, environment: str) -> tuple[Ref, ...]:  # noqa: ARG002 — the same in every environment
        return (Ref("segment", "", self.segment),)

    def apply(self, world: World) -> World:
        world.constraints(self.segment)
        if (self.segment in world.mapped) is self.mapped:
            state = "environment-mapped already" if self.mapped else "not environment-mapped"
            raise OperationError(f"The segment {self.segment} is {state}.")
        return replace(world, mapped=world.mapped ^ {self.segment})

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (SegmentMap(segment=self.segment, mapped=not self.mapped),)

    def describe(self, before: World) -> str:
        if self.mapped:
            act, what = "is declared environment-mapped", "no longer need to have run in a lower environment first"
        else:
            act, what = (
                "is no longer environment-mapped",
                "must have run in a lower environment first, where that is asked",
            )
        return f"The segment {self.segment} of {before.project} {act}: its constraints {what}."


@operation_type("policy.set")
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet(Operation):
    """Replace what a change of the environment must meet. Answers to the policy that it replaces.

    ``enforced_since`` is no part of it: the door stamps the time at which it applies.
    """

    rules: PolicyRules

    def body(self) -> dict[str, Any]:
        state = self.rules.to_state()
        del state["enforced_since"]
        return state

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(rules=read_rules(reader))

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("policy", environment, ""),)

    def apply(self, world: World) -> World:
        self._old(world)
        return replace(world, policy=self.rules)

    def invert(self, before: World) -> tuple[Operation, ...]:
        return (PolicySet(rules=self._old(before)),)

    def describe(self, before: World) -> str:
        return f"The policy of {before.environment} changes: {policy_words.change(self._old(before), self.rules)}."

    def _old(self, world: World) -> PolicyRules:
        if world.policy is None:
            raise OperationError(f"{world.environment} has no policy.")
        return world.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnEnvironment(Operation):
    def body(self) -> dict[str, Any]:
        return {}

    @classmethod
    def read(cls, reader: Reader) -> Operation:  # noqa: ARG003 — it has no members
        return cls()

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("environment", environment, ""),)


@operation_type("environment.protect")
@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentProtect(_OnEnvironment):
    """Mark the environment as one whose changes reach real users.

    Where its policy asks for nothing and states no compensating control, it asks for one approval from then on.
    """

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("environment", environment, ""), Ref("policy", environment, ""))

    def apply(self, world: World) -> World:
        if world.protected:
            raise OperationError(f"{world.environment} is already protected.")
        rules = world.policy
        if rules is not None and rules.approvals == 0 and not rules.compensating_control:
            rules = replace(rules, approvals=1, preset="")
        return replace(world, protected=True, policy=rules)

    def invert(self, before: World) -> tuple[Operation, ...]:
        if self.apply(before).policy == before.policy or before.policy is None:
            return (EnvironmentUnprotect(),)
        return (EnvironmentUnprotect(), PolicySet(rules=before.policy))

    def describe(self, before: World) -> str:
        return f"{before.environment} becomes a protected environment."


@operation_type("environment.unprotect")
@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentUnprotect(_OnEnvironment):
    """Take the protection away; answers to the policy in force and to that of the project's other environments."""

    reach = "project"

    def apply(self, world: World) -> World:
        if not world.protected:
            raise OperationError(f"{world.environment} is not protected.")
        return replace(world, protected=False)

    def invert(self, before: World) -> tuple[Operation, ...]:
        after = EnvironmentProtect().apply(self.apply(before))
        if after.policy == before.policy or before.policy is None:
            return (EnvironmentProtect(),)
        return (EnvironmentProtect(), PolicySet(rules=before.policy))

    def describe(self, before: World) -> str:
        return f"{before.environment} is no longer a protected environment."
