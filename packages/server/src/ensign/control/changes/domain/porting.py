"""Documents of flags and segments that travel between environments, projects and installations. Pure.

Ensign's own form (docs/reference/import-export)::

    {"format": "ensign-export-1", "project": "shop", "environment": "production",
     "segments": [{"key", "name", "description", "constraints": [...] or null}],
     "flags": [{"key", "type", "description", "tags", "tier",
                "content": {"enabled", "strategies", "variants", "dependencies"} or null}]}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ensign.control.changes.domain.content import read_constraint, read_dependency, read_strategy, read_variant
from ensign.control.changes.domain.reading import Reader, refuse
from ensign.control.flags.domain import DEFAULT_TIER, Constraint, FlagConfig, Strategy
from ensign.control.kernel.errors import Invalid

FORMAT = "ensign-export-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortedSegment:
    """A segment. ``constraints`` None: the document does not hold them."""

    key: str
    name: str
    description: str = ""
    constraints: tuple[Constraint, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortedFlag:
    """A flag. ``content`` None: it was never configured where the document comes from. ``problem``: why it cannot be
    taken, when that is known from the document alone.
    """

    key: str
    type: str = "release"
    description: str = ""
    tags: tuple[str, ...] = ()
    tier: str = DEFAULT_TIER
    content: FlagConfig | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is brought. ``notes`` say what of the source has no place here."""

    flags: tuple[PortedFlag, ...] = ()
    segments: tuple[PortedSegment, ...] = ()
    notes: tuple[str, ...] = ()

    def only(self, keys: Collection[str]) -> Document:
        """The same with these flags alone, and the segments that they use.

        :raises Invalid: naming a key that the document does not hold.
        """
        missing = sorted(set(keys) - {flag.key for flag in self.flags})
        if missing:
            raise refuse("flags", f"the document holds no flag {missing[0][:100]}")
        kept = tuple(flag for flag in self.flags if flag.key in keys)
        used = {key for flag in kept for key in used_segments(flag.content)}
        return replace(self, flags=kept, segments=tuple(s for s in self.segments if s.key in used))


def used_segments(config: FlagConfig | None) -> frozenset[str]:
    """Keys of the segments that a content refers to."""
    return frozenset(() if config is None else (key for s in config.strategies for key in s.segments))


def to_json(document: Document, *, project: str, environment: str) -> dict[str, Any]:
    """The document in Ensign's own form."""
    return {
        "format": FORMAT,
        "project": project,
        "environment": environment,
        "segments": [
            {
                "key": s.key,
                "name": s.name,
                "description": s.description,
                "constraints": None if s.constraints is None else [c.to_state() for c in s.constraints],
            }
            for s in document.segments
        ],
        "flags": [
            {
                "key": f.key,
                "type": f.type,
                "description": f.description,
                "tags": list(f.tags),
                "tier": f.tier,
                "content": None if f.content is None else f.content.to_state(),
            }
            for f in document.flags
        ],
    }


def from_json(value: Any) -> Document:
    """The inverse of :func:`to_json`; where it came from is not needed.

    :raises Invalid: naming the field that is wrong, missing or unknown.
    """
    reader = Reader(value, "")
    if "format" not in value:
        raise Invalid(
            "This is no export of Ensign, nor one of Unleash.",
            remedy="Give what the page or `ensign flags export` wrote, or Unleash's own export of features.",
            fields={"format": "is missing"},
        )
    if reader.text("format") != FORMAT:
        raise refuse("format", f"must be {FORMAT}")
    reader.text("project", "")
    reader.text("environment", "")
    made = Document(
        segments=reader.items("segments", _segment, ()),
        flags=reader.items("flags", _flag),
    )
    reader.end()
    return made


def _segment(value: Any, path: str) -> PortedSegment:
    reader = Reader(value, path)
    key = reader.text("key")
    made = PortedSegment(
        key=key,
        name=reader.text("name", key),
        description=reader.text("description", ""),
        constraints=reader.optional_inner("constraints", _constraints),
    )
    reader.end()
    return made


def _constraints(value: Any, path: str) -> tuple[Constraint, ...]:
    return Reader({"constraints": value}, path).items("constraints", read_constraint)


def _flag(value: Any, path: str) -> PortedFlag:
    reader = Reader(value, path)
    made = PortedFlag(
        key=reader.text("key"),
        type=reader.text("type", "release"),
        description=reader.text("description", ""),
        tags=reader.texts("tags", ()),
        tier=reader.text("tier", DEFAULT_TIER),
        content=reader.optional_inner("content", _content),
    )
    reader.end()
    return made


def _content(value: Any, path: str) -> FlagConfig:
    reader = Reader(value, path)
    made = FlagConfig(
        enabled=reader.boolean("enabled", False),
        strategies=reader.items("strategies", read_strategy, ()),
        variants=reader.items("variants", read_variant, ()),
        dependencies=reader.items("dependencies", read_dependency, ()),
    )
    reader.end()
    return made


def renamed(document: Document, names: Mapping[str, str]) -> Document:
    """The same with other keys for some flags. Dependencies among the flags of the document follow; a roll-out's group
    that was the flag's own key becomes the new one, so that the two flags divide their users apart.
    """

    def strategy(value: Strategy, key: str) -> Strategy:
        if value.parameters.get("groupId") != key:
            return value
        return replace(value, parameters={**value.parameters, "groupId": names[key]})

    def content(value: FlagConfig, key: str) -> FlagConfig:
        strategies = tuple(strategy(s, key) for s in value.strategies) if key in names else value.strategies
        parents = tuple(replace(d, flag=names.get(d.flag, d.flag)) for d in value.dependencies)
        return replace(value, strategies=strategies, dependencies=parents)

    flags = tuple(
        replace(f, key=names.get(f.key, f.key), content=None if f.content is None else content(f.content, f.key))
        for f in document.flags
    )
    return replace(document, flags=flags)


def placed(wanted: FlagConfig, here: FlagConfig) -> FlagConfig:
    """``wanted`` with the ids of the strategies that it replaces here; others have an empty id.

    A strategy takes the place of the one with its id, else of one that is the same, else of the next of its type.
    """
    free = list(here.strategies)
    found: list[Strategy | None] = [None] * len(wanted.strategies)

    def same(one: Strategy, other: Strategy) -> bool:
        return replace(one, id="") == replace(other, id="")

    for alike in (lambda one, other: one.id == other.id, same, lambda one, other: one.name == other.name):
        for place, one in enumerate(wanted.strategies):
            if found[place] is None:
                other = next((o for o in free if alike(one, o)), None)
                if other is not None:
                    found[place] = other
                    free.remove(other)
    strategies = tuple(
        replace(one, id="" if other is None else other.id) for one, other in zip(wanted.strategies, found, strict=True)
    )
    return replace(wanted, strategies=strategies)


def without_switch(document: Document) -> Document:
    """The same with every flag off."""
    flags: Sequence[PortedFlag] = [
        f if f.content is None else replace(f, content=replace(f.content, enabled=False)) for f in document.flags
    ]
    return replace(document, flags=tuple(flags))
