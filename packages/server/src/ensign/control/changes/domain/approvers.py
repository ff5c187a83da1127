"""Whom a policy lets approve, and what is missing of whom it asks for. Pure, and closed by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ensign.control.changes.domain.requests import PolicyInForce
from ensign.control.projects import policy_words as words
from ensign.control.projects.demands import Who

WhoIs = Callable[[str], Who]


def unknown(_person: str) -> Who:
    """Of nobody is anything known: whoever is asked for by role, group or ownership is not there."""
    return Who()


def admitted(who: WhoIs, person: str, policy: PolicyInForce) -> bool:
    """Whether every narrowing of who may approve lets somebody through; who they are is asked where there is one."""
    narrowings = [one for one in policy.demand.approvers if not one.anybody]
    if not narrowings:
        return True
    known = who(person)
    return all(one.admits(known) for one in narrowings)


def lacking(policy: PolicyInForce, counted: int, absent: Sequence[str]) -> tuple[str, ...]:
    """What is missing, in sentences."""
    said = []
    missing = policy.required - counted
    if missing > 0:
        whose = " and ".join(words.approvers(one, policy.names) for one in policy.demand.approvers)
        number = "One approval" if missing == 1 else f"{missing} approvals"
        said.append(f"{number}{f' of {whose}' if whose else ''} {'is' if missing == 1 else 'are'} missing.")
    said += [f"One approval from {policy.names.get(group, group)} is missing." for group in absent]
    return tuple(said)
