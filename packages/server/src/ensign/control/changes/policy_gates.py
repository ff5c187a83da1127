"""The gates of the policy itself: reason, ticket, largest step, freeze windows, and the delay of policy changes. Pure.

A standard change (switching off) and an emergency pass where the policy says so: neither waits for a ticket, a freeze
or a step. Nothing passes the delay of a policy change but what only adds demands.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ensign.control.changes import gates
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.facts import step_of
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.domain.world import World
from ensign.control.changes.gates import Asked, Blocker
from ensign.control.projects.comparing import weakenings
from ensign.control.projects.demands import GOVERNING, frozen_by, frozen_until
from ensign.control.projects.policy_words import count, span

#: The ways to apply something for which the usual course is too slow.
_HURRIED = frozenset({"standard", "break-glass"})


def register() -> None:
    """Ask these gates about every change. Once, while Django starts."""
    for name, gate in {
        "reason": reason, "ticket": ticket, "step": step, "freeze": freeze, "policy-delay": delay,
    }.items():  # fmt: skip
        gates.register(name, gate)


def reason(asked: Asked) -> Sequence[Blocker]:
    """A reason, where the policy that is in force now asks for one; of a standard change it is asked afterwards."""
    if asked.mode == "standard" or not asked.policy.requires_reason or asked.request.reason.strip():
        return ()
    return (
        Blocker(
            code="no-reason",
            message="A reason is missing.",
            remedy="Say why: the policy asks for it; where it was submitted already, edit it.",
            rule="CM-03",
            blocks="submit",
        ),
    )


def ticket(asked: Asked) -> Sequence[Blocker]:
    """A ticket that says what it is for."""
    if asked.mode in _HURRIED or not asked.policy.demand.requires_ticket or asked.request.tickets:
        return ()
    return (
        Blocker(
            code="no-ticket",
            message="The policy asks for a ticket.",
            remedy="Name the ticket that it is for; where it was submitted already, edit it.",
            rule="CM-03",
            blocks="submit",
        ),
    )


def step(asked: Asked) -> Sequence[Blocker]:
    """No rollout grows by more than the policy's largest step. Whom a segment's constraints reach cannot be said."""
    limit = asked.policy.demand.max_step
    if asked.mode in _HURRIED or limit is None:
        return ()
    grown = step_of(asked.before, asked.after, asked.request.operations)
    if grown <= limit:
        return ()
    return (
        Blocker(
            code="step-too-large",
            message=f"A rollout would grow by {count(grown, 'percentage point')}; the policy allows {limit} at once.",
            remedy="Go there in several steps of a gradual rollout; a strategy without a percentage counts as 100.",
            rule="CM-07",
            blocks="submit",
        ),
    )


def freeze(asked: Asked) -> Sequence[Blocker]:
    """Nothing applies in a freeze of any environment that it reaches, but standard changes and emergencies."""
    if asked.mode in _HURRIED:
        return ()
    window = frozen_by(asked.policy.freezes, asked.at)
    if window is None:
        return ()
    until = frozen_until(asked.policy.freezes, asked.at)
    return (
        Blocker(
            code="frozen",
            message=f"It is frozen now (“{window.name}”), until {until:%Y-%m-%d %H:%M} UTC.",
            remedy="Apply it afterwards; switching off and emergencies go through.",
            rule="CM-08",
        ),
    )


def delay(asked: Asked) -> Sequence[Blocker]:
    """A change of what changes must meet waits after its last approval, unless it only adds demands."""
    due = takes_effect(asked.request, asked.policy, asked.before, asked.after, at=asked.at)
    if asked.phase == "apply" and (due is None or due <= asked.at):
        return ()
    if asked.phase != "apply" and not waits(asked.request, asked.policy, asked.before, asked.after, at=asked.at):
        return ()
    wait = span(asked.policy.delay_hours)
    when = "" if due is None else f", at {due:%Y-%m-%d %H:%M} UTC"
    return (
        Blocker(
            code="policy-delay",
            message=f"Another policy takes effect {wait} after its last approval{when}.",
            remedy="Apply it then. What only adds demands takes effect at once.",
            rule="CM-06",
        ),
    )


def waits(request: ChangeRequest, policy: PolicyInForce, before: World, after: World, *, at: datetime) -> bool:
    """Whether a change waits for the delay of policy changes: it alters one and does not only add demands."""
    if not policy.delay_hours or all(operation.type not in GOVERNING for operation in request.operations):
        return False
    return weakened(before, after, at=at)


def lessened(before: World, after: World, *, at: datetime) -> tuple[str, ...]:
    """In which respects less may be asked afterwards, in phrases: by the policy, or because the protection is gone."""
    gone = ("the environment is no longer protected",) if before.protected and not after.protected else ()
    if before.policy is None or after.policy is None or before.policy == after.policy:
        return gone
    return (*gone, *weakenings(before.policy, after.policy, at=at))


def weakened(before: World, after: World, *, at: datetime) -> bool:
    """Whether less may be asked afterwards."""
    return bool(lessened(before, after, at=at))


def takes_effect(
    request: ChangeRequest, policy: PolicyInForce, before: World, after: World, *, at: datetime
) -> datetime | None:
    """From when on a change that waits may apply: so long after its last approval, or after it was submitted where none
    is asked for. None for what does not wait, or lacks approvals still.
    """
    if not waits(request, policy, before, after, at=at):
        return None
    given = [approval.at for approval in request.approvals]
    begins = max(given) if given else (request.submitted_at or at) if not policy.required else None
    return None if begins is None else begins + timedelta(hours=policy.delay_hours)


def touches_policy(request: ChangeRequest) -> bool:
    """Whether a request alters a policy or a protection."""
    return any(
        ref.kind in {"policy", "environment"} for ref in algebra.touched(request.environment, request.operations)
    )
