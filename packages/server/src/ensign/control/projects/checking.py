"""Whether a policy may stand, and its one canonical form. Pure; what must exist is asked by ``knowing``.

Every error names the member's path (``rules[2].demand.approvals``) and what to write instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from ensign.control.access.domain import TIERS
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid
from ensign.control.projects.demands import NOTHING, Approvers, Demand, Freeze, Hours, Rule, When, frozen_by
from ensign.control.projects.domain import MAX_APPROVALS, PolicyRules, check_name, check_text

T = TypeVar("T")

MAX_RULES = 20
MAX_FREEZES = 20
MAX_LIST = 20
MAX_REQUEST_DAYS = 365
MAX_DELAY_HOURS = 720
#: The longest freeze of a single time: longer ones are forgotten, and break-glass is the only way through.
MAX_FREEZE = timedelta(days=92)


def check_rules(rules: PolicyRules, *, protected: bool) -> PolicyRules:
    """The rules in canonical form (texts trimmed, nothing twice, times in UTC), when they may stand.

    :raises Invalid: naming what is out of range, contradicts itself or could never be met; or when a protected
        environment asks for no approval and states no compensating control.
    """
    if not 0 <= rules.approvals <= MAX_APPROVALS:
        raise _refused(
            "This number of approvals cannot be asked for.", "approvals", f"Choose a number from 0 to {MAX_APPROVALS}."
        )
    control = check_text(rules.compensating_control, field="compensating_control")
    if protected and rules.approvals == 0 and rules.further.required == 0 and len(control) < 10:
        raise Invalid(
            "A protected environment without approvals needs a compensating control.",
            remedy="Ask for at least one approval, or state what is done instead.",
            fields={
                "compensating_control": "Say in a sentence what is done instead of an approval,"
                " for example who looks at the log of changes, and how often."
            },
        )
    further = _demand(rules.further, "further", least=rules.approvals)
    checked = replace(
        rules,
        compensating_control=control,
        further=further,
        rules=_named(rules.rules, "rules", "rule", most=MAX_RULES),
        freezes=_named(rules.freezes, "freezes", "freeze window", most=MAX_FREEZES),
    )
    base = checked.always.required
    checked = replace(
        checked,
        rules=tuple(_rule(rule, f"rules[{place}]", least=base) for place, rule in enumerate(checked.rules)),
        freezes=tuple(_freeze(freeze, f"freezes[{place}]") for place, freeze in enumerate(checked.freezes)),
    )
    _times(checked)
    return checked


def _refused(message: str, field: str, said: str, *, remedy: str = "") -> Invalid:
    return Invalid(message, remedy=remedy, fields={field: said})


def _unique(values: Sequence[T], field: str) -> tuple[T, ...]:
    found = tuple(dict.fromkeys(values))
    if len(found) > MAX_LIST:
        raise _refused("A list is too long.", field, f"Name at most {MAX_LIST}.")
    return found


N = TypeVar("N", Rule, Freeze)


def _named(values: Sequence[N], field: str, noun: str, *, most: int) -> tuple[N, ...]:
    if len(values) > most:
        raise _refused(f"A policy has at most {most} {noun}s.", field, f"Remove some: {most} fit.")
    made: list[N] = []
    for place, value in enumerate(values):
        path = f"{field}[{place}].name"
        name = check_name(value.name, field=path, limit=100).replace("\n", " ")
        if any(other.name == name for other in made):
            raise _refused(f"Two {noun}s have the same name.", path, "Choose another name: the log tells them by it.")
        made.append(replace(value, name=name))
    return tuple(made)


def _demand(demand: Demand, path: str, *, least: int) -> Demand:
    """``least`` is how many approvals are asked for besides."""
    if not 0 <= demand.approvals <= MAX_APPROVALS:
        raise _refused(
            "This number of approvals cannot be asked for.",
            f"{path}.approvals",
            f"Choose a number from 0 to {MAX_APPROVALS}.",
        )
    if demand.max_step is not None and not 1 <= demand.max_step <= 100:
        raise _refused(
            "This step cannot be asked for.", f"{path}.max_step", "Choose 1 to 100 percentage points, or none."
        )
    if not 1 <= demand.approval_hours <= NOTHING.approval_hours:
        raise _refused(
            "This lifetime of approvals cannot be asked for.",
            f"{path}.approval_hours",
            f"Choose a number of hours from 1 to {NOTHING.approval_hours} (seven days).",
        )
    approvers = _unique([_approvers(one) for one in demand.approvers if not one.anybody], f"{path}.approvers")
    groups = _unique(demand.each_group, f"{path}.each_group")
    if max(least, demand.approvals) == 0 and (approvers or groups or demand.signed):
        raise _refused(
            "It says who must approve, or how, but asks for no approval.",
            f"{path}.approvals",
            "Ask for at least one approval, or name no approvers, groups and signatures.",
        )
    places = [one.environment for one in demand.progression]
    if len(set(places)) != len(places):
        raise _refused("An environment is named twice.", f"{path}.progression", "Name each environment once.")
    return replace(demand, approvers=approvers, each_group=groups, progression=_unique(demand.progression, path))


def _approvers(value: Approvers) -> Approvers:
    return replace(value, roles=tuple(dict.fromkeys(value.roles)), groups=tuple(dict.fromkeys(value.groups)))


def _rule(rule: Rule, path: str, *, least: int) -> Rule:
    demand = _demand(rule.demand, f"{path}.demand", least=least)
    if demand == NOTHING:
        raise _refused("A rule asks for nothing.", f"{path}.demand", "Say what these changes must have besides.")
    return replace(rule, when=_when(rule.when, f"{path}.when"), demand=demand)


def _when(when: When, path: str) -> When:
    unknown = sorted(set(when.tiers) - set(TIERS))
    if unknown:
        raise _refused("There is no such risk tier.", f"{path}.tiers", f"Choose among {', '.join(TIERS)}.")
    for name in ("rollout_above", "step_above"):
        limit = getattr(when, name)
        if limit is not None and not 0 <= limit <= 100:
            raise _refused("This limit cannot be compared with.", f"{path}.{name}", "Choose a number from 0 to 100.")
    return replace(
        when,
        operations=_unique(when.operations, f"{path}.operations"),
        flag_types=_unique(when.flag_types, f"{path}.flag_types"),
        tags=_unique(when.tags, f"{path}.tags"),
        tiers=tuple(tier for tier in TIERS if tier in when.tiers),
        hours=None if when.hours is None else _hours(when.hours, f"{path}.hours"),
    )


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(available_timezones())


def _hours(hours: Hours, path: str) -> Hours:
    if hours.zone not in zones():
        raise _refused("There is no such time zone.", f"{path}.zone", "Write a name such as Europe/Stockholm, or UTC.")
    if not hours.days or not all(0 <= day <= 6 for day in hours.days):
        raise _refused("A weekly time needs its days.", f"{path}.days", "Choose days from 0 (Monday) to 6 (Sunday).")
    if hours.start == hours.end or not (0 <= hours.start < 1440 and 0 <= hours.end <= 1440):
        raise _refused(
            "A weekly time begins and ends at different minutes of a day.", f"{path}.end", "Write another end."
        )
    return replace(hours, days=tuple(sorted(set(hours.days))))


def _freeze(freeze: Freeze, path: str) -> Freeze:
    if freeze.weekly is not None:
        if freeze.start or freeze.end:
            raise _refused("A freeze is either weekly or once.", f"{path}.weekly", "Leave out start and end.")
        return replace(freeze, weekly=_hours(freeze.weekly, f"{path}.weekly"))
    start, end = instant(freeze.start, f"{path}.start"), instant(freeze.end, f"{path}.end")
    if not start < end:
        raise _refused("A freeze ends after it begins.", f"{path}.end", "Write a later end.")
    if end - start > MAX_FREEZE:
        raise _refused(
            "A freeze is too long.", f"{path}.end", f"It lasts {MAX_FREEZE.days} days at most; add another one later."
        )
    return replace(freeze, start=clock.text(start), end=clock.text(end))


def instant(text: str, field: str) -> datetime:
    """An instant with a time zone from text.

    :raises Invalid: naming ``field``.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1971 < found.year < 9000:
        raise _refused(
            "This is not a time.", field, "Write a date and time with its zone, such as 2026-12-20T00:00:00Z."
        )
    return found.astimezone(UTC)


def _times(rules: PolicyRules) -> None:
    if not 1 <= rules.request_days <= MAX_REQUEST_DAYS:
        raise _refused(
            "Requests cannot expire after so many days.", "request_days", f"Choose 1 to {MAX_REQUEST_DAYS} days."
        )
    if not 0 <= rules.delay_hours <= MAX_DELAY_HOURS:
        raise _refused("This delay cannot be asked for.", "delay_hours", f"Choose 0 to {MAX_DELAY_HOURS} hours.")
    shortest = rules.demand(None).approval_hours
    if rules.delay_hours >= shortest:
        raise _refused(
            "No policy could ever change: approvals would expire before the delay is over.",
            "delay_hours",
            f"Choose less than {shortest} hours, which is how long an approval counts.",
        )
    weekly = [freeze for freeze in rules.freezes if freeze.weekly is not None]
    monday = datetime(2024, 1, 1, tzinfo=UTC)
    week = (monday + timedelta(minutes=15 * step) for step in range(7 * 24 * 4))
    if weekly and all(frozen_by(weekly, at) for at in week):
        raise _refused("Nothing could ever be changed.", "freezes", "Leave some time of the week without a freeze.")
