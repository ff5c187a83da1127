"""The story's people and one flag, for tests of the write door."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ensign.control.audit.models import Document, Entry, Touch
from ensign.control.audit.registry import governed_models
from ensign.control.changes import operations as door
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import FlagConfig, Strategy
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects.domain import PolicyRules

from ensign_testkit.people import add_person
from ensign_testkit.targets import rollout, shop

FLAG = "new-checkout"


@dataclass(frozen=True, kw_only=True)
class Story:
    """A project ``shop`` with a protected production, and who is there."""

    at: datetime
    admin: Actor
    dev: Actor
    other: Actor
    approver: Actor
    second: Actor
    viewer: Actor

    def later(self, **by: float) -> datetime:
        """A later moment."""
        return self.at + timedelta(**by)


def story(*, preset: str = "small-team") -> Story:
    """An administrator, two developers, two approvers, a viewer; the flag is off everywhere."""
    shop(FLAG, "old-banner", preset=preset)
    start = clock.now()
    return Story(
        at=start,
        admin=add_person("Ada Admin", "admin", at=start),
        dev=add_person("Dan Dev", "developer", at=start),
        other=add_person("Ola Other", "developer", at=start),
        approver=add_person("Rev Reviewer", "approver", at=start),
        second=add_person("Sec Second", "approver", at=start),
        viewer=add_person("Vi Viewer", "viewer", at=start),
    )


def by_token(actor: Actor) -> Actor:
    """The same person by a personal token that they made."""
    return replace(actor, via="token", token_id="tok_missing", mfa_at=None)


def without_mfa(actor: Actor) -> Actor:
    """The same person in a session without a second factor."""
    return replace(actor, mfa_at=None)


def launch(percent: int = 10) -> tuple[Operation, ...]:
    """Switch the flag on for a share of users."""
    return (StrategyAdd(flag=FLAG, strategy=rollout(percent)), FlagEnable(flag=FLAG))


def config(environment: str = "production", flag: str = FLAG) -> FlagConfig:
    """The flag's content as stored."""
    return flags.config(flag, environment).config


def widen(percent: int, *, environment: str = "production") -> tuple[Operation, ...]:
    """Let the first strategy's share become ``percent``."""
    strategy: Strategy = config(environment).strategies[0]
    return (
        StrategyUpdate(
            flag=FLAG, strategy=replace(strategy, parameters={**strategy.parameters, "rollout": str(percent)})
        ),
    )


def requested(cast: Story, operations: Sequence[Operation], *, author: Actor | None = None) -> door.Proposed:
    """A request for production, in review."""
    return door.propose(
        actor=author or cast.dev,
        at=cast.at,
        project="shop",
        environment="production",
        operations=operations,
        title="Widen the rollout",
        reason="The canary was fine.",
    )


def approve(cast: Story, done: door.Proposed, *, by: Actor | None = None) -> door.Reviewed:
    """Approve what is shown."""
    return door.review(
        actor=by or cast.approver,
        at=cast.at,
        request_id=done.request.id,
        decision="approve",
        digest=done.request.digest,
    )


def live(cast: Story, percent: int = 10) -> None:
    """Bring the flag to ``percent`` in production, the proper way."""
    done = requested(cast, launch(percent))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


def ruled(cast: Story, rules: PolicyRules, *, environment: str = "production") -> None:
    """Put an environment under other rules, the proper way: proposed by one, approved by two others."""
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment=environment,
        operations=(PolicySet(rules=rules),), title="Other rules", reason="As agreed.",
    )  # fmt: skip
    if done.applied is None:
        approve(cast, done)
        door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)


def last_entry(action: str) -> dict[str, Any]:
    """The newest entry of an action."""
    body = Entry.objects.filter(action=action).order_by("-seq").values_list("body", flat=True).first()
    assert body is not None, f"no entry {action}"
    found: dict[str, Any] = json.loads(body)
    return found


def rows_equal_the_log() -> bool:
    """Whether the newest document of every object in the log is what its row holds, replayed from the entries."""
    newest = {touch.object: touch for touch in Touch.objects.order_by("version")}
    for kind, model in governed_models().items():
        for row in model._base_manager.all():
            touch = newest.pop(f"{kind}:{row.pk}")
            if (touch.version, touch.seq) != (row.version, row.ledger_seq):
                return False
            if model.keeps_history and Document.objects.get(pk=touch.after).content != row.content:
                return False
    return not newest
