"""Reading an evaluation context out of a front-end or OFREP request (wire contracts, 4.1 and 6.6)."""

from __future__ import annotations

import secrets
from typing import Any

from ensign.delivery.http import Refusal, bad_data
from ensign.delivery.published import dumps

MAX_CONTEXT = 64 * 1024
FIELDS = frozenset({"userId", "sessionId", "remoteAddress", "environment", "appName", "currentTime"})
_OPEN, _CLOSE = "properties[", "]"

Context = dict[str, Any]


def from_pairs(pairs: list[tuple[str, str]], *, address: str) -> Context:
    """From a query: the six fields, `properties[name]`, and any other name as a property."""
    given: dict[str, object] = {}
    properties: dict[str, object] = {}
    for name, value in pairs:
        if name.startswith(_OPEN) and name.endswith(_CLOSE):
            properties[name[len(_OPEN) : -len(_CLOSE)]] = value
        else:
            given[name] = value
    given["properties"] = {**_mapping(given.get("properties")), **properties}
    return _built(given, address=address)


def from_body(body: object, *, address: str) -> Context:
    """From a POSTed document: `{"context": {…}}`, or the bare context. Raises Refusal (400) for anything else."""
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise bad_data("The body must be a JSON object with a context.", path="context")
    given = body.get("context") if "context" in body else body
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise bad_data("The context must be a JSON object.", path="context")
    if len(dumps(given)) > MAX_CONTEXT:
        raise Refusal(413, "ContentTooLargeError", "The context is larger than 64 KiB.", path="context")
    return _built(given, address=address)


def from_evaluation(body: object, *, address: str, size: int) -> Context:
    """From an OFREP request of `size` bytes: `targetingKey` is the user unless a `userId` says otherwise.

    A missing context or key is no error. Raises Refusal with OFREP's error code as its name.
    """
    given = body.get("context") if isinstance(body, dict) else body
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise Refusal(400, "INVALID_CONTEXT", "The body must be a JSON object whose `context` is an object.")
    if size > MAX_CONTEXT // 2 and len(dumps(given)) > MAX_CONTEXT:
        raise Refusal(413, "GENERAL", "The context is larger than 64 KiB.")
    key = given.get("targetingKey")
    if key is not None:
        if scalar(key) is None:
            raise Refusal(400, "INVALID_CONTEXT", "`targetingKey` must be a text.")
        if scalar(given.get("userId")) is None:
            given = {**given, "userId": key}
    return _built(given, address=address)


def _built(given: dict[str, object], *, address: str) -> Context:
    """Fields at the top, everything else as a property; an explicit property wins over a name at the top.

    The address that the request came from stands in for a missing `remoteAddress`, and a random session for a
    missing `sessionId`, so that gradual rollouts reach anonymous visitors.
    """
    inner = _mapping(given.get("properties"))
    outer = {name: value for name, value in given.items() if name not in FIELDS and name != "properties"}
    properties = {
        name: text for name, value in {**outer, **inner}.items() if (text := scalar(value)) and name not in FIELDS
    }
    context: Context = {name: text for name in FIELDS if (text := scalar(given.get(name)) or scalar(inner.get(name)))}
    context.setdefault("sessionId", secrets.token_hex(8))
    if address:
        context.setdefault("remoteAddress", address)
    context["properties"] = properties
    return context


def scalar(value: object) -> str | None:
    """A value as text: numbers in their shortest form, booleans as true and false; None for all else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return format(value, "d") if abs(value) < 10**300 else None
        case float():
            return repr(value)
        case _:
            return None


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
