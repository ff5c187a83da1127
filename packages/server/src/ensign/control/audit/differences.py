"""The difference between two states as rows that read from left to right. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One leaf that differs. ``path`` is in words (``strategies › 1 › parameters › rollout``); texts are for people."""

    path: str
    sign: Literal["+", "-", "~"]
    before: str
    after: str


def rows(before: Any, after: Any) -> list[Row]:
    """Every leaf that was added, removed or changed, in the order of the keys. Empty iff the states are equal."""
    return list(_walk((), before, after))


_MISSING = object()
#: Members that say by whom and when something was decided.
_FIRST = ("person", "at")


def _walk(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Row]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from _walk((*path, key), before.get(key, _MISSING), after.get(key, _MISSING))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _walk_lists(path, before, after)
    else:
        sign: Literal["+", "-", "~"] = "+" if before is _MISSING else "-" if after is _MISSING else "~"
        yield Row(" › ".join(path), sign, show(before), show(after))


def _walk_lists(path: tuple[str, ...], before: list[Any], after: list[Any]) -> Iterator[Row]:
    """Lists of objects with an ``id`` are matched by it, plain lists by membership, all others by place."""
    if all(isinstance(item, dict) and "id" in item for item in (*before, *after)):
        old, new = ({item["id"]: item for item in items} for items in (before, after))
        if len(old) == len(before) and len(new) == len(after):
            for id in [*old, *(id for id in new if id not in old)]:
                yield from _walk((*path, str(id)), old.get(id, _MISSING), new.get(id, _MISSING))
            kept = [id for id in old if id in new]
            if kept != [id for id in new if id in old]:
                yield Row(" › ".join((*path, "order")), "~", ", ".join(kept), ", ".join(id for id in new if id in old))
            return
    for index in range(max(len(before), len(after))):
        one = before[index] if index < len(before) else _MISSING
        other = after[index] if index < len(after) else _MISSING
        yield from _walk((*path, str(index + 1)), one, other)


def show(value: Any) -> str:
    """A value as a person reads it."""
    if value is _MISSING or value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, list | tuple):
        said = [text for one in value if (text := show(one))]
        return ("; " if any(isinstance(one, Mapping) for one in value) else ", ").join(said)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _members(value: Mapping[str, Any]) -> str:
    """An object in a line: who and when come first; what a member does not say is left out, as nobody reads
    ``problem: ""``.
    """
    said = {str(name): text for name, one in value.items() if (text := show(one))}
    first = [said.pop(name) for name in _FIRST] if said.keys() >= set(_FIRST) else []
    return ", ".join([*first, *(f"{name.replace('_', ' ')} {text}" for name, text in said.items())])
