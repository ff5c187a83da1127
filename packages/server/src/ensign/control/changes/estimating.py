"""How many users a change affects, as far as rollout arithmetic and counts can say. An estimate, and it says so.

Ensign never sees who an application's users are, so it cannot count whom a constraint lets in: a share is one of those
who match. What it does know is what each strategy's rollout says, and how often applications asked for the flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.world import World
from ensign.control.flags import words
from ensign.control.flags.domain import FlagConfig
from ensign.control.publishing import usage

#: Over which time evaluations are counted.
WINDOW = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One flag in the environment: the share of users before and after (per cent, 0 to 100) and what it rests on.

    ``narrowed``: constraints, segments or lists leave somebody out, so the share is one of those who match.
    ``evaluations``: how often applications asked in the last week, and in how many of these it was on; ``per_day`` the
    mean of the days since the first count, at most seven.
    """

    flag: str
    before: int
    after: int
    narrowed: bool
    evaluations: int
    on: int
    per_day: int

    @property
    def sentence(self) -> str:
        """``About 25 % → 50 % of those who match its conditions; in the last 7 days …``."""
        whom = "of those who match its conditions" if self.narrowed else "of users"
        share = f"about {self.after} % {whom}, as before" if self.before == self.after else (
            f"about {self.before} % → {self.after} % {whom}"
        )  # fmt: skip
        return f"{self.flag}: {share}; {self.counted}."

    @property
    def counted(self) -> str:
        """What was counted, in words."""
        if not self.evaluations:
            return "no application asked for it in the last 7 days"
        return (
            f"applications asked for it about {_round(self.per_day):,} times a day in the last 7 days,"
            f" and it was on in {round(100 * self.on / self.evaluations)} % of these"
        )

    @property
    def reckoning(self) -> str:
        """How it was reckoned."""
        parts = ["The share is that of the widest strategy in effect; shares of several strategies are not added."]
        if self.narrowed:
            parts.append("Whom constraints, segments, lists and other flags leave out is not known to Ensign.")
        parts.append("Evaluations are not people: one person may be evaluated many times.")
        return " ".join(parts)


def estimates(*, before: World, after: World, operations: Sequence[Operation], at: datetime) -> tuple[Estimate, ...]:
    """An estimate for each flag whose content here the operations touch, by key."""
    touched = {ref.key for ref in algebra.touched(after.environment, operations) if ref.kind in {"config", "flag"}}
    return tuple(_estimate(key, before, after, at=at) for key in sorted(touched) if key in after.flags)


def _estimate(key: str, before: World, after: World, *, at: datetime) -> Estimate:
    old, new = _effective(before, key), _effective(after, key)
    found = usage.of_flag(project=after.project, flag=key, since=at - WINDOW)
    here = next((view for view in found if view.environment == after.environment), None)
    yes, no = (0, 0) if here is None else (here.yes, here.no)
    days = 1 if here is None or not here.hours else max(1, min(WINDOW.days, -(-_age(here, at=at) // 86_400)))
    return Estimate(
        flag=key,
        before=words.rollout(old) or 0,
        after=words.rollout(new) or 0,
        narrowed=_narrowed(old) or _narrowed(new),
        evaluations=yes + no,
        on=yes,
        per_day=(yes + no) // days,
    )


def _age(view: usage.UsageView, *, at: datetime) -> int:
    return int((at - view.hours[0].hour).total_seconds())


def _effective(world: World, key: str) -> FlagConfig:
    """A flag as applications see it: an archived one is off."""
    if key not in world.flags or world.flags[key].archived:
        return FlagConfig()
    return world.configs.get(key, FlagConfig())


def _narrowed(config: FlagConfig) -> bool:
    listed = {"userWithId", "remoteAddress", "applicationHostname"}
    return bool(config.enabled and config.dependencies) or any(
        s.constraints or s.segments or s.name in listed for s in config.strategies if config.enabled and not s.disabled
    )


def _round(count: int) -> int:
    """Two leading digits: what is estimated must not look counted."""
    if count < 100:
        return count
    unit = int(10 ** (len(str(count)) - 2))
    return round(count / unit) * unit
