"""Flags as the wire describes them, read leniently (wire contracts, 3.1.2; semantics, sections 3 to 9).

One odd field spoils at most the strategy it stands in, never the document: what cannot be understood is kept
as `malformed`, and evaluation treats it as section 6.1 says.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, Self

from ensign_engine.context import text


class FrozenDict(dict[str, Any]):
    """A dictionary that refuses changes, so that a prebuilt variant can be handed to everyone."""

    __slots__ = ()

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError("this dictionary belongs to a ruleset and cannot be changed; copy it with dict(...)")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, _memo: object) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


class ConstraintDefinition(NamedTuple):
    """One constraint; `value` is None when missing, `values` empty when missing."""

    context_name: str
    operator: str
    values: tuple[str, ...]
    value: str | None
    inverted: bool
    case_insensitive: bool

    @classmethod
    def read(cls, raw: object) -> Self:
        """From a wire object; anything else becomes a constraint with no operator, which is false."""
        data = raw if isinstance(raw, dict) else {}
        return cls(
            context_name=text(data.get("contextName")) or "",
            operator=text(data.get("operator")) or "",
            values=_texts(data.get("values")),
            value=text(data.get("value")),
            inverted=data.get("inverted") is True,
            case_insensitive=data.get("caseInsensitive") is True,
        )


class SegmentDefinition(NamedTuple):
    """A named list of constraints that strategies share; `constraints` is None when it is no list."""

    id: int
    name: str
    constraints: tuple[ConstraintDefinition, ...] | None

    @classmethod
    def read(cls, segment_id: int, raw: Mapping[str, Any]) -> Self:
        """From a wire object that was found under `segment_id`."""
        return cls(segment_id, text(raw.get("name")) or "", _constraints(raw.get("constraints")))


class OverrideDefinition(NamedTuple):
    """A variant's override: contexts whose `context_name` is among `values` get the variant."""

    context_name: str
    values: tuple[str, ...]


class VariantDefinition(NamedTuple):
    """One variant of a flag or a strategy; a weight that is no whole number counts as 0."""

    name: str
    weight: int
    stickiness: str
    payload: FrozenDict | None
    overrides: tuple[OverrideDefinition, ...]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """From a wire object."""
        weight = raw.get("weight")
        payload = raw.get("payload")
        overrides = raw.get("overrides")
        return cls(
            name=text(raw.get("name")) or "",
            weight=weight if isinstance(weight, int) and not isinstance(weight, bool) and weight > 0 else 0,
            stickiness=text(raw.get("stickiness")) or "",
            payload=FrozenDict(payload) if isinstance(payload, dict) else None,
            overrides=tuple(
                OverrideDefinition(text(item.get("contextName")) or "", _texts(item.get("values")))
                for item in (overrides if isinstance(overrides, list) else ())
                if isinstance(item, dict)
            ),
        )


class StrategyDefinition(NamedTuple):
    """One strategy. `constraints` or `segments` is None when present but no list: the strategy is off."""

    name: str
    parameters: Mapping[str, str]
    constraints: tuple[ConstraintDefinition, ...] | None
    segments: tuple[object, ...] | None
    variants: tuple[VariantDefinition, ...]

    @classmethod
    def read(cls, raw: object) -> Self:
        """From a wire object; anything else becomes a strategy without a name, which is off."""
        data = raw if isinstance(raw, dict) else {}
        parameters = data.get("parameters")
        segments = data.get("segments")
        return cls(
            name=text(data.get("name")) or "",
            parameters=FrozenDict(
                (key, value)
                for key, value in (
                    (key, text(value)) for key, value in (parameters if isinstance(parameters, dict) else {}).items()
                )
                if value is not None
            ),
            constraints=_constraints(data.get("constraints")),
            segments=() if segments is None else tuple(segments) if isinstance(segments, list) else None,
            variants=_variants(data.get("variants")),
        )


class DependencyDefinition(NamedTuple):
    """A parent that must be on (or off, or on a named variant) for this flag to be on (section 8)."""

    feature: str
    enabled: bool
    variants: tuple[str, ...]


class FlagDefinition(NamedTuple):
    """One flag as the document describes it; `strategies` is None when the list is missing (malformed: off).

    `raw` is the wire object itself: read it, never change it.
    """

    name: str
    type: str
    project: str
    description: str
    enabled: bool
    stale: bool
    impression_data: bool
    strategies: tuple[StrategyDefinition, ...] | None
    variants: tuple[VariantDefinition, ...]
    dependencies: tuple[DependencyDefinition, ...]
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """From a wire object whose `name` is known to be a string."""
        strategies = raw.get("strategies")
        return cls(
            name=raw["name"],
            type=text(raw.get("type")) or "",
            project=text(raw.get("project")) or "",
            description=text(raw.get("description")) or "",
            enabled=raw.get("enabled") is True,
            stale=raw.get("stale") is True,
            impression_data=raw.get("impressionData") is True,
            strategies=tuple(map(StrategyDefinition.read, strategies)) if isinstance(strategies, list) else None,
            variants=_variants(raw.get("variants")),
            dependencies=read_dependencies(raw),
            raw=MappingProxyType(raw) if isinstance(raw, dict) else raw,
        )


def read_dependencies(raw: Mapping[str, Any]) -> tuple[DependencyDefinition, ...]:
    """The dependencies of a wire flag; an entry that is no object names no parent and so is unsatisfied."""
    found = raw.get("dependencies")
    if not isinstance(found, list):
        return ()
    return tuple(
        DependencyDefinition(
            feature=text(item.get("feature")) or "",
            enabled=item.get("enabled") is not False,
            variants=_texts(item.get("variants")),
        )
        for item in (entry if isinstance(entry, dict) else {} for entry in found)
    )


def _texts(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list):
        return ()
    return tuple(item for item in map(text, raw) if item is not None)


def _constraints(raw: object) -> tuple[ConstraintDefinition, ...] | None:
    if raw is None:
        return ()
    return tuple(map(ConstraintDefinition.read, raw)) if isinstance(raw, list) else None


def _variants(raw: object) -> tuple[VariantDefinition, ...]:
    if not isinstance(raw, list):
        return ()
    return tuple(VariantDefinition.read(item) for item in raw if isinstance(item, dict))
