"""Editing a request that was submitted: what a page offers for it, and the edit together with one's draft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ensign.control.audit.door import operation
from ensign.control.changes import drafting, queries
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.drafting import Proposed
from ensign.control.flags import words
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit of a request: its sentence, and the share of its strategy in per cent, where it has one."""

    place: int
    sentence: str
    share: int | None


def edits(request: ChangeRequest) -> list[Edit]:
    """The edits of a request, in order, said from the state that it is based on."""
    said, _ = queries.told(algebra.describe_all(queries.world_of(request), request.operations), ())
    return [
        Edit(place=place, sentence=sentence, share=_share(step))
        for place, (sentence, step) in enumerate(zip(said, request.operations, strict=True))
    ]


def _share(step: Operation) -> int | None:
    return words.share(step.strategy) if isinstance(step, StrategyAdd | StrategyUpdate) else None


def with_share(step: Operation, text: str, *, field: str) -> Operation:
    """The operation with another share of its strategy.

    :raises Invalid: when it is none from 0 to 100.
    """
    if not isinstance(step, StrategyAdd | StrategyUpdate) or (name := words.SHARES.get(step.strategy.name)) is None:
        return step
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        message = "Write a whole number from 0 to 100."
        raise Invalid("The share is none.", fields={field: message})
    parameters: Mapping[str, str] = {**step.strategy.parameters, name: str(int(text))}
    return replace(step, strategy=replace(step.strategy, parameters=parameters))


@operation
def revise(
    *,
    actor: Actor,
    at: datetime,
    request_id: str,
    operations: Sequence[Operation],
    title: str,
    reason: str,
    tickets: Sequence[str] | None = None,
    with_draft: bool = False,
    submit: bool = False,
    expected_version: int | None = None,
) -> Proposed:
    """:func:`drafting.edit`; with ``with_draft`` the edits of the actor's draft of that environment come after these,
    and the draft is gone with it; with ``submit`` it is put up for review again: all of it in one transaction, or none.

    :raises NotFound: when there is no such draft. :raises Invalid: when nothing would be left.
    :raises Conflict: as :func:`drafting.submit`; nothing of the edit is kept then.
    """
    _, request = drafting.lock_request(request_id)
    steps = tuple(operations)
    draft = drafting.my_draft(actor, project=request.project, environment=request.environment) if with_draft else None
    if with_draft:
        if draft is None:
            raise NotFound("You have no draft in this environment.", remedy="Edit a flag first.")
        steps = algebra.compose(steps, queries.to_row(draft).request.operations)
    if not steps:
        raise Invalid("Nothing would be left of it.", remedy="Withdraw it instead.", fields={"keep": "Keep an edit."})
    done = drafting.edit(
        actor=actor, at=at, request_id=request_id, operations=steps, title=title, reason=reason,
        tickets=tickets, expected_version=expected_version,
    )  # fmt: skip
    if draft is not None:
        drafting.withdraw(actor=actor, at=at, request_id=draft.pk)
    if submit and done.request.status == "changes_requested":
        return drafting.submit(actor=actor, at=at, request_id=request_id)
    return done
