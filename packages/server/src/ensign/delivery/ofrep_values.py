"""What a flag's variants are worth in OFREP: one type a flag, each value as ready JSON (docs/reference/ofrep.md)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from ensign_engine import FlagDefinition, VariantDefinition
from ensign_engine.validate import canonical_number

from ensign.delivery.published import dumps

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
MAX_DIGITS = 100


class Kind(Enum):
    """The types that OpenFeature tells apart; a Python client takes no integer for a float."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    OBJECT = "object"


class Unreadable(Exception):
    """A payload that is not what its type says. The text names the variant and holds nothing of the payload."""


class _Read(NamedTuple):
    """A payload as JSON; no kind when there is none."""

    kind: Kind | None = None
    body: bytes | None = None


class Shape(NamedTuple):
    """The type of a flag with variants. `mixed` when its payloads have several: then each is the text as written."""

    kind: Kind
    mixed: bool

    def value(self, name: str, payload: Mapping[str, Any] | None) -> bytes | None:
        """The JSON of a variant's value; None when only the application's own default will do. Raises Unreadable.

        A variant without a payload is its name where values are texts: there its name is of the flag's type.
        """
        if self.mixed:
            return dumps(name if payload is None else _text(payload))
        read = _read(name, payload)
        if self.kind is Kind.STRING and read.body is None:
            return dumps(name)
        if self.kind is Kind.FLOAT and read.kind is Kind.INTEGER and read.body is not None:
            return read.body + b".0"
        return read.body


def shape(definition: FlagDefinition) -> Shape | None:
    """The type of a flag's values; None for a flag without variants, whose value is whether it is on."""
    variants = tuple(_variants(definition))
    if not variants:
        return None
    kinds: set[Kind] = set()
    for variant in variants:
        try:
            found = _read(variant.name, variant.payload).kind
        except Unreadable:
            continue
        if found is not None:
            kinds.add(found)
    if kinds == {Kind.INTEGER, Kind.FLOAT}:
        return Shape(Kind.FLOAT, mixed=False)
    if len(kinds) > 1:
        return Shape(Kind.STRING, mixed=True)
    return Shape(next(iter(kinds), Kind.STRING), mixed=False)


def _variants(definition: FlagDefinition) -> Iterator[VariantDefinition]:
    yield from definition.variants
    for strategy in definition.strategies or ():
        yield from strategy.variants


def _text(payload: Mapping[str, Any]) -> str:
    value = payload.get("value")
    return value if isinstance(value, str) else dumps(value).decode()


def _read(name: str, payload: Mapping[str, Any] | None) -> _Read:
    if payload is None:
        return _Read()
    text = _text(payload)
    match payload.get("type"):
        case "number":
            return _number(name, text)
        case "json":
            return _json(name, text)
        case _:  # string, csv, and whatever there may be one day: its text
            return _Read(Kind.STRING, dumps(text))


def _number(name: str, text: str) -> _Read:
    """Digits as they were written, so that 1 stays an integer and 1.0 a float."""
    plain = text.strip()
    if not _DECIMAL.match(plain):
        try:
            plain = canonical_number(plain)
        except ValueError as problem:
            raise Unreadable(f"The payload of variant {name!r} is no number.") from problem
    if len(plain) > MAX_DIGITS or not math.isfinite(float(plain)):
        raise Unreadable(f"The payload of variant {name!r} is a number that clients cannot hold.")
    return _Read(Kind.INTEGER if _INTEGER.match(plain) else Kind.FLOAT, plain.encode())


def _json(name: str, text: str) -> _Read:
    """JSON is of the type that it says; null is no payload."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"The payload of variant {name!r} is not valid JSON.") from problem
    match value:
        case None:
            return _Read()
        case bool():
            return _Read(Kind.BOOLEAN, dumps(value))
        case int() | float():
            return _number(name, text)
        case str():
            return _Read(Kind.STRING, dumps(value))
    try:
        return _Read(Kind.OBJECT, text.strip().encode())  # as written: no digit of a number inside is lost
    except UnicodeEncodeError:
        return _Read(Kind.OBJECT, dumps(value))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
