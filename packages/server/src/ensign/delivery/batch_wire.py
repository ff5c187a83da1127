"""Usage batches as JSON, from their types: whatever a batch holds travels, and nothing that does not fit its type."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ensign.delivery.intake import storable
from ensign.delivery.usage import UsageBatch

Made = TypeVar("Made")

MAX_TEXT = 200
MAX_NUMBER = 10**15


def encoded(value: object) -> Any:
    """Dataclasses as objects, tuples as lists, instants as RFC 3339."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: encoded(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list | frozenset):
        return [encoded(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encoded(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def decoded(kind: type[Made], value: object) -> Made:
    """The dataclass `kind` out of JSON; unknown members are passed over. Raises ValueError for what does not fit."""
    if not isinstance(value, dict):
        raise ValueError(f"{kind.__name__} must be an object")
    hints = get_type_hints(kind)
    given = {
        item.name: _value(hints[item.name], value[item.name])
        for item in fields(kind)  # type: ignore[arg-type]  # only called with dataclasses
        if item.name in value
    }
    try:
        return kind(**given)
    except TypeError as problem:
        raise ValueError(f"{kind.__name__} lacks a member") from problem


def parts(batch: UsageBatch, limit: int) -> list[dict[str, Any]]:
    """A batch in pieces of at most `limit` rows, each of which stands for itself."""
    whole: dict[str, Any] = encoded(batch)
    found: list[dict[str, Any]] = []
    for name, rows in whole.items():
        pairs = list(rows.items()) if isinstance(rows, dict) else rows
        for start in range(0, len(pairs), limit):
            piece = pairs[start : start + limit]
            found.append({name: dict(piece) if isinstance(rows, dict) else piece})
    # Small ones travel together.
    joined: list[dict[str, Any]] = []
    for part in found:
        if joined and _size(joined[-1]) + _size(part) <= limit and not joined[-1].keys() & part.keys():
            joined[-1] |= part
        else:
            joined.append(part)
    return [{name: part.get(name, type(rows)()) for name, rows in whole.items()} for part in joined]


def _size(part: Mapping[str, Any]) -> int:
    return sum(map(len, part.values()))


def _value(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        if value is None and type(None) in inner:
            return None
        (kind,) = [one for one in inner if one is not type(None)]
        return _value(kind, value)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError("a list is expected")
        if inner[-1] is Ellipsis:
            return tuple(_value(inner[0], item) for item in value)
        return tuple(_value(one, item) for one, item in zip(inner, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise ValueError("an object is expected")
        return {_value(inner[0], key): _value(inner[1], item) for key, item in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return decoded(kind, value)
    return _plain(kind, value)


def _plain(kind: Any, value: Any) -> Any:
    if kind is str and isinstance(value, str) and (not value or storable(value, limit=MAX_TEXT)):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER:
        return value
    if kind is datetime and isinstance(value, str):
        instant = datetime.fromisoformat(value)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    raise ValueError(f"{value!r:.40} does not fit")
