"""Reading full and delta documents into raw flags and segments (semantics, section 1; wire, 3.1 and 3.2).

Only what identifies things is checked here, so that 10,000 flags load at once; a flag's inside is read when
the flag is first used.
"""

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ensign_engine.errors import RulesetError
from ensign_engine.notices import warn_once

Document = str | bytes | Mapping[str, Any]
Flags = dict[str, dict[str, Any]]
Segments = dict[int, dict[str, Any]]

_LARGE = 64 * 1024
_SCALARS = frozenset({str, int, float, bool, type(None)})


def loaded(document: Document) -> dict[str, Any]:
    """The document as dictionaries and lists of its own. Raises RulesetError."""
    if isinstance(document, Mapping):
        with _collector_paused(len(document) > 0):
            try:
                copy = copied(document)
            except RecursionError:
                raise RulesetError("the document holds itself, or is nested too deeply") from None
    else:
        with _collector_paused(len(document) >= _LARGE):
            try:
                copy = json.loads(document)
            except (ValueError, RecursionError) as problem:
                raise RulesetError(f"the document is not valid JSON: {problem}") from None
    if not isinstance(copy, dict):
        raise RulesetError("the document must be a JSON object")
    return copy


def copied(value: Any) -> Any:
    """A deep copy of JSON data; mappings become dictionaries, tuples lists."""
    kind = type(value)
    if kind is dict:  # spelt out: Mapping checks of every scalar would take most of the time
        return {key: item if type(item) in _SCALARS else copied(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _SCALARS else copied(item) for item in value]
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    return value


def read_full(document: Mapping[str, Any]) -> tuple[Flags, Segments]:
    """Flags by name and segments by id of a full document; the last duplicate wins. Raises RulesetError."""
    return _flags(document.get("features"), "features"), _segments(document.get("segments"), "segments")


def apply_events(document: Mapping[str, Any], flags: Flags, segments: Segments) -> tuple[Flags, Segments]:
    """Copies of `flags` and `segments` after the document's events, in order. Raises RulesetError."""
    events = document.get("events")
    if not isinstance(events, list):
        raise RulesetError("the document has neither `features` nor a list of `events`")
    flags, segments = dict(flags), dict(segments)
    for place, event in enumerate(events):
        where = f"events[{place}]"
        if not isinstance(event, dict):
            raise RulesetError(f"{where} must be an object")
        kind = event.get("type")
        match kind:
            case "hydration":
                flags = _flags(event.get("features"), f"{where}.features")
                segments = _segments(event.get("segments"), f"{where}.segments")
            case "feature-updated":
                name, flag = _flag(event.get("feature"), f"{where}.feature")
                flags[name] = flag
            case "feature-removed":
                removed = event.get("featureName")
                if not isinstance(removed, str):
                    raise RulesetError(f"{where}.featureName must be a string")
                flags.pop(removed, None)
            case "segment-updated":
                identity, segment = _segment(event.get("segment"), f"{where}.segment")
                segments[identity] = segment
            case "segment-removed":
                segments.pop(_segment_id(event.get("segmentId"), f"{where}.segmentId"), None)
            case _:
                warn_once(f"a delta event of the unknown type {str(kind)[:60]!r} was ignored")
    return flags, segments


def _flags(raw: object, where: str) -> Flags:
    if not isinstance(raw, list):
        raise RulesetError(f"`{where}` must be a list")
    flags: Flags = {}
    for place, item in enumerate(raw):
        # Spelt out, not through `_flag`: this loop runs 10,000 times before an application can start.
        if type(item) is not dict or type(name := item.get("name")) is not str:
            name, _ = _flag(item, f"{where}[{place}]")
        flags[name] = item
    return flags


def _flag(raw: object, where: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(raw, dict):
        raise RulesetError(f"{where} must be an object")
    name = raw.get("name")
    if not isinstance(name, str):
        raise RulesetError(f"{where}.name must be a string")
    return name, raw


def _segments(raw: object, where: str) -> Segments:
    if raw is None:
        return {}
    if not isinstance(raw, list):
        raise RulesetError(f"`{where}` must be a list")
    return dict(_segment(item, f"{where}[{place}]") for place, item in enumerate(raw))


def _segment(raw: object, where: str) -> tuple[int, dict[str, Any]]:
    if not isinstance(raw, dict):
        raise RulesetError(f"{where} must be an object")
    return _segment_id(raw.get("id"), f"{where}.id"), raw


def _segment_id(raw: object, where: str) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise RulesetError(f"{where} must be a whole number")
    return raw


@contextmanager
def _collector_paused(wanted: bool) -> Iterator[None]:
    """Millions of new objects that all stay would make the cycle collector scan them again and again."""
    pause = wanted and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()
