"""Contexts as people type them: one a line, ``userId=7, country=SE``; or a JSON list as SDKs have them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ensign.control.api.parser import strict_json
from ensign.control.changes.trying import MAX_CONTEXTS
from ensign.control.kernel.errors import Invalid
from ensign.control.publishing.playground import FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A context, and how it was written."""

    text: str
    context: Mapping[str, object]


def parse(text: str) -> list[Given]:
    """The contexts of a text, at most ``MAX_CONTEXTS``.

    :raises Invalid: naming the line that is none.
    """
    found = _listed(text) if text.lstrip().startswith("[") else [
        Given(text=line.strip(), context=_context(line, number))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]  # fmt: skip
    if not found:
        raise _no("Write at least one context.")
    if len(found) > MAX_CONTEXTS:
        raise _no(f"{len(found)} were given; {MAX_CONTEXTS} fit.")
    return found


def _no(message: str) -> Invalid:
    return Invalid("The contexts cannot be read.", fields={"contexts": message})


def _listed(text: str) -> list[Given]:
    try:
        values: Any = strict_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _no(f"It begins like JSON and is none: {error}") from None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise _no("The JSON must be a list of objects.")
    return [Given(text=f"context {place}", context=value) for place, value in enumerate(values, start=1)]


def _context(line: str, number: int) -> dict[str, object]:
    made: dict[str, object] = {}
    properties: dict[str, str] = {}
    for part in line.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not name:
            raise _no(f"Line {number} is not of the form userId=7, country=SE.")
        if name in FIELDS:
            made[name] = value
        else:
            properties[name] = value
    return {**made, "properties": properties} if properties else made
