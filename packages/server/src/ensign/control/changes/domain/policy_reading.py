"""Strict JSON forms of what a policy asks for; the inverse of each ``to_state``. What is absent has its default."""

from __future__ import annotations

from typing import Any

from ensign.control.changes.domain.reading import Reader
from ensign.control.projects.demands import (
    APPROVAL_HOURS,
    Approvers,
    Demand,
    Freeze,
    Hours,
    Progression,
    Rule,
    When,
)
from ensign.control.projects.domain import REQUEST_DAYS, PolicyRules


def _approvers(value: Any, path: str) -> Approvers:
    reader = Reader(value, path)
    made = Approvers(
        roles=reader.texts("roles", ()), groups=reader.texts("groups", ()), owner=reader.boolean("owner", False)
    )
    reader.end()
    return made


def _progression(value: Any, path: str) -> Progression:
    reader = Reader(value, path)
    made = Progression(environment=reader.text("environment"), hours=reader.integer("hours", 0, most=8_760))
    reader.end()
    return made


def read_demand(value: Any, path: str) -> Demand:
    """A demand from JSON."""
    reader = Reader(value, path)
    made = Demand(
        approvals=reader.integer("approvals", 0, most=10),
        approvers=reader.items("approvers", _approvers, ()),
        each_group=reader.texts("each_group", ()),
        requires_reason=reader.boolean("requires_reason", False),
        requires_ticket=reader.boolean("requires_ticket", False),
        requires_tests=reader.boolean("requires_tests", False),
        signed=reader.boolean("signed", False),
        approval_hours=reader.integer("approval_hours", APPROVAL_HOURS, least=1, most=APPROVAL_HOURS),
        max_step=reader.optional_integer("max_step", least=1, most=100),
        progression=reader.items("progression", _progression, ()),
    )
    reader.end()
    return made


def _hours(value: Any, path: str) -> Hours:
    reader = Reader(value, path)
    made = Hours(
        days=reader.items("days", _day),
        start=reader.integer("start", most=1_439),
        end=reader.integer("end", most=1_440),
        zone=reader.text("zone", "UTC"),
    )
    reader.end()
    return made


def _day(value: Any, path: str) -> int:
    return Reader({"day": value}, path).integer("day", most=6)


def _when(value: Any, path: str) -> When:
    reader = Reader(value, path)
    made = When(
        operations=reader.texts("operations", ()),
        rollout_above=reader.optional_integer("rollout_above", most=100),
        step_above=reader.optional_integer("step_above", most=100),
        flag_types=reader.texts("flag_types", ()),
        tags=reader.texts("tags", ()),
        tiers=reader.texts("tiers", ()),
        hours=reader.optional_inner("hours", _hours),
    )
    reader.end()
    return made


def read_rule(value: Any, path: str) -> Rule:
    """A rule from JSON."""
    reader = Reader(value, path)
    made = Rule(name=reader.text("name"), when=reader.inner("when", _when), demand=reader.inner("demand", read_demand))
    reader.end()
    return made


def read_freeze(value: Any, path: str) -> Freeze:
    """A freeze window from JSON."""
    reader = Reader(value, path)
    made = Freeze(
        name=reader.text("name"),
        start=reader.text("start", ""),
        end=reader.text("end", ""),
        weekly=reader.optional_inner("weekly", _hours),
    )
    reader.end()
    return made


def read_rules(reader: Reader) -> PolicyRules:
    """A policy's rules from the members in ``reader``; ``enforced_since`` is none of them."""
    return PolicyRules(
        approvals=reader.integer("approvals", most=10),
        apply_on_last_approval=reader.boolean("apply_on_last_approval", False),
        requires_reason=reader.boolean("requires_reason", False),
        compensating_control=reader.text("compensating_control", ""),
        preset=reader.text("preset", ""),
        further=reader.optional_inner("further", read_demand) or Demand(),
        rules=reader.items("rules", read_rule, ()),
        freezes=reader.items("freezes", read_freeze, ()),
        request_days=reader.integer("request_days", REQUEST_DAYS, least=1, most=365),
        delay_hours=reader.integer("delay_hours", 0, most=720),
    )
