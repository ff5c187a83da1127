"""What a policy asks of a change: demands, the conditions under which they hold, freeze windows. Pure.

A policy is one demand that always holds and rules that add to it when a change is of a certain kind. What a change must
meet is the *join* of all demands that hold, in all environments that it reaches: never less than any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from ensign.control.access.domain import FlagFacts

T = TypeVar("T")

#: Operations that change what changes must meet.
GOVERNING = frozenset({"policy.set", "environment.unprotect"})

#: How long an approval counts where no demand says less; a demand can only shorten it.
APPROVAL_HOURS = 7 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """What somebody is where a change has effect: keys of the ``roles`` that they hold there, ids of their ``groups``,
    and whether they are the ``owner`` of every flag touched. The default is closed: nothing is known of them.
    """

    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    owner: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvers:
    """Who may approve: holders of one of the ``roles`` (keys), members of one of the ``groups`` (ids), and with
    ``owner`` the owner of every flag touched. Any one of these is enough. Empty: whoever is entitled there.
    """

    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    owner: bool = False

    @property
    def anybody(self) -> bool:
        """Whether it narrows nothing."""
        return not (self.roles or self.groups or self.owner)

    def admits(self, who: Who) -> bool:
        """Whether it lets somebody through."""
        named = not (who.roles.isdisjoint(self.roles) and who.groups.isdisjoint(self.groups))
        return self.anybody or named or (self.owner and who.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """That the same progression digest was in force in ``environment`` (key) for ``hours`` before."""

    environment: str
    hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a change must have before it applies. The default asks for nothing.

    ``approvers``: every one of these narrowings must let an approver through. ``each_group``: at least one of the
    approvals must come from each of these groups (ids). ``approval_hours``: how long an approval counts. ``max_step``:
    percentage points by which a change may raise a rollout. ``progression``: where it must have been in force first;
    with ``requires_tests``, with a test run of it that passed. ``signed``: approvals are signed with a passkey.
    """

    approvals: int = 0
    approvers: tuple[Approvers, ...] = ()
    each_group: tuple[str, ...] = ()
    requires_reason: bool = False
    requires_ticket: bool = False
    requires_tests: bool = False
    signed: bool = False
    approval_hours: int = APPROVAL_HOURS
    max_step: int | None = None
    progression: tuple[Progression, ...] = ()

    @property
    def lifetime(self) -> timedelta:
        """How long an approval counts."""
        return timedelta(hours=self.approval_hours)

    @property
    def required(self) -> int:
        """How many approvals it takes: at least one where it says from whom one must come."""
        named = bool(self.each_group) or any(not one.anybody for one in self.approvers)
        return max(self.approvals, int(named))

    def join(self, other: Demand) -> Demand:
        """What meets both: associative, commutative but for the order of lists; :class:`Demand` () is neutral."""
        steps = [step for step in (self.max_step, other.max_step) if step is not None]
        lower: dict[str, int] = {}
        for one in self.progression + other.progression:
            lower[one.environment] = max(one.hours, lower.get(one.environment, 0))
        return Demand(
            approvals=max(self.approvals, other.approvals),
            approvers=_union(a for a in self.approvers + other.approvers if not a.anybody),
            each_group=_union(self.each_group + other.each_group),
            requires_reason=self.requires_reason or other.requires_reason,
            requires_ticket=self.requires_ticket or other.requires_ticket,
            requires_tests=self.requires_tests or other.requires_tests,
            signed=self.signed or other.signed,
            approval_hours=min(self.approval_hours, other.approval_hours),
            max_step=min(steps) if steps else None,
            progression=tuple(Progression(environment=key, hours=hours) for key, hours in lower.items()),
        )

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members."""
        return {
            **{name: getattr(self, name) for name in Demand.__slots__},
            "approvers": [{"roles": list(a.roles), "groups": list(a.groups), "owner": a.owner} for a in self.approvers],
            "each_group": list(self.each_group),
            "progression": [{"environment": one.environment, "hours": one.hours} for one in self.progression],
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Demand:
        """The inverse of :meth:`to_state`; what is absent has its default, further keys are ignored."""
        known = {name: state[name] for name in Demand.__slots__ if name in state}
        known["approvers"] = tuple(
            Approvers(roles=tuple(a["roles"]), groups=tuple(a["groups"]), owner=a["owner"])
            for a in state.get("approvers", ())
        )
        known["each_group"] = tuple(state.get("each_group", ()))
        known["progression"] = tuple(Progression(**one) for one in state.get("progression", ()))
        return Demand(**known)


#: The demand that asks for nothing.
NOTHING = Demand()


def _union(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def joined(demands: Iterable[Demand]) -> Demand:
    """The join of all; of none, that which asks for nothing."""
    result = Demand()
    for demand in demands:
        result = result.join(demand)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFacts:
    """What conditions ask about a change.

    ``operations``: its types. ``flags``: the facts of all flags touched, None for what is no flag. ``rollout``: the
    highest share of users (0 to 100) that a touched flag has afterwards; ``step``: the largest growth of one, in
    percentage points; both None where that cannot be said (a segment's constraints), which every condition on them
    takes for met. ``at``: when it is asked.

    ``classifies``: it changes what conditions go by (type, tags, risk tier, owner); ``flags`` holds both sides then,
    and of a rule only what it says about flags decides, as every later change is judged by it.
    """

    operations: frozenset[str]
    flags: frozenset[FlagFacts | None]
    rollout: int | None
    step: int | None
    at: datetime
    classifies: bool = False

    @property
    def governs(self) -> bool:
        """Whether it changes what changes must meet: it answers to all rules then, whatever their conditions say."""
        return not GOVERNING.isdisjoint(self.operations)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A daily time: from ``start`` to ``end`` (minutes after midnight in ``zone``) on ``days`` (0 is Monday).

    ``end`` before ``start`` passes midnight; the day is that on which it began.
    """

    days: tuple[int, ...]
    start: int
    end: int
    zone: str = "UTC"

    def covers(self, at: datetime) -> bool:
        """Whether ``at`` lies within."""
        local = at.astimezone(_zone(self.zone))
        minute = local.hour * 60 + local.minute
        if self.start <= self.end:
            return local.weekday() in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return local.weekday() in self.days
        return minute < self.end and (local.weekday() - 1) % 7 in self.days

    def until(self, at: datetime) -> datetime:
        """When the time that covers ``at`` ends; later than ``at`` also where clocks are put back."""
        local = at.astimezone(_zone(self.zone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        passes = self.end < self.start and local.hour * 60 + local.minute >= self.start
        end = midnight + timedelta(days=1 if passes else 0, minutes=self.end)
        return max(end.replace(tzinfo=_zone(self.zone)).astimezone(UTC), at + timedelta(minutes=1))

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {"days": list(self.days), "start": self.start, "end": self.end, "zone": self.zone}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Hours:
        """The inverse of :meth:`to_state`."""
        return Hours(**{**state, "days": tuple(state["days"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Which changes a rule is about: every member that is given must hold; none given holds always.

    ``operations``: one of these types is among the change's; ``rollout_above``, ``step_above``: strictly more than so
    many per cent or points; ``flag_types``, ``tags``, ``tiers``: of some flag touched; ``hours``: it is asked then.
    """

    operations: tuple[str, ...] = ()
    rollout_above: int | None = None
    step_above: int | None = None
    flag_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    hours: Hours | None = None

    def holds(self, facts: ChangeFacts) -> bool:
        """Whether a change is one of these."""
        if facts.classifies:
            return self.about(facts.flags)
        return all(
            (
                self.about(facts.flags),
                not self.operations or not facts.operations.isdisjoint(self.operations),
                _above(facts.rollout, self.rollout_above),
                _above(facts.step, self.step_above),
                self.hours is None or self.hours.covers(facts.at),
            )
        )

    def about(self, flags: Collection[FlagFacts | None]) -> bool:
        """Whether what it says of flags is true of ``flags``: of some one of them, for each member that is given."""
        known = [flag for flag in flags if flag is not None]
        return all(
            (
                not self.flag_types or any(flag.type in self.flag_types for flag in known),
                not self.tags or any(not flag.tags.isdisjoint(self.tags) for flag in known),
                not self.tiers or any(flag.tier in self.tiers for flag in known),
            )
        )

    def to_state(self) -> dict[str, Any]:
        """JSON form: all members."""
        lists = ("operations", "flag_types", "tags", "tiers")
        return {
            **{name: list(getattr(self, name)) for name in lists},
            "rollout_above": self.rollout_above,
            "step_above": self.step_above,
            "hours": None if self.hours is None else self.hours.to_state(),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> When:
        """The inverse of :meth:`to_state`."""
        lists = ("operations", "flag_types", "tags", "tiers")
        hours = state["hours"]
        return When(
            **{
                **state,
                **{name: tuple(state[name]) for name in lists},
                "hours": None if hours is None else Hours.from_state(hours),
            }
        )


def _above(value: int | None, limit: int | None) -> bool:
    return limit is None or value is None or value > limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A further demand on changes of a kind. ``name`` says in a few words what it is for."""

    name: str
    when: When
    demand: Demand

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {"name": self.name, "when": self.when.to_state(), "demand": self.demand.to_state()}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Rule:
        """The inverse of :meth:`to_state`."""
        return Rule(name=state["name"], when=When.from_state(state["when"]), demand=Demand.from_state(state["demand"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time in which nothing applies but standard changes and break-glass.

    Either once, from ``start`` until before ``end`` (instants), or every week while ``weekly`` covers the time.
    """

    name: str
    start: str = ""
    end: str = ""
    weekly: Hours | None = None

    def covers(self, at: datetime) -> bool:
        """Whether it is frozen at this time."""
        if self.weekly is not None:
            return self.weekly.covers(at)
        return datetime.fromisoformat(self.start) <= at < datetime.fromisoformat(self.end)

    def until(self, at: datetime) -> datetime:
        """When the freeze that covers ``at`` ends."""
        return datetime.fromisoformat(self.end) if self.weekly is None else self.weekly.until(at)

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        weekly = None if self.weekly is None else self.weekly.to_state()
        return {"name": self.name, "start": self.start, "end": self.end, "weekly": weekly}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Freeze:
        """The inverse of :meth:`to_state`."""
        weekly = state["weekly"]
        return Freeze(**{**state, "weekly": None if weekly is None else Hours.from_state(weekly)})


def frozen_by(freezes: Collection[Freeze], at: datetime) -> Freeze | None:
    """The first freeze window that covers ``at``, or None."""
    return next((freeze for freeze in freezes if freeze.covers(at)), None)


def frozen_until(freezes: Collection[Freeze], at: datetime) -> datetime:
    """When it is not frozen any more: freezes that follow each other without a gap count as one. ``at`` itself where
    nothing is frozen then.
    """
    until = at
    for _ in range(_MAX_CHAINED):
        freeze = frozen_by(freezes, until)
        if freeze is None:
            break
        until = freeze.until(until)
    return until


#: How many freezes in a row are looked through: a policy has at most twenty, and weekly ones leave some time free.
_MAX_CHAINED = 400
