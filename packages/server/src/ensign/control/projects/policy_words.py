"""What a policy asks for, in words for people who write no code. Pure.

Groups stand as their ids where no name is given; ``knowing.spelled`` puts the names in at the edge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from ensign.control.projects.demands import (
    APPROVAL_HOURS,
    Approvers,
    Demand,
    Freeze,
    Hours,
    Rule,
    When,
    frozen_by,
    frozen_until,
)
from ensign.control.projects.domain import REQUEST_DAYS, PolicyRules
from ensign.control.projects.presets import PRESETS

NO_NAMES: Mapping[str, str] = MappingProxyType({})
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NOTHING_ASKED = "nothing"
#: What a change does, by the type of its operation (``changes.domain``; a test holds that none is missing).
ACTS: Mapping[str, str] = MappingProxyType(
    {
        "dependency.remove": "removes a dependency",
        "dependency.set": "sets a dependency",
        "environment.protect": "protects an environment",
        "environment.unprotect": "takes an environment's protection away",
        "flag.archive": "archives a flag",
        "flag.classify": "changes a flag's type, tags, tier or owner",
        "flag.disable": "switches a flag off",
        "flag.enable": "switches a flag on",
        "flag.revive": "revives a flag",
        "flag.set_impressions": "changes whether impression data is collected",
        "policy.set": "changes a policy",
        "ramp.plan": "plans a ramp",
        "segment.map": "changes whether a segment is environment-mapped",
        "segment.set": "changes a segment's rule",
        "strategy.add": "adds a strategy",
        "strategy.remove": "removes a strategy",
        "strategy.reorder": "reorders strategies",
        "strategy.update": "changes a strategy",
        "variants.set": "changes variants",
    }
)


def either(values: Iterable[str], joint: str = "or") -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    found = list(values)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {joint} {found[-1]}" if found else ""


def count(number: int, noun: str) -> str:
    """``1 hour``, ``2 hours``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def span(hours: int) -> str:
    """Hours as days where they are whole ones: ``36 hours``, ``7 days``."""
    return count(hours // 24, "day") if hours and hours % 24 == 0 else count(hours, "hour")


def approvers(value: Approvers, names: Mapping[str, str] = NO_NAMES) -> str:
    """Whom a narrowing lets through: ``somebody in Payments or the flag's owner``."""
    said = [f"somebody with the role {role}" for role in value.roles]
    said += [f"somebody in {names.get(group, group)}" for group in value.groups]
    if value.owner:
        said.append("the flag's owner")
    return either(said)


def demand(value: Demand, names: Mapping[str, str] = NO_NAMES) -> dict[str, str]:
    """What a demand asks for, by label, in a fixed order; without what it does not ask for."""
    found: dict[str, str] = {}
    if value.required:
        found["approvals"] = (
            f"{count(value.required, 'approval')} by {'another person' if value.required == 1 else 'other people'}"
        )
    for place, one in enumerate(value.approvers):
        found[f"who may approve{'' if place == 0 else f' ({place + 1})'}"] = approvers(one, names)
    if value.each_group:
        found["at least one approval from each of"] = either((names.get(g, g) for g in value.each_group), "and")
    if value.requires_reason:
        found["reason"] = "must be given"
    if value.requires_ticket:
        found["ticket"] = "must be named"
    if value.requires_tests:
        found["tests"] = "a test run of exactly this must have passed"
    if value.signed:
        found["signature"] = "approvals are signed with a passkey"
    if value.approval_hours != APPROVAL_HOURS:
        found["an approval counts for"] = span(value.approval_hours)
    if value.max_step is not None:
        found["largest rollout step"] = f"{count(value.max_step, 'percentage point')}"
    for lower in value.progression:
        after = f" for {span(lower.hours)}" if lower.hours else ""
        found[f"must have run in {lower.environment}"] = f"the same configuration{after}"
    return found


def phrase(value: Demand, names: Mapping[str, str] = NO_NAMES) -> str:
    """A demand in one phrase."""
    said = [text if label == "approvals" else f"{label}: {text}" for label, text in demand(value, names).items()]
    return "; ".join(said) or NOTHING_ASKED


def clock_time(minute: int) -> str:
    """Minutes after midnight as ``18:30``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def hours(value: Hours) -> str:
    """``Monday to Friday from 18:00 to 08:00 (Europe/Stockholm)``."""
    days = list(value.days)
    together = len(days) > 2 and days == list(range(days[0], days[-1] + 1))
    said = f"{DAYS[days[0]]} to {DAYS[days[-1]]}" if together else either((DAYS[day] for day in days), "and")
    if (value.start, value.end) == (0, 1440):
        return f"{said}, all day ({value.zone})"
    return f"{said} from {clock_time(value.start)} to {clock_time(value.end)} ({value.zone})"


def when(value: When) -> str:
    """Which changes a rule is about: ``the flag's risk tier is high``."""
    said = []
    if value.operations:
        said.append(f"it {either(ACTS.get(one, f'contains {one}') for one in value.operations)}")
    if value.flag_types:
        said.append(f"the flag is of type {either(value.flag_types)}")
    if value.tags:
        said.append(f"the flag is tagged {either(value.tags)}")
    if value.tiers:
        said.append(f"the flag's risk tier is {either(value.tiers)}")
    if value.rollout_above is not None:
        said.append(f"more than {value.rollout_above} % of users would get it")
    if value.step_above is not None:
        said.append(f"a rollout grows by more than {count(value.step_above, 'percentage point')}")
    if value.hours is not None:
        said.append(f"it is {hours(value.hours)}")
    return either(said, "and") if said else "always"


def rule(value: Rule, names: Mapping[str, str] = NO_NAMES) -> str:
    """``when the flag's risk tier is high: 2 approvals by other people``."""
    condition = when(value.when)
    return f"{condition if condition == 'always' else f'when {condition}'}: {phrase(value.demand, names)}"


def _instant(text: str) -> str:
    at = datetime.fromisoformat(text)
    return f"{at:%Y-%m-%d %H:%M} UTC"


def freeze(value: Freeze) -> str:
    """``every week Saturday and Sunday, all day (UTC)`` or ``from 2026-12-20 00:00 UTC to 2027-01-02 00:00 UTC``."""
    if value.weekly is not None:
        return f"every week {hours(value.weekly)}"
    return f"from {_instant(value.start)} to {_instant(value.end)}"


def frozen(freezes: Collection[Freeze], *, at: datetime) -> str:
    """That it is frozen now and until when, in a sentence; empty when it is not."""
    window = frozen_by(freezes, at)
    if window is None:
        return ""
    until = frozen_until(freezes, at)
    return f"Frozen now (“{window.name}”), until {until:%Y-%m-%d %H:%M} UTC. Switching off and emergencies go through."


def members(rules: PolicyRules, names: Mapping[str, str] = NO_NAMES) -> dict[str, str]:
    """Everything that a policy says, by label; what it does not ask for is left out."""
    found = demand(rules.always, names)
    found.setdefault("approvals", "none")
    if rules.apply_on_last_approval:
        found["applies"] = "by itself with the last approval"
    if rules.compensating_control:
        found["compensating control"] = rules.compensating_control
    for one in rules.rules:
        found[f"rule “{one.name}”"] = rule(one, names)
    for window in rules.freezes:
        found[f"freeze “{window.name}”"] = freeze(window)
    if rules.request_days != REQUEST_DAYS:
        found["a request expires after"] = count(rules.request_days, "day")
    if rules.delay_hours:
        found["a change of this policy takes effect"] = f"{span(rules.delay_hours)} after its last approval"
    if rules.preset:
        found["preset"] = PRESETS[rules.preset].name if rules.preset in PRESETS else rules.preset
    return found


def rows(old: PolicyRules, new: PolicyRules) -> list[tuple[str, str | None, str | None]]:
    """What differs, as (label, before, after); None where a side does not ask for it. Empty exactly when equal."""
    before, after = members(old), members(new)
    labels = [*before, *(label for label in after if label not in before)]
    found = [(label, before.get(label), after.get(label)) for label in labels if before.get(label) != after.get(label)]
    if not found and old != new:
        found.append(("order of what is listed", phrase_of(old), phrase_of(new)))
    return found


def phrase_of(rules: PolicyRules) -> str:
    """A whole policy in one phrase."""
    people = {0: "no approval", 1: "the approval of one other person"}.get(
        rules.always.required, f"the approvals of {rules.always.required} other people"
    )
    said = [people]
    if rules.apply_on_last_approval:
        said.append("applies with the last approval")
    if rules.always.requires_reason:
        said.append("a reason is asked for")
    said += [
        f"{label}: {text}"
        for label, text in members(rules).items()
        if label not in {"approvals", "applies", "reason", "preset"}
    ]
    return "; ".join(said)


def change(old: PolicyRules, new: PolicyRules) -> str:
    """What a policy change does, in a phrase: ``reason: is added (must be given)``."""
    said = []
    for label, before, after in rows(old, new):
        if before is None:
            said.append(f"{label} is added ({after})")
        elif after is None:
            said.append(f"{label} is removed")
        else:
            said.append(f"{label}: “{before}” becomes “{after}”")
    return "; ".join(said) or "nothing"
