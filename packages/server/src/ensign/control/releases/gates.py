"""What stands between a plan and its application: asked before it is submitted, and again when it applies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ensign.control.changes.domain.ramp_operations import RampPlan
from ensign.control.changes.gates import Asked, Blocker
from ensign.control.flags.words import share
from ensign.control.releases import guards
from ensign.control.releases.domain import UNDERWAY
from ensign.control.releases.models import Ramp


def plans(asked: Asked) -> Sequence[Blocker]:
    """What is wrong with the ramps that a request plans; nothing when it plans none."""
    found = [operation for operation in asked.request.operations if isinstance(operation, RampPlan)]
    return [blocker for operation in found for blocker in _blockers(asked, operation, found)]


def _blockers(asked: Asked, plan: RampPlan, all_plans: Sequence[RampPlan]) -> Iterator[Blocker]:
    flag, environment = plan.flag, asked.request.environment

    def no(code: str, message: str, remedy: str, rule: str = "") -> Blocker:
        return Blocker(code=code, message=message, remedy=remedy, rule=rule, blocks="submit")

    if Counter(one.flag for one in all_plans)[flag] > 1:
        yield no("two-ramps", f"This plans two ramps of {flag}.", "Plan one ramp of a flag at a time.")
    if asked.mode == "break-glass":
        yield no("ramp-emergency", "A ramp goes on after the emergency is over.", "Change the share itself instead.")
    underway = Ramp.objects.filter(
        project=asked.request.project, environment=environment, flag=flag, status__in=sorted(UNDERWAY)
    )
    if underway.exists():
        yield Blocker(
            code="ramp-underway",
            message=f"A ramp of {flag} in {environment} is underway already.",
            remedy="Stop it or roll it back first.",
            blocks="apply",
        )
    config = asked.after.configs.get(flag)
    strategy = next((s for s in config.strategies if s.id == plan.strategy), None) if config else None
    if config is not None and not config.enabled:
        yield no("ramp-off", f"{flag} would be off in {environment}: nobody would see its ramp.", "Switch it on, too.")
    if strategy is None or strategy.disabled or share(strategy) != plan.steps[0].percent:
        yield no(
            "ramp-undone",
            f"The strategy that the ramp of {flag} raises would not be at its first step.",
            "Let the ramp be the last thing that this request does to the flag.",
        )
    most = asked.policy.demand.max_step
    if most is not None and plan.largest_step > most:
        yield no(
            "step-too-large",
            f"A step of the ramp of {flag} raises its share by {plan.largest_step} points; the policy allows {most}.",
            "Plan more and smaller steps.",
        )
    question = guards.Question(
        names=plan.guards,
        project=asked.request.project,
        environment=environment,
        flag=flag,
        at=asked.at,
        since=asked.at,
    )
    strange = guards.unknown(plan.guards, guards.judge(question))
    if strange:
        yield no("unknown-guard", f"Nobody judges {', '.join(strange)}.", "Name guards that there are.")
