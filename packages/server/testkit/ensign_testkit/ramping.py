"""Ramps in the story's project, for tests of releases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ensign.control.changes import operations as door
from ensign.control.changes.domain.ramp_operations import OnBreach, RampPlan, RampStep
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.flags.words import share
from ensign.control.projects.domain import PolicyRules
from ensign.control.releases import queries
from ensign.control.releases.domain import Ramp

from ensign_testkit.changing import FLAG, Story, approve, config, live, requested

HOUR = 60


def plan(
    *percents: int, hold: int = HOUR, guards: Sequence[str] = (), on_breach: OnBreach = "pause", flag: str = FLAG
) -> RampPlan:
    """A ramp of the flag's first strategy in production through ``percents``, each held for ``hold`` minutes."""
    steps = tuple(RampStep(percent=percent, hold=hold) for percent in percents[:-1])
    return RampPlan(
        flag=flag,
        strategy=config(flag=flag).strategies[0].id,
        steps=(*steps, RampStep(percent=percents[-1])),
        guards=tuple(guards),
        on_breach=on_breach,
    )


def ramping(
    cast: Story, *percents: int, hold: int = HOUR, guards: Sequence[str] = (), on_breach: OnBreach = "pause"
) -> Ramp:
    """A ramp that began now: by default from 1 % through 5, 25 and 50 to 100 %, an hour each."""
    live(cast, 1)
    done = requested(cast, (plan(*(percents or (5, 25, 50, 100)), hold=hold, guards=guards, on_breach=on_breach),))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    (made,) = queries.ramps(request=done.request.id)
    return made


def now(ramp: Ramp) -> Ramp:
    """The ramp as it is stored."""
    return queries.ramp(ramp.id)


def percent() -> int:
    """The share of the flag's first strategy in production, as stored."""
    found = share(config().strategies[0])
    assert found is not None
    return found


def later(ramp: Ramp, minutes: float) -> datetime:
    """So many minutes after the ramp began."""
    return ramp.started_at + timedelta(minutes=minutes)


def stricter(cast: Story) -> None:
    """Let production ask for two approvals from now on, the proper way."""
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=2)),), title="Policy", reason="Agreed on Monday.",
    )  # fmt: skip
    approve(cast, done)
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
