"""Reading request bodies strictly: JSON that means one thing only."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny

from ensign.control.kernel.errors import EnsignError

MAX_DEPTH = 32


class UnsupportedMediaType(EnsignError):
    """The body is not declared to be JSON; answered with 415."""

    code = "unsupported-media-type"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check(value: Any, depth: int = 0) -> None:
    """Refuse what no database text can hold, and nesting that no honest client sends."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
        if "\x00" in value:
            raise ValueError("a text holds U+0000")
    elif isinstance(value, dict):
        for key, member in value.items():
            _check(key, depth)
            _check(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _check(member, depth + 1)


def strict_json(raw: bytes) -> Any:
    """The value of a JSON text: no duplicate keys, no NaN, no U+0000, no lone surrogates, at most 32 levels.

    :raises ValueError: saying what is wrong.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from error
    _check(value)
    return value


class StrictParser(Parser):
    """Ninja's parser with :func:`strict_json` and a check of the content type."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """The parsed body (RFC 8259)."""
        if request.content_type != "application/json" and not (request.content_type or "").endswith("+json"):
            raise UnsupportedMediaType(
                f"The body is declared as {request.content_type or 'nothing'}.",
                remedy="Send JSON with `Content-Type: application/json`.",
            )
        body: DictStrAny = strict_json(request.body)
        return body
