"""What a flag is, as frozen values; no Django, no I/O. Wire names appear only in ``publishing``.

A flag's key and metadata (:class:`FlagInfo`) are shared; its content (:class:`FlagConfig`) is per environment.
``to_state``/``from_state`` convert to the JSON that the ledger commits to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ensign.control.access.domain import FlagFacts
from ensign.control.segments.domain import Constraint as Constraint

FlagType = Literal["release", "experiment", "operational", "kill-switch", "permission"]

#: The risk tier of a flag of which nobody has said another.
DEFAULT_TIER = "medium"

#: Expected lifetime in days; None means permanent.
LIFETIMES: Mapping[str, int | None] = {
    "release": 40,
    "experiment": 40,
    "operational": 7,
    "kill-switch": None,
    "permission": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What a variant carries: ``type`` is ``string|json|csv|number``, ``value`` always text."""

    type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Forces a variant for listed values of a context field (environment-level variants only)."""

    context_name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A weighted alternative; weights of a list sum to 1000. ``weight_type`` is ``variable`` or ``fix``."""

    name: str
    weight: int
    weight_type: str = "variable"
    stickiness: str = "default"
    payload: Payload | None = None
    overrides: tuple[Override, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "name": self.name,
            "weight": self.weight,
            "weight_type": self.weight_type,
            "stickiness": self.stickiness,
            "payload": None if self.payload is None else {"type": self.payload.type, "value": self.payload.value},
            "overrides": [{"context_name": o.context_name, "values": list(o.values)} for o in self.overrides],
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Variant:
        """The inverse of :meth:`to_state`."""
        payload = state["payload"]
        overrides = tuple(
            Override(context_name=o["context_name"], values=tuple(o["values"])) for o in state["overrides"]
        )
        return Variant(**{**state, "payload": None if payload is None else Payload(**payload), "overrides": overrides})


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Who gets the flag: ``name`` is the strategy type (``flexibleRollout``, ``default``, …), ``id`` is ``str_…``.

    ``segments`` are segment keys. Constraints and segments are ANDed; strategies of a flag are ORed in order.
    """

    id: str
    name: str
    title: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    segments: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    disabled: bool = False

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title,
            "parameters": dict(self.parameters),
            "constraints": [c.to_state() for c in self.constraints],
            "segments": list(self.segments),
            "variants": [v.to_state() for v in self.variants],
            "disabled": self.disabled,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Strategy:
        """The inverse of :meth:`to_state`."""
        return Strategy(
            **{
                **state,
                "parameters": dict(state["parameters"]),
                "constraints": tuple(Constraint.from_state(c) for c in state["constraints"]),
                "segments": tuple(state["segments"]),
                "variants": tuple(Variant.from_state(v) for v in state["variants"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A parent flag (by key) that must be on, off, or on with one of ``variants``."""

    flag: str
    enabled: bool = True
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagConfig:
    """A flag's content in one environment."""

    enabled: bool = False
    strategies: tuple[Strategy, ...] = ()
    variants: tuple[Variant, ...] = ()
    dependencies: tuple[Dependency, ...] = ()

    def to_state(self) -> dict[str, Any]:
        """JSON form (without the keys that say which flag and environment this is)."""
        return {
            "enabled": self.enabled,
            "strategies": [s.to_state() for s in self.strategies],
            "variants": [v.to_state() for v in self.variants],
            "dependencies": [
                {"flag": d.flag, "enabled": d.enabled, "variants": list(d.variants)} for d in self.dependencies
            ],
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> FlagConfig:
        """The inverse of :meth:`to_state`; further keys of ``state`` are ignored."""
        return FlagConfig(
            enabled=state["enabled"],
            strategies=tuple(Strategy.from_state(s) for s in state["strategies"]),
            variants=tuple(Variant.from_state(v) for v in state["variants"]),
            dependencies=tuple(
                Dependency(flag=d["flag"], enabled=d["enabled"], variants=tuple(d["variants"]))
                for d in state["dependencies"]
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagInfo:
    """What all environments share. ``owner`` is a person's or group's id; dates are ISO texts.

    ``tier`` is the risk tier; flags from before there were any are of medium risk.
    """

    key: str
    project: str
    type: FlagType = "release"
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    impression_data: bool = False
    archived: bool = False
    created_at: str = ""
    expected_removal_on: str | None = None
    tier: str = DEFAULT_TIER

    @property
    def facts(self) -> FlagFacts:
        """What of it decides whose narrowed roles cover it, what a policy asks of its changes, and who may approve."""
        return FlagFacts(self.type, frozenset(self.tags), self.tier, self.owner)

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "key": self.key,
            "project": self.project,
            "type": self.type,
            "description": self.description,
            "owner": self.owner,
            "tags": list(self.tags),
            "impression_data": self.impression_data,
            "archived": self.archived,
            "created_at": self.created_at,
            "expected_removal_on": self.expected_removal_on,
            "tier": self.tier,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> FlagInfo:
        """The inverse of :meth:`to_state`."""
        return FlagInfo(**{**state, "tags": tuple(state["tags"])})
