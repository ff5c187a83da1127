"""The progression digest: what of a flag is tried in one environment before it goes to the next. Pure.

It covers what decides *how* a flag behaves: strategies and their parameters, constraints, variants, payloads,
dependencies, and the constraints of the segments used. It leaves out *how many and whom exactly*, which differ between
environments by their nature: rollout percentages, lists of ids (of users, addresses, hosts, and in overrides), whether
the flag is on, and the content of segments that are declared environment-mapped. Titles and ids of strategies, the
order of constraints and values, and strategies that are switched off decide nothing, so they are left out, too.

Format: docs/reference/progression; vectors: conformance/progression.json.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ensign_ledger import canonical

from ensign.control.flags import strategies as known
from ensign.control.flags.domain import Dependency, FlagConfig, Strategy, Variant
from ensign.control.segments.domain import Constraint

#: Changes when the form of the document below does, so that no digest of one form equals one of another.
FORM = "ensign-progression-1"

#: Kinds of a strategy's parameters that say how many or whom.
_AMOUNTS = frozenset({"percentage"})
_LISTS = frozenset({"list", "addresses", "host-names"})

#: Fields of the context whose values name one user, session or caller: an override's values of these are a list of ids.
ID_FIELDS = frozenset({"userId", "sessionId", "remoteAddress"})

Segments = Mapping[str, Sequence[Constraint]]


def amounts(strategy: Strategy) -> frozenset[str]:
    """Names of the parameters in which the strategy keeps its share, in per cent."""
    return _parameters(strategy, _AMOUNTS)


def lists(strategy: Strategy) -> frozenset[str]:
    """Names of the parameters in which the strategy lists ids, addresses or hosts."""
    return _parameters(strategy, _LISTS)


def _parameters(strategy: Strategy, kinds: Collection[str]) -> frozenset[str]:
    kind = known.TYPES.get(strategy.name)
    return frozenset(() if kind is None else (p.name for p in kind.parameters if p.kind in kinds))


def content(config: FlagConfig, segments: Segments, *, mapped: Collection[str] = ()) -> dict[str, Any]:
    """The document whose digest it is.

    ``segments`` are the constraints of the segments that the flag uses; ``mapped`` keys of environment-mapped ones.

    :raises KeyError: when a segment that is used, and not mapped, is missing.
    """
    live = [s for s in config.strategies if not s.disabled]
    used = sorted({key for strategy in live for key in strategy.segments})
    return {
        "form": FORM,
        # None: it has strategies, and all are switched off, so nobody has it. Without any, everybody would.
        "strategies": [_strategy(s) for s in live] if live or not config.strategies else None,
        "segments": {key: None if key in mapped else _constraints(segments[key]) for key in used},
        "variants": [_variant(v) for v in config.variants],
        "dependencies": _sorted(_dependency(d) for d in config.dependencies),
    }


def digest(config: FlagConfig, segments: Segments, *, mapped: Collection[str] = ()) -> str:
    """SHA-256 in hex of the canonical JSON of :func:`content`.

    :raises KeyError: when a segment that is used, and not mapped, is missing.
    """
    return _hash(content(config, segments, mapped=mapped))


def segment_digest(constraints: Sequence[Constraint]) -> str:
    """The digest of a segment's content by itself, for a change that is about the segment."""
    return _hash({"form": FORM, "constraints": _constraints(constraints)})


def _hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical.encode(document, free_keys=True)).hexdigest()


def _strategy(strategy: Strategy) -> dict[str, Any]:
    left_out = amounts(strategy) | lists(strategy)
    return {
        "name": strategy.name,
        "parameters": {name: value for name, value in strategy.parameters.items() if name not in left_out},
        "constraints": _constraints(strategy.constraints),
        "segments": sorted(set(strategy.segments)),
        "variants": [_variant(v) for v in strategy.variants],
    }


def _constraints(constraints: Sequence[Constraint]) -> list[dict[str, Any]]:
    """All of them must hold, and a list of values is a set: neither's order decides anything."""
    return _sorted({**c.to_state(), "values": sorted(set(c.values))} for c in constraints)


def _variant(variant: Variant) -> dict[str, Any]:
    state = variant.to_state()
    state["overrides"] = [
        {"context_name": o["context_name"], "values": None if o["context_name"] in ID_FIELDS else o["values"]}
        for o in state["overrides"]
    ]
    return state


def _dependency(dependency: Dependency) -> dict[str, Any]:
    return {"flag": dependency.flag, "enabled": dependency.enabled, "variants": sorted(set(dependency.variants))}


def _sorted(values: Any) -> list[dict[str, Any]]:
    return sorted(values, key=lambda value: canonical.encode(value, free_keys=True))
