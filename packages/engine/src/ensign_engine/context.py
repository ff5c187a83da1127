"""Reading values out of an evaluation context (semantics, section 2).

A context is any mapping with the wire's field names; attributes of the application's own stand at the top
level or under `properties`, and the top level wins. It is only ever read, never copied or changed.
"""

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any

FIELDS = ("userId", "sessionId", "remoteAddress", "environment", "appName", "currentTime")
"""The six fields that the wire knows by name; every other name is an attribute of the application's own."""

EMPTY: Mapping[str, Any] = MappingProxyType({})

PROPERTIES = "properties"


def text(value: object) -> str | None:
    """The text that a context value stands for, or None when it counts as absent.

    Strings as they are, numbers as their shortest decimal text, booleans as `true` and `false`; null, NaN,
    infinities, lists and objects are absent.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError:  # beyond the interpreter's digit limit: no attribute that anybody compares with
            return None
    if isinstance(value, float):
        return float.__repr__(value) if isfinite(value) else None
    return None


def lookup(context: Any, name: str, default: str | None = None) -> str | None:
    """The value of `name` in `context` as text, else `default` (the SDK's static context), else None.

    Never raises, whatever `context` is: what has no working `get` has no values.
    """
    if name != PROPERTIES:
        found = text(_get(context, name))
        if found is not None:
            return found
    found = text(_get(_get(context, PROPERTIES), name))
    return default if found is None else found


def _get(mapping: Any, name: str) -> object:
    if type(mapping) is dict:
        return mapping.get(name)
    try:
        return mapping.get(name)
    except Exception:  # the caller's own mapping type may raise anything; an evaluation may not
        return None
