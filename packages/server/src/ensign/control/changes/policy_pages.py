"""What a policy says to the readers of a request: that it is frozen, from when a policy change takes effect."""

from __future__ import annotations

from datetime import datetime

from ensign.control.changes import gates, policy_gates
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import OperationError
from ensign.control.changes.gates import Asked
from ensign.control.changes.queries import Standing
from ensign.control.projects.demands import frozen_by, frozen_until
from ensign.control.projects.policy_words import span
from ensign.control.ui import looks


def policy_checks(request: ChangeRequest, standing: Standing, *, at: datetime) -> list[looks.Check]:
    """What an open request has and lacks of what the policy asks for besides approvals."""
    policy = standing.policy
    found = []
    if policy.demand.requires_ticket:
        named = ", ".join(request.tickets)
        found.append(looks.Check(label="Ticket", met=bool(named), detail=named or "The policy asks for one."))
    if policy.requires_reason and not request.reason.strip():
        found.append(looks.Check(label="Reason", met=False, detail="The policy asks for one."))
    window = frozen_by(policy.freezes, at)
    if window is not None:
        until = frozen_until(policy.freezes, at)
        found.append(
            looks.Check(
                label=f"Frozen: {window.name}",
                met=False,
                detail=f"Until {until:%Y-%m-%d %H:%M} UTC. Switching off and emergencies go through.",
            )
        )
    return [*found, *_of_gates(request, standing, at=at), *_of_policy(request, standing, at=at)]


#: What other gates say of a change, by their codes; what stands above in words of its own is left out.
_TITLES = {
    "not-progressed": "Has not run below for long enough",
    "untested": "No test run has passed",
    "step-too-large": "Too large a step",
}
_SAID = frozenset({"no-ticket", "no-reason", "frozen", "policy-delay"})


def _of_gates(request: ChangeRequest, standing: Standing, *, at: datetime) -> list[looks.Check]:
    """What the further gates would say if it applied now."""
    if not request.operations or standing.moved:
        return []
    try:
        after = algebra.apply_all(standing.before, request.operations)
    except OperationError:
        return []
    asked = Asked(
        request=request,
        policy=standing.policy,
        before=standing.before,
        after=after,
        mode="request",
        at=at,
        phase="preview",
    )
    return [
        looks.Check(label=_TITLES.get(one.code, "Something stands in its way"), met=False, detail=one.message)
        for one in gates.blockers(asked)
        if one.code not in _SAID
    ]


def _of_policy(request: ChangeRequest, standing: Standing, *, at: datetime) -> list[looks.Check]:
    """Of a request that changes what changes must meet: whether less is asked, and from when on."""
    if not policy_gates.touches_policy(request):
        return []
    try:
        after = algebra.apply_all(standing.before, request.operations)
    except OperationError:
        return []
    before, policy = standing.before, standing.policy
    found = []
    less = policy_gates.lessened(before, after, at=at)
    if less:
        found.append(looks.Check(label="Asks for less than now", met=None, detail=f"{'; '.join(less)}."))
    if policy_gates.waits(request, policy, before, after, at=at):
        due = policy_gates.takes_effect(request, policy, before, after, at=at)
        when = (
            f"At {due:%Y-%m-%d %H:%M} UTC."
            if due is not None
            else f"{span(policy.delay_hours)} after its last approval."
        )
        found.append(looks.Check(label="Takes effect later", met=(due is not None and due <= at) or None, detail=when))
    return found
