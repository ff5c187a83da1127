"""What a segment is, as frozen values; no Django, no I/O.

A segment's key and name are shared; its constraints (:class:`SegmentConfig`) are per environment.
:class:`Constraint` lives here because segments and flags are made of the same constraints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One condition on the context. ``value`` is used by the single-value operators, ``values`` by the lists."""

    context_name: str
    operator: str
    values: tuple[str, ...] = ()
    value: str | None = None
    inverted: bool = False
    case_insensitive: bool = False

    def to_state(self) -> dict[str, Any]:
        """All members, always present, so that digests do not depend on defaults."""
        return {
            "context_name": self.context_name,
            "operator": self.operator,
            "values": list(self.values),
            "value": self.value,
            "inverted": self.inverted,
            "case_insensitive": self.case_insensitive,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Constraint:
        """The inverse of :meth:`to_state`."""
        return Constraint(**{**state, "values": tuple(state["values"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig:
    """A segment's content in one environment: all constraints must hold."""

    constraints: tuple[Constraint, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """JSON form (without the keys that say which segment and environment this is)."""
        return {"constraints": [c.to_state() for c in self.constraints]}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> SegmentConfig:
        """The inverse of :meth:`to_state`; further keys of ``state`` are ignored."""
        return SegmentConfig(constraints=tuple(Constraint.from_state(c) for c in state["constraints"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentInfo:
    """What all environments share. ``wire_id`` is the small integer by which SDKs know it, unique everywhere.

    ``mapped``: declared environment-mapped, so its constraints differ between environments by their nature (internal
    users, test accounts) and are no part of what must have run in a lower environment first.
    """

    key: str
    project: str
    name: str
    wire_id: int
    description: str = ""
    created_at: str = ""
    mapped: bool = False

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "key": self.key,
            "project": self.project,
            "name": self.name,
            "wire_id": self.wire_id,
            "description": self.description,
            "created_at": self.created_at,
            "mapped": self.mapped,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> SegmentInfo:
        """The inverse of :meth:`to_state`; an older state lacks ``mapped``."""
        return SegmentInfo(**state)
