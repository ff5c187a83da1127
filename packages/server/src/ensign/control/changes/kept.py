"""That nobody dodges a policy by retagging: an edit of a flag that would lower what is asked is a change itself."""

from __future__ import annotations

from ensign.control.flags.domain import FlagInfo
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policies import policies


def refusal(before: FlagInfo, after: FlagInfo) -> str:
    """Why a flag cannot be classified like this by a direct edit, or empty. Two queries.

    It is held back when a rule of any environment is about the flag as it is and not as it would be, or when its owner
    is one of those who may approve its changes. What only adds demands is let through.
    """
    for key, view in sorted(policies(before.project).items()):
        gone = released(view.rules, before, after)
        if gone:
            return f"The policy of {key} would ask for less of changes to {before.key}: {gone}."
    return ""


def released(rules: PolicyRules, before: FlagInfo, after: FlagInfo) -> str:
    """What of a policy would no longer be asked of the flag, in a phrase; empty when nothing. Pure."""
    held = [rule for rule in rules.rules if rule.when.about([before.facts])]
    for rule in held:
        if not rule.when.about([after.facts]):
            return f"the rule “{rule.name}” would no longer be about it"
    asked: list[Demand] = [rules.always, *(rule.demand for rule in held)]
    if before.owner != after.owner and any(one.owner for demand in asked for one in demand.approvers):
        return "its owner is among those who may approve them"
    return ""
