"""Reading an evaluation context out of a front-end or OFREP request (wire contracts, 4.1 and 6.6)."""

from __future__ import annotations

import secrets
from typing import Any

from ensign_engine.context import FIELDS, text
from ensign_engine.openfeature import context_of

from ensign.delivery.http import Refusal, bad_data
from ensign.delivery.published import dumps

MAX_CONTEXT = 64 * 1024
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
    """From an OFREP request of `size` bytes, as `ensign_engine.openfeature` reads attributes; what is missing is put
    in as for the front-end API.

    A missing context or key is no error. Raises Refusal with OFREP's error code as its name.
    """
    given = body.get("context") if isinstance(body, dict) else body
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise Refusal(400, "INVALID_CONTEXT", "The body must be a JSON object whose `context` is an object.")
    if size > MAX_CONTEXT // 2 and len(dumps(given)) > MAX_CONTEXT:
        raise Refusal(413, "GENERAL", "The context is larger than 64 KiB.")
    key = text(given.get("targetingKey"))
    if key is None and given.get("targetingKey") is not None:
        raise Refusal(400, "INVALID_CONTEXT", "`targetingKey` must be a text.")
    return _completed(context_of(key, given), address)


def _built(given: dict[str, object], *, address: str) -> Context:
    """Fields at the top, everything else as a property; an explicit property wins over a name at the top."""
    inner = _mapping(given.get("properties"))
    outer = {name: value for name, value in given.items() if name not in FIELDS and name != "properties"}
    properties = {
        name: plain for name, value in {**outer, **inner}.items() if (plain := text(value)) and name not in FIELDS
    }
    context: Context = {name: plain for name in FIELDS if (plain := text(given.get(name)) or text(inner.get(name)))}
    context["properties"] = properties
    return _completed(context, address)


def _completed(context: Context, address: str) -> Context:
    """With what a visitor lacks: the address that the request came from for a missing `remoteAddress`, if there is one,
    and a random session for a missing `sessionId`, so that gradual rollouts reach anonymous visitors.
    """
    if not context.get("sessionId"):
        context["sessionId"] = secrets.token_hex(8)
    if address and not context.get("remoteAddress"):
        context["remoteAddress"] = address
    return context


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
