"""Reading what a flag's content is checked against, and checking it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ensign.control.flags import queries
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.flags.validation import Parent, Surroundings, check_config, warnings
from ensign.control.projects import queries as projects
from ensign.control.segments.models import Segment, SegmentEnvironment
from ensign.control.segments.validation import Caution


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The canonical content and what a person should know about it."""

    config: FlagConfig
    warnings: tuple[Caution, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a caller has read of a flag in this very transaction: its shared part, its project's default stickiness.

    ``row`` is its content in the environment, locked; None when that was not read, or there is none.
    """

    info: FlagInfo
    stickiness: str
    row: FlagEnvironment | None = None

    @staticmethod
    def read(flag_key: str) -> About:
        """Read it.

        :raises NotFound: when there is no such flag or project.
        """
        info = queries.flag(flag_key).info
        return About(info=info, stickiness=projects.project(info.project).default_stickiness)


def children(flag_key: str, *, project: str, environment: str | None = None) -> frozenset[str]:
    """Flags in use that depend on this one, in one environment or any."""
    rows = FlagEnvironment.objects.filter(project=project, content__contains=queries.HAS_DEPENDENCIES)
    if environment is not None:
        rows = rows.filter(environment=environment)
    found = {row.flag for row in rows if any(d["flag"] == flag_key for d in row.state["dependencies"])}
    if not found:
        return frozenset()
    return frozenset(Flag.objects.filter(key__in=found, archived=False).values_list("key", flat=True))


def _parents(config: FlagConfig, *, environment: str, together: Mapping[str, FlagConfig]) -> dict[str, Parent]:
    names = {d.flag for d in config.dependencies}
    configs = {
        str(row.flag): queries.to_config(row).config
        for row in FlagEnvironment.objects.filter(flag__in=names, environment=environment)
    } | {name: together[name] for name in names & together.keys()}
    found: dict[str, Parent] = {}
    for row in Flag.objects.filter(key__in=names):
        info = queries.to_flag(row).info
        there = configs.get(info.key, FlagConfig())
        variants = {v.name for v in there.variants} | {v.name for s in there.strategies for v in s.variants}
        found[info.key] = Parent(
            project=info.project,
            configured=info.key in configs,
            archived=info.archived,
            has_parents=bool(there.dependencies),
            variants=frozenset(variants),
        )
    return found


def read(
    config: FlagConfig,
    *,
    flag_key: str,
    environment: str,
    together: Mapping[str, FlagConfig] | None = None,
    segments: Collection[str] = (),
    about: About | None = None,
) -> Surroundings:
    """What this content is checked against; reads only what it needs.

    ``together`` are other flags' new contents in the same change, ``segments`` keys of segments that the same change
    defines in this environment, ``about`` what was read of the flag already.

    :raises NotFound: when there is no such flag or project.
    """
    about = About.read(flag_key) if about is None else about
    project = about.info.project
    wanted = {key for strategy in config.strategies for key in strategy.segments}
    known: frozenset[str] = frozenset()
    defined: frozenset[str] = frozenset()
    if wanted:
        known = frozenset(Segment.objects.filter(project=project, key__in=wanted).values_list("key", flat=True))
        rows = SegmentEnvironment.objects.filter(project=project, environment=environment, segment__in=wanted)
        defined = frozenset(rows.values_list("segment", flat=True)) | frozenset(segments)
    others = {key: c for key, c in (together or {}).items() if key != flag_key}
    below = frozenset[str]()
    if config.dependencies:
        below = children(flag_key, project=project, environment=environment) - others.keys()
        below |= {key for key, c in others.items() if any(d.flag == flag_key for d in c.dependencies)}
    return Surroundings(
        flag=flag_key,
        project=project,
        environment=environment,
        default_stickiness=about.stickiness,
        segments=defined,
        known_segments=known,
        parents=_parents(config, environment=environment, together=others) if config.dependencies else {},
        children=below,
    )


def check(
    config: FlagConfig,
    *,
    flag_key: str,
    environment: str,
    together: Mapping[str, FlagConfig] | None = None,
    segments: Collection[str] = (),
    about: About | None = None,
) -> Checked:
    """The canonical form of a flag's content in one environment, with warnings; arguments as in :func:`read`.

    :raises Invalid: naming every field that is wrong, with the remedy.
    :raises NotFound: when there is no such flag.
    """
    around = read(config, flag_key=flag_key, environment=environment, together=together, segments=segments, about=about)
    made = check_config(config, about=around)
    return Checked(config=made, warnings=tuple(warnings(made)))
