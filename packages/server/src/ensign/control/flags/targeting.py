"""New content of flags. Demands an approved change; importable by ``changes`` alone (import-linter holds that)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from ensign.control.audit import rows as governed
from ensign.control.audit.staging import Staged, stage
from ensign.control.flags import queries
from ensign.control.flags.domain import FlagConfig, FlagInfo, FlagType
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.flags.operations import known_owner
from ensign.control.flags.surroundings import About, check, children
from ensign.control.flags.validation import check_tags, check_tier, check_type
from ensign.control.kernel import ids
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import ApprovedChange


def stage_config(
    *,
    flag_key: str,
    project: str,
    environment: str,
    config: FlagConfig,
    approved: ApprovedChange,
    at: datetime,
    together: Mapping[str, FlagConfig] | None = None,
    segments: Collection[str] = (),
    about: About | None = None,
) -> Staged:
    """The next version of a flag in one environment, validated and canonical.

    ``together``, ``segments`` and ``about`` as in :func:`ensign.control.flags.surroundings.read`. What was staged is
    ``FlagConfig.from_state(json.loads(staged.content))``.

    :raises Invalid: naming every field that is wrong.
    :raises NotFound: when there is no such flag in the project.
    :raises Conflict: when the flag is archived.
    """
    approved.require(project=project, environments=[environment])
    info = queries.flag(flag_key).info if about is None else about.info
    if info.project != project:
        raise NotFound(f"There is no flag “{flag_key[:100]}” in the project “{project[:100]}”.")
    if info.archived:
        raise Conflict(f"The flag “{flag_key}” is archived.", remedy="Revive it first.", code="archived")
    checked = check(
        config, flag_key=flag_key, environment=environment, together=together, segments=segments, about=about
    )
    place = {"project": project, "environment": environment, "flag": flag_key}
    current = None if about is None else about.row
    if current is None:
        current = governed.row(FlagEnvironment, lock="update", **place)
    state = {**place, **checked.config.to_state()}
    id = ids.new_id("cfg", at=at) if current is None else current.pk
    return stage(FlagEnvironment, id=id, state=state, current=current)


def stage_info(
    *,
    flag_key: str,
    approved: ApprovedChange,
    archived: bool | None = None,
    impression_data: bool | None = None,
    classes: FlagInfo | None = None,
) -> tuple[Staged, FlagInfo]:
    """The next version of what all environments share, as far as SDKs see it or policies go by it; answers to the
    strictest policy. ``classes``: type, tags, risk tier and owner are taken from there.

    The approval must cover every environment of the project.

    :raises NotFound: when there is no such flag.
    :raises Conflict: when the flag is to be archived while others depend on it.
    """
    row = governed.row(Flag, lock="update", key=flag_key)
    if row is None:
        raise NotFound(f"There is no flag “{flag_key[:100]}”.", remedy="Look at the list of flags.")
    info = FlagInfo.from_state(row.state)
    approved.require(project=info.project, environments=[e.key for e in projects.environments(info.project)])
    if archived and not info.archived:
        below = children(flag_key, project=info.project)
        if below:
            raise Conflict(
                f"Other flags depend on “{flag_key}”: {', '.join(sorted(below)[:5])}.",
                remedy="Remove those dependencies first.",
                code="has-dependants",
            )
    changed = replace(
        info,
        archived=info.archived if archived is None else archived,
        impression_data=info.impression_data if impression_data is None else impression_data,
    )
    if classes is not None:
        changed = with_classes(changed, classes)
    return stage(Flag, id=row.pk, state=changed.to_state(), current=row), changed


def with_classes(info: FlagInfo, classes: FlagInfo) -> FlagInfo:
    """``info`` with the type, tags, risk tier and owner of ``classes``, in their canonical form. An owner that stays
    may have left.

    :raises Invalid: naming what is wrong.
    """
    return replace(
        info,
        type=cast(FlagType, check_type(classes.type)),
        tags=check_tags(classes.tags),
        tier=check_tier(classes.tier),
        owner=info.owner if classes.owner == info.owner else known_owner(classes.owner),
    )
