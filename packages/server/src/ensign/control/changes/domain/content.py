"""Strict JSON forms of what a flag's content is made of; the inverse of each type's ``to_state``."""

from __future__ import annotations

from typing import Any

from ensign.control.changes.domain.reading import Reader
from ensign.control.flags.domain import Constraint, Dependency, Override, Payload, Strategy, Variant


def read_constraint(value: Any, path: str) -> Constraint:
    """A constraint from JSON; ``values``, ``value``, ``inverted`` and ``case_insensitive`` may be left out."""
    reader = Reader(value, path)
    made = Constraint(
        context_name=reader.text("context_name"),
        operator=reader.text("operator"),
        values=reader.texts("values", ()),
        value=reader.optional_text("value"),
        inverted=reader.boolean("inverted", False),
        case_insensitive=reader.boolean("case_insensitive", False),
    )
    reader.end()
    return made


def _payload(value: Any, path: str) -> Payload:
    reader = Reader(value, path)
    made = Payload(type=reader.text("type"), value=reader.text("value"))
    reader.end()
    return made


def _override(value: Any, path: str) -> Override:
    reader = Reader(value, path)
    made = Override(context_name=reader.text("context_name"), values=reader.texts("values"))
    reader.end()
    return made


def read_variant(value: Any, path: str) -> Variant:
    """A variant from JSON; all but ``name`` and ``weight`` may be left out."""
    reader = Reader(value, path)
    made = Variant(
        name=reader.text("name"),
        weight=reader.integer("weight", most=1000),
        weight_type=reader.text("weight_type", "variable"),
        stickiness=reader.text("stickiness", "default"),
        payload=reader.optional_inner("payload", _payload),
        overrides=reader.items("overrides", _override, ()),
    )
    reader.end()
    return made


def read_strategy(value: Any, path: str) -> Strategy:
    """A strategy from JSON. Without ``id`` it has the empty one: the write door gives it a new one."""
    reader = Reader(value, path)
    made = Strategy(
        id=reader.text("id", ""),
        name=reader.text("name"),
        title=reader.text("title", ""),
        parameters=reader.mapping("parameters", {}),
        constraints=reader.items("constraints", read_constraint, ()),
        segments=reader.texts("segments", ()),
        variants=reader.items("variants", read_variant, ()),
        disabled=reader.boolean("disabled", False),
    )
    reader.end()
    return made


def read_dependency(value: Any, path: str) -> Dependency:
    """A dependency from JSON; without ``enabled`` the parent must be on."""
    reader = Reader(value, path)
    made = Dependency(
        flag=reader.text("flag"), enabled=reader.boolean("enabled", True), variants=reader.texts("variants", ())
    )
    reader.end()
    return made


def dependency_state(dependency: Dependency) -> dict[str, Any]:
    """JSON form of a dependency."""
    return {"flag": dependency.flag, "enabled": dependency.enabled, "variants": list(dependency.variants)}
