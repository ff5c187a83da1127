"""The operation that changes what policies and narrowed roles go by: a flag's type, tags, risk tier and owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from ensign.control.changes.domain.base import Operation, operation_type
from ensign.control.changes.domain.reading import Reader
from ensign.control.changes.domain.world import Ref, World
from ensign.control.flags.domain import FlagInfo, FlagType


@operation_type("flag.classify")
@dataclass(frozen=True, slots=True, kw_only=True)
class FlagClassify(Operation):
    """Give a flag another type, tags, risk tier and owner. Answers to what is asked of the flag before *and* after.

    All four are given, so that what was reviewed is what will be. ``owner`` is a person's or group's id, or empty.
    """

    reach = "project"

    flag: str
    flag_type: str
    tags: tuple[str, ...]
    tier: str
    owner: str

    def body(self) -> dict[str, Any]:
        return {
            "flag": self.flag,
            "flag_type": self.flag_type,
            "tags": list(self.tags),
            "tier": self.tier,
            "owner": self.owner,
        }

    @classmethod
    def read(cls, reader: Reader) -> Operation:
        return cls(
            flag=reader.text("flag"),
            flag_type=reader.text("flag_type"),
            tags=reader.texts("tags"),
            tier=reader.text("tier"),
            owner=reader.text("owner"),
        )

    def touches(self, environment: str) -> tuple[Ref, ...]:  # noqa: ARG002 — the same in every environment
        return (Ref("flag", "", self.flag),)

    def apply(self, world: World) -> World:
        return world.with_info(classified(world.info(self.flag), self))

    def invert(self, before: World) -> tuple[Operation, ...]:
        return (of_info(before.info(self.flag)),)

    def describe(self, before: World) -> str:
        old, new = before.info(self.flag), classified(before.info(self.flag), self)
        said = [
            f"its {label} goes from {was} to {now}"
            for label, was, now in (
                ("type", old.type, new.type),
                ("risk tier", old.tier, new.tier),
                ("tags", ", ".join(old.tags) or "none", ", ".join(new.tags) or "none"),
                ("owner", old.owner or "nobody", new.owner or "nobody"),
            )
            if was != now
        ]
        return f"{self.flag} is classified anew: {'; '.join(said) or 'as it is'}."


def of_info(info: FlagInfo) -> FlagClassify:
    """The operation that classifies a flag as ``info`` is."""
    return FlagClassify(flag=info.key, flag_type=info.type, tags=info.tags, tier=info.tier, owner=info.owner)


def classified(info: FlagInfo, operation: FlagClassify) -> FlagInfo:
    """A flag's shared part as the operation leaves it."""
    return replace(
        info,
        type=cast(FlagType, operation.flag_type),
        tags=operation.tags,
        tier=operation.tier,
        owner=operation.owner,
    )


def classifying(operations: Iterable[Operation]) -> tuple[FlagClassify, ...]:
    """Those of the operations that classify a flag anew."""
    return tuple(operation for operation in operations if isinstance(operation, FlagClassify))
