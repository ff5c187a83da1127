"""Whether one policy asks for less than another. Pure, and careful: what cannot be shown to ask as much asks less."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ensign.control.projects import policy_words as words
from ensign.control.projects.demands import Approvers, Demand, Freeze, Hours, When, joined
from ensign.control.projects.domain import PolicyRules


def meets(strong: Demand, weak: Demand) -> bool:
    """Whether whatever has what ``strong`` asks for also has what ``weak`` asks for."""
    return not _short(strong, weak)


def _short(new: Demand, old: Demand) -> list[str]:
    """In which respects ``new`` asks for less than ``old``, by label."""
    lower = {one.environment: one.hours for one in new.progression}
    checks = {
        "fewer approvals": new.required >= old.required,
        "other people may approve": all(b.anybody or any(_within(a, b) for a in new.approvers) for b in old.approvers),
        "a group need not approve": set(new.each_group) >= set(old.each_group),
        "no reason": new.requires_reason >= old.requires_reason,
        "no ticket": new.requires_ticket >= old.requires_ticket,
        "no test evidence": new.requires_tests >= old.requires_tests,
        "no passkey signature": new.signed >= old.signed,
        "approvals count for longer": new.approval_hours <= old.approval_hours,
        "larger rollout steps": old.max_step is None or (new.max_step is not None and new.max_step <= old.max_step),
        "less progression": all(lower.get(one.environment, -1) >= one.hours for one in old.progression),
    }
    return [label for label, kept in checks.items() if not kept]


def _within(narrow: Approvers, wide: Approvers) -> bool:
    """Whether everybody whom ``narrow`` lets through ``wide`` lets through, too."""
    return (
        not narrow.anybody
        and set(narrow.roles) <= set(wide.roles)
        and set(narrow.groups) <= set(wide.groups)
        and narrow.owner <= wide.owner
    )


def implies(narrow: When, wide: When) -> bool:
    """Whether every change of which ``narrow`` holds is one of which ``wide`` holds."""
    return (
        all(
            not of_wide or (of_narrow and set(of_narrow) <= set(of_wide))
            for of_narrow, of_wide in (
                (narrow.operations, wide.operations),
                (narrow.flag_types, wide.flag_types),
                (narrow.tags, wide.tags),
                (narrow.tiers, wide.tiers),
            )
        )
        and _higher(narrow.rollout_above, wide.rollout_above)
        and _higher(narrow.step_above, wide.step_above)
        and (wide.hours is None or (narrow.hours is not None and inside(narrow.hours, wide.hours)))
    )


def _higher(narrow: int | None, wide: int | None) -> bool:
    return wide is None or (narrow is not None and narrow >= wide)


def inside(narrow: Hours, wide: Hours) -> bool:
    """Whether ``narrow`` lies within ``wide``, as far as can be told without a calendar: in the same zone."""
    if narrow.zone != wide.zone or not set(narrow.days) <= set(wide.days):
        return False
    passing = (narrow.end < narrow.start, wide.end < wide.start)
    if passing == (True, False):
        return False
    if passing == (False, True):
        return narrow.start >= wide.start
    return narrow.start >= wide.start and narrow.end <= wide.end


def _frozen(window: Freeze, windows: Iterable[Freeze]) -> bool:
    """Whether one of ``windows`` covers all that ``window`` does."""
    for other in windows:
        if window.weekly is not None:
            if other.weekly is not None and inside(window.weekly, other.weekly):
                return True
        elif other.weekly is None and _times(other)[0] <= _times(window)[0] and _times(window)[1] <= _times(other)[1]:
            return True
    return False


def _times(window: Freeze) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)


def weakenings(old: PolicyRules, new: PolicyRules, *, at: datetime) -> tuple[str, ...]:
    """In which respects ``new`` may ask for less than ``old``, in phrases; empty when of no change.

    For each old rule, the new demand is taken that is sure to hold whenever it does: what always holds, and every new
    rule about at least the same changes. Freezes that are over at ``at`` are left out of account.
    """
    found = _short(new.always, old.always)
    for rule in old.rules:
        wider = [other.demand for other in new.rules if implies(rule.when, other.when)]
        lacking = _short(joined([new.always, *wider]), rule.demand)
        if lacking:
            found.append(f"rule “{rule.name}”: {words.either(lacking, 'and')}")
    for window in old.freezes:
        over = window.weekly is None and _times(window)[1] <= at
        if not over and not _frozen(window, new.freezes):
            found.append(f"freeze “{window.name}” is shorter or gone")
    if new.apply_on_last_approval and not old.apply_on_last_approval:
        found.append("it applies with the last approval, without a hand of its author")
    if new.request_days > old.request_days:
        found.append("requests stay open for longer")
    if new.delay_hours < old.delay_hours:
        found.append("changes of the policy take effect sooner")
    if not new.always.required and new.compensating_control != old.compensating_control:
        found.append("another compensating control")
    return tuple(found)


def weaker(old: PolicyRules, new: PolicyRules, *, at: datetime) -> bool:
    """Whether ``new`` may ask for less than ``old``."""
    return bool(weakenings(old, new, at=at))
