"""A shop whose production asks for progression from staging, and the story's people bringing a flag along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ensign.control.changes import operations as door
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.flags.domain import Constraint
from ensign.control.kernel.actor import Actor
from ensign.control.progression.domain.runs import Subject
from ensign.control.progression.operations import Reported, report_run
from ensign.control.projects.demands import Demand, Progression
from ensign.control.projects.policies import policy

from ensign_testkit.changing import FLAG, Story, config, story
from ensign_testkit.people import add_service

RUN = "https://ci.example.com/runs/1"


def fresh(actor: Actor, at: datetime) -> Actor:
    """The same person with a second factor proved at ``at``."""
    return replace(actor, mfa_at=at) if actor.kind == "person" else actor


def policed(
    cast: Story, *, hours: int = 0, tests: bool = False, lower: Sequence[str] = ("staging",), place: str = "production"
) -> None:
    """Let ``place`` ask for progression from each of ``lower``: proposed by the administrator, approved by another."""
    rules = policy("shop", place).rules
    further = Demand(
        progression=tuple(Progression(environment=key, hours=hours) for key in lower), requires_tests=tests
    )
    wanted = PolicySet(rules=replace(rules, further=further, preset="", enforced_since=""))
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment=place, operations=(wanted,), reason="Controls."
    )
    if done.applied is None:
        approve_at(cast, done, at=cast.at)
        door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)


def approve_at(cast: Story, done: door.Proposed, *, at: datetime) -> None:
    """Have the second approver approve it then."""
    door.review(
        actor=fresh(cast.second, at), at=at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )


def brings(
    cast: Story, operations: Sequence[Operation], *, at: datetime, environment: str = "production"
) -> door.Applied:
    """Propose, have it approved where that is asked for, and apply, all at ``at``."""
    done = door.propose(
        actor=cast.dev, at=at, project="shop", environment=environment, operations=operations, reason="Next."
    )
    if done.applied is not None:
        return done.applied
    approve_at(cast, done, at=at)
    return door.apply(actor=cast.dev, at=at, request_id=done.request.id)


def shop_with_progression(*, hours: int = 0, tests: bool = False) -> Story:
    """The story, with production asking for progression from staging, which asks for no approval."""
    cast = story()
    policed(cast, hours=hours, tests=tests)
    return cast


def reporter(cast: Story, name: str = "ci") -> Actor:
    """A service account that may report test runs, by a token."""
    return add_service(name, "tester", owner=cast.admin.id, at=cast.at)


def reported(
    actor: Actor, *, at: datetime, result: str = "passed", name: str = "end to end", flag: str = FLAG, **more: object
) -> Reported:
    """A test run of the flag in staging."""
    wish: dict[str, object] = {"environment": "staging", "url": RUN, "commit": "0123abc", **more}
    return report_run(
        actor=actor,
        at=at,
        project="shop",
        subject=Subject(kind="flag", key=flag),
        name=name,
        result=result,
        **wish,  # type: ignore[arg-type]  # the operation's own
    )


def hours_after(cast: Story, hours: float) -> datetime:
    """So many hours into the story."""
    return cast.at + timedelta(hours=hours)


def narrowed(environment: str, *values: str) -> tuple[Operation, ...]:
    """Only for some countries: another configuration."""
    strategy = config(environment).strategies[0]
    only = (Constraint(context_name="country", operator="IN", values=values),)
    return (StrategyUpdate(flag=FLAG, strategy=replace(strategy, constraints=only)),)
