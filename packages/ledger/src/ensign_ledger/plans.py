"""Steps of plans that were approved once (3.5): each is the next step of its plan, or the way back.

Memory is one small record for each plan in the range.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ensign_ledger.entry import parse_time


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was approved: whose approvals, of what, and the shares (per cent) with the minutes to hold each."""

    digest: str
    author: str
    required: int
    approvers: tuple[tuple[str, str], ...]
    steps: tuple[int, ...]
    holds: tuple[int, ...]


class Plans:
    """Told every applied change in order; says what is wrong with those that are steps of a plan."""

    def __init__(self) -> None:
        self.steps = self.open = 0
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._last: dict[tuple[str, str], tuple[int | None, str]] = {}

    def feed(self, entry: Mapping[str, Any], approval: Mapping[str, Any], /) -> Iterator[str]:
        """Take the next applied change; yields its problems in words."""
        if approval["mode"] != "plan":
            self._begin(entry, approval)
            return
        step = approval["plan"]
        self.steps += 1
        key = (step["request"], step["strategy"])
        if approval["digest"] != step["digest"]:
            yield "a step that names another digest than its plan's"
        plan = self._plans.get(key)
        last = self._last.get(key)
        self._last[key] = (step["step"], entry["ts"])
        if last is not None and last[0] is None:
            yield f"a step of a plan that was rolled back ({step['request']})"
        elif last is not None and last[0] is not None and step["step"] not in {None, last[0] + 1}:
            yield f"step {step['step']} follows step {last[0]} of {step['request']}"
        if step["step"] is not None and entry["actor"]["kind"] != "system":
            yield "a step that somebody took by hand"
        if plan is None:
            self.open += 1
            return
        yield from _differences(plan, approval)
        if last is not None:
            yield from _taken(plan, step, entry["ts"], last)

    def _begin(self, entry: Mapping[str, Any], approval: Mapping[str, Any]) -> None:
        detail = entry.get("detail")
        plans = detail.get("plans", ()) if isinstance(detail, Mapping) else ()
        for one in plans if isinstance(plans, (list, tuple)) else ():
            if not isinstance(one, Mapping) or not isinstance(one.get("strategy"), str):
                continue
            key = (str(approval.get("request")), one["strategy"])
            self._plans[key] = _Plan(
                digest=approval["digest"],
                author=approval["author"],
                required=approval["required"],
                approvers=_people(approval),
                steps=_numbers(one.get("steps")),
                holds=_numbers(one.get("holds")),
            )
            self._last[key] = (0, entry["ts"])


def _people(approval: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((approver["id"], approver["at"]) for approver in approval["approvers"]))


def _moment(ts: str) -> datetime:
    return datetime.fromisoformat(parse_time(ts, path="ts"))


def _numbers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(number for number in value if type(number) is int)


def _differences(plan: _Plan, approval: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs between a step's approval and that of its plan."""
    if approval["digest"] != plan.digest:
        yield "a step of a plan that was not approved like this"
    if (approval["author"], approval["required"], _people(approval)) != (plan.author, plan.required, plan.approvers):
        yield "a step with other approvals than its plan"


def _taken(plan: _Plan, step: Mapping[str, Any], ts: str, last: tuple[int | None, str]) -> Iterator[str]:
    """Yield what is wrong with the place, the share or the time of a step, after ``last`` (its place and time)."""
    before, since = last
    number, percent = step["step"], step["percent"]
    if before is None or not 0 <= before < len(plan.steps):
        return
    if number is None:
        if percent >= plan.steps[before]:
            yield f"a way back that raises the share to {percent} %"
        return
    if not 0 < number < len(plan.steps):
        yield f"step {number} of a plan of {len(plan.steps)}"
        return
    if percent != plan.steps[number]:
        yield f"{percent} % where the plan says {plan.steps[number]} %"
    hold = plan.holds[before] if before < len(plan.holds) else 0
    if _moment(ts) - _moment(since) < timedelta(minutes=hold):
        yield f"step {number} came before step {before} had been held for {hold} minutes"
