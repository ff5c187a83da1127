"""Usage batches as JSON, from their types: whatever a batch holds travels, and nothing that does not fit its type."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ensign.delivery.intake import storable
from ensign.delivery.usage import UsageBatch

Made = TypeVar("Made")
Reader = Callable[[Any], Any]
"""From JSON to a value. Raises ValueError."""

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
    plain: type = kind
    given = {name: read(value[name]) for name, read in _members(plain).items() if name in value}
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


@cache
def _members(kind: type) -> Mapping[str, Reader]:
    """How each member of a dataclass is read. Kept: a batch has thousands of rows, and types take long to look into."""
    hints = get_type_hints(kind)
    return {item.name: _reader(hints[item.name]) for item in fields(kind)}


def _reader(kind: Any) -> Reader:
    """What makes a value of type `kind` out of JSON."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        (kind,) = [one for one in inner if one is not type(None)]
        return partial(_optional, _reader(kind))
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return partial(_list, _reader(inner[0]))
        return partial(_tuple, tuple(map(_reader, inner)))
    if origin is not None and issubclass(origin, Mapping):
        return partial(_mapping, *map(_reader, inner))
    if is_dataclass(kind) and isinstance(kind, type):
        return partial(decoded, kind)
    return partial(_plain, kind)


def _optional(read: Reader, value: Any) -> Any:
    return None if value is None else read(value)


def _list(read: Reader, value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    return tuple([read(item) for item in value])


def _tuple(readers: tuple[Reader, ...], value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    return tuple(read(item) for read, item in zip(readers, value, strict=True))


def _mapping(key: Reader, item: Reader, value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    return {key(name): item(one) for name, one in value.items()}


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
