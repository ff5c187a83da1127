"""From our words to those of Unleash's protocol (wire-contracts 3.1.2, 3.1.3 and 8). Pure.

One wrong type blanks a whole SDK, so everything here is text, integer or boolean, every list is present, nothing is
null, and strategies carry no id. What only people read (type, description, titles) does not travel: a change of it
alters nothing that an application sees and so needs no publication.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ensign.control.flags.domain import FlagConfig, FlagInfo, Strategy, Variant
from ensign.control.segments.domain import Constraint


def feature(info: FlagInfo, config: FlagConfig, *, segment_ids: Mapping[str, int]) -> dict[str, Any]:
    """A flag in one environment as SDKs get it. ``segment_ids`` maps the keys of its segments to their wire ids.

    Disabled strategies are left out; when all are, the flag is off, as an empty list means everybody.

    :raises KeyError: when a segment has no id.
    """
    live = [s for s in config.strategies if not s.disabled]
    made: dict[str, Any] = {
        "name": info.key,
        "enabled": config.enabled and bool(live or not config.strategies),
        "impressionData": info.impression_data,
        "project": info.project,
        "strategies": [_strategy(s, flag=info.key, segment_ids=segment_ids) for s in live],
        "variants": [_variant(v, overrides=True) for v in sorted(config.variants, key=lambda v: v.name)],
    }
    if config.dependencies:
        made["dependencies"] = [
            {"feature": d.flag, "enabled": d.enabled, **({"variants": list(d.variants)} if d.variants else {})}
            for d in config.dependencies
        ]
    return made


def segment(*, wire_id: int, key: str, constraints: Sequence[Constraint]) -> dict[str, Any]:
    """A segment in one environment as SDKs get it; its key stands for its name, which people may change."""
    return {"id": wire_id, "name": key, "constraints": [_constraint(c) for c in constraints]}


def _strategy(strategy: Strategy, *, flag: str, segment_ids: Mapping[str, int]) -> dict[str, Any]:
    parameters = {name: str(value) for name, value in strategy.parameters.items()}
    if strategy.name == "flexibleRollout":
        parameters["groupId"] = parameters.get("groupId") or flag
        parameters["stickiness"] = parameters.get("stickiness") or "default"
    made: dict[str, Any] = {
        "name": strategy.name,
        "constraints": [_constraint(c) for c in strategy.constraints],
        "parameters": parameters,
        "variants": [_variant(v, overrides=False) for v in sorted(strategy.variants, key=lambda v: v.name)],
    }
    if strategy.segments:
        made["segments"] = sorted(segment_ids[key] for key in strategy.segments)
    return made


def _constraint(constraint: Constraint) -> dict[str, Any]:
    made: dict[str, Any] = {
        "contextName": constraint.context_name,
        "operator": constraint.operator,
        "values": list(constraint.values),
        "inverted": constraint.inverted,
        "caseInsensitive": constraint.case_insensitive,
    }
    if constraint.value is not None:
        made["value"] = constraint.value
    return made


def _variant(variant: Variant, *, overrides: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": variant.name,
        "weight": variant.weight,
        "weightType": variant.weight_type,
        "stickiness": variant.stickiness,
    }
    if variant.payload is not None:
        made["payload"] = {"type": variant.payload.type, "value": variant.payload.value}
    if overrides:
        made["overrides"] = [{"contextName": o.context_name, "values": list(o.values)} for o in variant.overrides]
    return made


def text(value: Mapping[str, Any]) -> str:
    """Canonical JSON of a feature or segment. All keys here are ASCII, so sorting by code point is RFC 8785's order."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
