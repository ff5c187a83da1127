"""What applies when: changes that wait for their time, and the steps of running ramps as their plans foresee them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from ensign.control.changes import timing
from ensign.control.releases import queries
from ensign.control.releases.domain import Ramp


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that applies by itself at ``at`` if nothing stands in its way then."""

    at: datetime
    kind: Literal["change", "step"]
    project: str
    environment: str
    title: str
    request: str
    """The request whose page says more."""
    by: str
    """Who it applies as (id)."""


def steps_ahead(ramp: Ramp) -> list[tuple[datetime, int]]:
    """When a running ramp reaches its further shares at the earliest, in order; nothing for one that is paused."""
    found: list[tuple[datetime, int]] = []
    if ramp.status != "running":
        return found
    at = ramp.since
    for held, following in pairwise(ramp.steps[ramp.reached :]):
        at += timedelta(minutes=held.hold)
        found.append((at, following.percent))
    return found


def events(*, projects: frozenset[str] | None, until: datetime) -> Sequence[Event]:
    """Everything before ``until`` in ``projects`` (None: all), the earliest first."""
    found = [
        Event(
            at=request.schedule.at,
            kind="change",
            project=request.project,
            environment=request.environment,
            title=request.title,
            request=request.id,
            by=request.schedule.by,
        )
        for request in timing.waiting(projects=projects)
        if request.schedule is not None and request.schedule.state == "pending"
    ]
    for ramp in queries.ramps(projects=projects, statuses=("running",)):
        found += [
            Event(
                at=at,
                kind="step",
                project=ramp.project,
                environment=ramp.environment,
                title=f"{ramp.flag} to {percent} %",
                request=ramp.request,
                by=ramp.owner,
            )
            for at, percent in steps_ahead(ramp)
        ]
    return sorted((event for event in found if event.at < until), key=lambda event: (event.at, event.title))
