"""Operations on a flag as a whole: on, off, archived, impressions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ensign.control.changes.domain.base import Operation, operation_type
from ensign.control.changes.domain.reading import Reader
from ensign.control.changes.domain.world import OperationError, Ref, World


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnFlag(Operation):
    flag: str

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnShared(_OnFlag):
    """On what all environments share."""

    reach = "project"

    def touches(self, environment: str) -> tuple[Ref, ...]:  # noqa: ARG002 — the same in every environment
        return (Ref("flag", "", self.flag),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnSwitch(_OnFlag):
    """On whether the flag is on in the environment."""

    def touches(self, environment: str) -> tuple[Ref, ...]:
        return (Ref("config", environment, self.flag),)


def _switch(world: World, flag: str, on: bool) -> World:
    config = world.live(flag)
    if config.enabled is on:
        raise OperationError(f"{flag} is already {'on' if on else 'off'} in {world.environment}.")
    return world.with_config(flag, replace(config, enabled=on))


@operation_type("flag.enable")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagEnable(_OnSwitch):
    """Switch a flag on in the environment."""

    def apply(self, world: World) -> World:
        return _switch(world, self.flag, True)

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (FlagDisable(flag=self.flag),)

    def describe(self, before: World) -> str:
        return f"{self.flag} is switched on in {before.environment}."


@operation_type("flag.disable")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDisable(_OnSwitch):
    """Switch a flag off in the environment."""

    def apply(self, world: World) -> World:
        return _switch(world, self.flag, False)

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (FlagEnable(flag=self.flag),)

    def describe(self, before: World) -> str:
        return f"{self.flag} is switched off in {before.environment}."


@operation_type("flag.archive")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagArchive(_OnShared):
    """Take a flag out of every environment's ruleset; it can be revived."""

    def apply(self, world: World) -> World:
        world.live(self.flag)
        return world.with_info(replace(world.info(self.flag), archived=True))

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (FlagRevive(flag=self.flag),)

    def describe(self, before: World) -> str:
        return f"{self.flag} is archived: it leaves the rulesets of every environment of {before.project}."


@operation_type("flag.revive")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRevive(_OnShared):
    """Bring an archived flag back, in every environment as it was."""

    def apply(self, world: World) -> World:
        info = world.info(self.flag)
        if not info.archived:
            raise OperationError(f"{self.flag} is not archived.")
        return world.with_info(replace(info, archived=False))

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (FlagArchive(flag=self.flag),)

    def describe(self, before: World) -> str:
        return f"{self.flag} is revived: it comes back in every environment of {before.project} as it was."


@operation_type("flag.set_impressions")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagSetImpressions(_OnShared):
    """Let SDKs raise an event for every evaluation of the flag, or stop that, in every environment."""

    enabled: bool

    def body(self) -> dict[str, Any]:
        return {"flag": self.flag, "enabled": self.enabled}

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(flag=reader.text("flag"), enabled=reader.boolean("enabled"))

    def apply(self, world: World) -> World:
        world.live(self.flag)
        return world.with_info(replace(world.info(self.flag), impression_data=self.enabled))

    def invert(self, before: World) -> tuple[Operation, ...]:
        self.apply(before)
        return (FlagSetImpressions(flag=self.flag, enabled=before.info(self.flag).impression_data),)

    def describe(self, before: World) -> str:
        act = "start" if self.enabled else "stop"
        return (
            f"Applications {act} raising impression events for {self.flag}, in every environment of {before.project}."
        )
