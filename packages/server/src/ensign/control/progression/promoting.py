"""Promote: a request for one environment made out of what another runs. It passes through the one write door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.changes import operations as door
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.changes.domain.settings_operations import SegmentSet
from ensign.control.changes.drafting import Wish
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import FlagConfig
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.progression import reading
from ensign.control.progression.domain.blending import blend, segments_of
from ensign.control.projects import queries as projects

MAX_OPERATIONS = 200


def promotion(
    *, project: str, keys: Sequence[str], source: str, target: str, at: datetime, switch_on: bool = False
) -> tuple[Operation, ...]:
    """The operations that bring what ``source`` runs of these flags to ``target``; nothing is written.

    Percentages, lists of ids, environment-mapped segments and the switch stay as they are in ``target``; with
    ``switch_on`` the flags are switched on there. Segments that the flags use and that differ come along.

    :raises Invalid: when both are the same environment, or nothing differs.
    :raises NotFound: when the project has no such environment or flag. :raises Conflict: when a flag is archived, or
        ``source`` has no content of it.
    """
    for environment in (source, target):
        projects.environment(project, environment)
    if source == target:
        raise Invalid("Both environments are the same.", fields={"source": "Choose the environment to take it from."})
    if not keys:
        raise Invalid("No flag was chosen.", fields={"flags": "Name at least one flag."})
    mapped = reading.mapped(project)
    made: list[Operation] = []
    used: set[str] = set()
    for key in dict.fromkeys(keys):
        there = _there(project, key, source)
        used |= set(segments_of(there, mapped=mapped))
        here = flags.config(key, target).config
        made += algebra.between(key, here, _with_ids(blend(there, here), at=at))
        if switch_on and not here.enabled:
            made.append(FlagEnable(flag=key))
    made = [*_segments(project, sorted(used), source, target), *made]
    if not made:
        raise Invalid(f"{target} runs what {source} runs already.", code="no-change")
    if len(made) > MAX_OPERATIONS:
        raise Invalid(f"This takes {len(made)} steps; {MAX_OPERATIONS} fit.", remedy="Promote fewer flags at a time.")
    return tuple(made)


def _with_ids(config: FlagConfig, *, at: datetime) -> FlagConfig:
    strategies = tuple(s if s.id else replace(s, id=ids.new_id("str", at=at)) for s in config.strategies)
    return replace(config, strategies=strategies)


def _there(project: str, key: str, source: str) -> FlagConfig:
    row = flags.flag(key)
    if row.info.project != project:
        raise NotFound(f"There is no flag “{key[:100]}” in the project “{project[:100]}”.")
    if row.info.archived:
        raise Conflict(f"The flag “{key}” is archived.", remedy="Revive it first.", code="archived")
    config = flags.config(key, source)
    if config.version == 0:
        raise Conflict(
            f"{key} was never configured in {source}.", remedy="Choose where it runs.", code="never-configured"
        )
    if config.config.strategies and all(s.disabled for s in config.config.strategies):
        raise Conflict(
            f"All strategies of {key} are switched off in {source}.",
            remedy="There is nothing of it to promote; switch one of them on there first.",
            code="never-configured",
        )
    return config.config


def _segments(project: str, keys: Sequence[str], source: str, target: str) -> list[Operation]:
    theirs, mine = (reading.contents(project, environment, keys) for environment in (source, target))
    return [
        SegmentSet(segment=key, constraints=theirs[key])
        for key in keys
        if key in theirs and theirs[key] != mine.get(key)
    ]


@operation
def promote(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    flags: Sequence[str],
    source: str,
    target: str,
    switch_on: bool = False,
    title: str = "",
    reason: str = "",
    tickets: Sequence[str] = (),
    wish: Wish = "submit",
) -> door.Proposed:
    """A request for ``target`` with what ``source`` runs of these flags; see :func:`promotion`.

    What becomes of it the policy of ``target`` decides, as of every change.

    :raises Denied: without the right to read the project, or to draft this in ``target``.
    """
    rights = held(actor, at=at)
    rights.require(Permission.PROJECT_READ, Scope(project))
    if not rights.allows_some(Permission.CHANGE_DRAFT, Scope(project, target)):
        rights.require(Permission.CHANGE_DRAFT, Scope(project, target))
    steps = promotion(project=project, keys=flags, source=source, target=target, at=at, switch_on=switch_on)
    keys = list(dict.fromkeys(flags))
    what = keys[0] if len(keys) == 1 else f"{len(keys)} flags"
    return door.propose(
        actor=actor,
        at=at,
        project=project,
        environment=target,
        operations=steps,
        title=title or f"Promote {what} from {source} to {target}",
        reason=reason,
        tickets=tickets,
        wish=wish,
        promotes=source,
    )
