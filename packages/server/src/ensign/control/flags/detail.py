"""What the page of one flag shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from ensign.control.access.permissions import Permission
from ensign.control.flags import beside, listing, pages, queries, surroundings, words
from ensign.control.flags.beside import Pending
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.projects import pages as project_pages
from ensign.control.projects import queries as projects
from ensign.control.projects.pages import Place
from ensign.control.projects.policy_words import frozen
from ensign.control.projects.visits import Visit
from ensign.control.segments import queries as segments
from ensign.control.ui.looks import Crumb


def steps(project: projects.ProjectRow, flag: str, *more: str) -> list[Crumb]:
    """The way to a page of a flag."""
    flags = ("Flags", reverse("flags:list", kwargs={"project": project.key}))
    if not more:
        return project_pages.crumbs(project, flags, (flag, ""))
    here = (flag, reverse("flags:detail", kwargs={"project": project.key, "flag": flag}))
    return project_pages.crumbs(project, flags, here, (more[0], ""))


def context(here: Visit, *, project: str, flag: str) -> dict[str, Any]:
    """Everything that ``flags/detail.html`` needs.

    :raises NotFound: when the project has no such flag.
    """
    row = queries.flag(flag)
    info = row.info
    if info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    place_of = projects.project(project)
    configs = queries.configs_of(flag)
    names = {s.info.key: s.info.name for s in segments.segments(project)}
    waiting = beside.waiting(project)
    reach = beside.reach(project, flag, at=here.at)
    columns = [
        column(
            here,
            place,
            info=info,
            row=configs.get(place.row.key),
            names=names,
            pending=waiting.get((flag, place.row.key), ()),
            reach=reach.get(place.row.key),
        )
        for place in project_pages.places(project)
    ]
    owner = identity.names([info.owner])[info.owner] if info.owner else ""
    return {
        "project": place_of,
        "flag": info,
        "id": row.id,
        "version": row.version,
        "steps": steps(place_of, flag),
        "columns": columns,
        "owner": owner,
        "created_at": clock.parse(info.created_at),
        "lifetime": listing.lifetime(info.type),
        "stale": listing.stale(info, at=here.at),
        "children": sorted(surroundings.children(flag, project=project)),
        "may_tokens": here.may(Permission.PROJECT_TOKENS_MANAGE, project),
        "may_update": any(
            here.may(one, project, flag=info.facts) for one in (Permission.FLAG_UPDATE, Permission.FLAG_CLASSIFY)
        ),
        "may_archive": here.may(Permission.FLAG_ARCHIVE, project, flag=info.facts),
        "may_revive": here.may(Permission.FLAG_REVIVE, project, flag=info.facts),
        "may_impressions": here.may(Permission.CHANGE_IMPRESSIONS, project, strictest(columns), flag=info.facts),
        "strictest": strictest(columns),
    }


def strictest(columns: Sequence[pages.Column]) -> str:
    """The environment whose draft takes what reaches all environments: the one that asks for most."""
    return max(columns, key=lambda c: (c.place.policy.approvals, c.place.row.protected)).place.row.key


def column(
    here: Visit,
    place: Place,
    *,
    info: FlagInfo,
    row: queries.ConfigRow | None,
    names: dict[str, str],
    pending: Sequence[Pending],
    reach: object | None = None,
) -> pages.Column:
    """A flag in one environment."""
    config = FlagConfig() if row is None else row.config
    project, environment, flag = place.row.project, place.row.key, info.key

    def may(permission: Permission) -> bool:
        return here.may(permission, project, environment, flag=info.facts)

    drafts = may(Permission.CHANGE_DRAFT)
    return pages.Column(
        place=place,
        cell=listing.NEVER if row is None else listing.cell_of(config),
        config=config,
        version=0 if row is None else row.version,
        sentence=words.config(config, segments=names),
        frozen=frozen(place.policy.rules.freezes, at=here.at),
        strategies=[(s, pages.strategy(s, project=project, segments=names)) for s in config.strategies],
        variants=[pages.variant(v) for v in config.variants],
        dependencies=[words.dependency(d) for d in config.dependencies],
        pending=pending,
        reach=reach,
        draft=pages.draft_address(project, environment),
        kill=pages.kill_address(project, environment, flag),
        may_switch=drafts and may(Permission.CHANGE_SWITCH),
        may_add=drafts and may(Permission.CHANGE_STRATEGY_ADD),
        may_edit=drafts and may(Permission.CHANGE_STRATEGY_UPDATE),
        may_remove=drafts and may(Permission.CHANGE_STRATEGY_REMOVE),
        may_variants=drafts and may(Permission.CHANGE_VARIANTS),
        may_depend=drafts and may(Permission.CHANGE_DEPENDENCIES),
        may_kill=may(Permission.FLAG_KILL),
        drafted=beside.drafted(here.actor, project=project, environment=environment, flag=flag) if drafts else None,
    )
