"""Reading what Unleash exports: ``POST /api/admin/features-batch/export`` (versions 4.17 and later) and the older
``/api/admin/state/export`` (its versions 3 and 4). Pure.

Read leniently: further fields are ignored, and a flag that cannot be taken says why; the rest goes on. In these
documents a flag is a "feature".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ensign.control.changes.domain.porting import Document, PortedFlag, PortedSegment
from ensign.control.changes.domain.reading import refuse
from ensign.control.flags.domain import (
    LIFETIMES,
    Constraint,
    Dependency,
    FlagConfig,
    Override,
    Payload,
    Strategy,
    Variant,
)
from ensign.control.flags.strategies import TYPES
from ensign.control.kernel.errors import Invalid

_NOT_KEY = re.compile(r"[^A-Za-z0-9_~-]+")
_NOT_TAG = re.compile(r"[^A-Za-z0-9_.:/-]+")


def recognised(value: Any) -> bool:
    """Whether this is an export of Unleash."""
    return isinstance(value, Mapping) and "features" in value and "featureStrategies" in value


def environments(value: Any) -> tuple[str, ...]:
    """The environments that the export holds content of, sorted; the batch export holds one."""
    rows = [*_rows(value, "featureEnvironments"), *_rows(value, "featureStrategies")]
    return tuple(sorted({name for row in rows if (name := _text(row, "environment"))}))


def read(value: Any, *, environment: str = "") -> Document:
    """The document, with the content of one environment.

    :raises Invalid: when it is no export, or holds several environments and none of them is named.
    """
    if not recognised(value):
        raise Invalid("This is no export of Unleash.", fields={"document": "It has no features and featureStrategies."})
    known = environments(value)
    if environment and known and environment not in known:
        raise refuse("source_environment", f"the export holds {', '.join(known)}")
    if not environment and len(known) > 1:
        raise Invalid(
            f"The export holds several environments: {', '.join(known)}.",
            fields={"source_environment": "Say from which environment to take the content."},
        )
    chosen = environment or (known[0] if known else "")
    segments = {str(row.get("id")): _segment(row) for row in _rows(value, "segments")}
    keys = {id: segment.key for id, segment in segments.items()}
    flags = tuple(_flag(row, value, chosen, keys) for row in _rows(value, "features"))
    return Document(flags=flags, segments=tuple(segments.values()), notes=_notes(value))


def _rows(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = value.get(name) or []
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise refuse(name, "must be a list of objects")
    return found


def _text(row: Mapping[str, Any], name: str, default: str = "") -> str:
    found = row.get(name)
    return default if found is None else found if isinstance(found, str) else str(found)


def _texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = row.get(name)
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def _mine(rows: Iterable[Mapping[str, Any]], flag: str, environment: str) -> list[Mapping[str, Any]]:
    """The rows of a flag, in the environment where they name one."""
    return [
        row
        for row in rows
        if _text(row, "featureName") == flag and _text(row, "environment", environment) in {environment, ""}
    ]


def _segment(row: Mapping[str, Any]) -> PortedSegment:
    name = _text(row, "name")
    key = _NOT_KEY.sub("-", name).strip("-").lower()[:100] or f"segment-{_text(row, 'id')}"
    constraints = tuple(_constraint(c) for c in _rows(row, "constraints")) if "constraints" in row else None
    return PortedSegment(key=key, name=name or key, description=_text(row, "description"), constraints=constraints)


def _constraint(row: Mapping[str, Any]) -> Constraint:
    value = row.get("value")
    return Constraint(
        context_name=_text(row, "contextName"),
        operator=_text(row, "operator"),
        values=_texts(row, "values"),
        value=None if value is None or value == "" else str(value),
        inverted=row.get("inverted") is True,
        case_insensitive=row.get("caseInsensitive") is True,
    )


def _flag(
    row: Mapping[str, Any], value: Mapping[str, Any], environment: str, segments: Mapping[str, str]
) -> PortedFlag:
    key, kind = _text(row, "name"), _text(row, "type", "release")
    tags = [r for r in _rows(value, "featureTags") if _text(r, "featureName") == key]
    made = PortedFlag(
        key=key,
        type=kind if kind in LIFETIMES else "release",
        description=_text(row, "description"),
        tags=tuple(sorted({_tag(r) for r in tags} - {""}))[:20],
    )
    if row.get("archived") is True or row.get("archivedAt"):
        return _refused(made, "It is archived in the export.")
    here = _mine(_rows(value, "featureEnvironments"), key, environment)
    strategies = _mine(_rows(value, "featureStrategies"), key, environment)
    unknown = sorted({_kind(s) for s in strategies} - TYPES.keys())
    if unknown:
        return _refused(made, f"It uses the strategy “{unknown[0][:60]}”, which is not built in.")
    if not here and not strategies:
        return made
    try:
        content = FlagConfig(
            enabled=any(r.get("enabled") is True for r in here),
            strategies=_strategies(strategies, value, segments),
            variants=_variants(next((r for r in here if r.get("variants")), row)),
            dependencies=_dependencies(value, key),
        )
    except KeyError as error:
        return _refused(made, f"It uses the segment {error.args[0]}, which the export does not name.")
    return PortedFlag(key=made.key, type=made.type, description=made.description, tags=made.tags, content=content)


def _refused(flag: PortedFlag, problem: str) -> PortedFlag:
    return PortedFlag(key=flag.key, type=flag.type, description=flag.description, tags=flag.tags, problem=problem)


def _kind(row: Mapping[str, Any]) -> str:
    return _text(row, "name") or _text(row, "strategyName")


def _tag(row: Mapping[str, Any]) -> str:
    kind, text = _text(row, "tagType", "simple"), _text(row, "tagValue")
    return _NOT_TAG.sub("-", text if kind == "simple" else f"{kind}:{text}").strip("-")[:50]


def _strategies(
    rows: list[Mapping[str, Any]], value: Mapping[str, Any], segments: Mapping[str, str]
) -> tuple[Strategy, ...]:
    pairs = _rows(value, "featureStrategySegments")
    made = []
    for row in sorted(rows, key=lambda r: r["sortOrder"] if isinstance(r.get("sortOrder"), int) else 0):
        ids = list(_texts(row, "segments"))
        ids += [_text(p, "segmentId") for p in pairs if _text(p, "featureStrategyId") == _text(row, "id", "?")]
        parameters = row.get("parameters")
        made.append(
            Strategy(
                id="",
                name=_kind(row),
                title=_text(row, "title"),
                parameters={str(k): "" if v is None else str(v) for k, v in parameters.items()}
                if isinstance(parameters, Mapping)
                else {},
                constraints=tuple(_constraint(c) for c in _rows(row, "constraints")),
                segments=tuple(dict.fromkeys(segments[id] for id in ids)),
                variants=_variants(row),
                disabled=row.get("disabled") is True,
            )
        )
    return tuple(made)


def _variants(row: Mapping[str, Any]) -> tuple[Variant, ...]:
    made = []
    for one in _rows(row, "variants"):
        payload = one.get("payload")
        weight = one.get("weight")
        made.append(
            Variant(
                name=_text(one, "name"),
                weight=weight if isinstance(weight, int) else 0,
                weight_type=_text(one, "weightType", "variable"),
                stickiness=_text(one, "stickiness", "default"),
                payload=Payload(type=_text(payload, "type"), value=_text(payload, "value"))
                if isinstance(payload, Mapping)
                else None,
                overrides=tuple(
                    Override(context_name=_text(o, "contextName"), values=_texts(o, "values"))
                    for o in _rows(one, "overrides")
                ),
            )
        )
    return tuple(made)


def _dependencies(value: Mapping[str, Any], key: str) -> tuple[Dependency, ...]:
    return tuple(
        Dependency(
            flag=_text(d, "feature"),
            enabled=d.get("enabled") is not False,
            variants=_texts(d, "variants"),
        )
        for row in _rows(value, "dependencies")
        if _text(row, "feature") == key
        for d in _rows(row, "dependencies")
    )


def _notes(value: Mapping[str, Any]) -> tuple[str, ...]:
    """What of the export has no place here."""
    found = []
    if _rows(value, "contextFields"):
        found.append("Context fields are not taken: Ensign keeps no list of them; any field can be used.")
    if any(row.get("impressionData") is True for row in _rows(value, "features")):
        found.append("Impression data is not switched on: it reaches every environment, so ask for it by itself.")
    if any(row.get("stale") is True for row in _rows(value, "features")):
        found.append("That a flag is stale is not taken: here it follows from its expected removal.")
    return tuple(found)
