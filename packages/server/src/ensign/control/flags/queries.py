"""Reads of flags, as frozen rows."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from ensign.control.audit import rows as governed
from ensign.control.flags.domain import FlagConfig, FlagInfo
from ensign.control.flags.models import Flag, FlagEnvironment
from ensign.control.kernel.errors import NotFound

#: How canonical JSON begins a list of dependencies that is not empty.
HAS_DEPENDENCIES = '"dependencies":[{'


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    """A flag's shared part with its version."""

    id: str
    version: int
    info: FlagInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRow:
    """A flag in one environment; ``id`` is None and ``version`` 0 while it was never configured there (it is off)."""

    id: str | None
    version: int
    flag: str
    project: str
    environment: str
    config: FlagConfig


def to_flag(row: Flag) -> FlagRow:
    """The frozen form of a row."""
    return FlagRow(id=row.pk, version=row.version, info=FlagInfo.from_state(row.state))


def to_config(row: FlagEnvironment) -> ConfigRow:
    """The frozen form of a row."""
    state = row.state
    return ConfigRow(
        id=row.pk,
        version=row.version,
        flag=state["flag"],
        project=state["project"],
        environment=state["environment"],
        config=FlagConfig.from_state(state),
    )


def flag(key: str) -> FlagRow:
    """The flag with this key, archived or not.

    :raises NotFound: when there is none.
    """
    found = governed.row(Flag, key=key)
    if found is None:
        raise NotFound(f"There is no flag “{key[:100]}”.", remedy="Look at the list of flags.")
    return to_flag(found)


def flags(project_key: str | None = None, *, archived: bool = False) -> list[FlagRow]:
    """Flags by key, of one project or all; ``archived`` ones only, or only the others."""
    rows = Flag.objects.filter(archived=archived)
    if project_key is not None:
        rows = rows.filter(project=project_key)
    return [to_flag(row) for row in rows.order_by("key")]


def owns(owner: str, *, projects: Collection[str]) -> bool:
    """Whether a person or group (an id) owns a flag in use in one of the projects."""
    rows = Flag.objects.filter(project__in=projects, archived=False, content__contains=f'"owner":{json.dumps(owner)}')
    return bool(owner) and rows.exists()


def search(text: str, *, projects: Collection[str], limit: int) -> list[FlagRow]:
    """Flags of ``projects``, archived ones too, whose key holds ``text`` in upper or lower case; by key."""
    rows = Flag.objects.filter(project__in=projects, key__icontains=text)
    return [to_flag(row) for row in rows.order_by("key")[:limit]]


def config(flag_key: str, environment_key: str) -> ConfigRow:
    """A flag in one environment of its project; the empty, disabled one with version 0 where never configured.

    :raises NotFound: when there is no such flag.
    """
    found = governed.row(FlagEnvironment, flag=flag_key, environment=environment_key)
    if found is not None:
        return to_config(found)
    project = flag(flag_key).info.project
    return ConfigRow(
        id=None, version=0, flag=flag_key, project=project, environment=environment_key, config=FlagConfig()
    )


def configs(project_key: str, environment_key: str | None = None) -> list[ConfigRow]:
    """Every configured flag of a project, in one environment or all, archived flags too."""
    rows = FlagEnvironment.objects.filter(project=project_key)
    if environment_key is not None:
        rows = rows.filter(environment=environment_key)
    return [to_config(row) for row in rows]


def configs_naming(project_key: str, environment_key: str, flag_key: str) -> list[ConfigRow]:
    """The configured flags of an environment whose content holds a flag's key: its own, and whatever depends on it.

    The database looks for the quoted key in the text, so that a thousand contents need not be read for a few; it may
    find one too many, and the caller looks at what it means.
    """
    quoted = json.dumps(flag_key, ensure_ascii=False)
    rows = FlagEnvironment.objects.filter(project=project_key, environment=environment_key, content__contains=quoted)
    return [to_config(row) for row in rows]


def configs_depending(project_key: str, environment_key: str) -> list[ConfigRow]:
    """The configured flags of an environment that depend on another one."""
    rows = FlagEnvironment.objects.filter(
        project=project_key, environment=environment_key, content__contains=HAS_DEPENDENCIES
    )
    return [to_config(row) for row in rows]


def configs_of(flag_key: str) -> dict[str, ConfigRow]:
    """Environment key -> the flag there, where it was configured."""
    return {str(row.environment): to_config(row) for row in FlagEnvironment.objects.filter(flag=flag_key)}
