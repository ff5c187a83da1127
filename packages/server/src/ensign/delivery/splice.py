"""A new text told by what it shares with the old one: of a ruleset of megabytes a change touches a few hundred bytes.

It goes by the text and not by its meaning, so that whatever a ruleset holds arrives to the byte, and what an edge
made of it is checked by a digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

Part = str | tuple[int, int]
"""A new piece of text, or where a piece of the old one begins and ends."""

_BETWEEN = re.compile(r"(?<=\}),\s*(?=\{)|(?<=\}\]),\s*(?=\")")
"""Where a ruleset's JSON is cut: between two objects of a list, and after such a list."""
WORTH = 0.5
"""A splice that is longer than this share of the text is not worth having."""


@dataclass(frozen=True, slots=True)
class Splice:
    """How to make the text whose SHA-256 is `sha256` from the content of version `of`."""

    of: str
    sha256: str
    parts: tuple[Part, ...]


def digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def between(old: str, new: str, *, of: str) -> Splice | None:
    """How `new` comes from `old`, or None when sending it whole is as good."""
    places: dict[str, tuple[int, int]] = {}
    for start, end in _chunks(old):
        places.setdefault(old[start:end], (start, end))
    parts: list[Part] = []
    written = 0
    for start, end in _chunks(new):
        chunk = new[start:end]
        last = parts[-1] if parts else None
        known = places.get(chunk)
        if isinstance(last, tuple) and old.startswith(chunk, last[1]):
            known = last[1], last[1] + len(chunk)  # of pieces that are alike the one that goes on
        if known is None:
            written += len(chunk)
            if isinstance(last, str):
                parts[-1] = last + chunk
            else:
                parts.append(chunk)
        elif isinstance(last, tuple) and last[1] == known[0]:
            parts[-1] = (last[0], known[1])
        else:
            written += 16
            parts.append(known)
    if written > WORTH * len(new):
        return None
    return Splice(of, digest(new), tuple(parts))


def applied(old: str, parts: Sequence[Part], sha256: str) -> str:
    """The new text. Raises ValueError when it is not the one that was meant."""
    pieces = [part if isinstance(part, str) else old[part[0] : part[1]] for part in parts]
    new = "".join(pieces)
    if digest(new) != sha256:
        raise ValueError("a change does not fit what is held here")
    return new


def _chunks(text: str) -> list[tuple[int, int]]:
    """The pieces of a text, each with the comma that ends it, so that neighbours in both texts join to one."""
    ends = [found.end() for found in _BETWEEN.finditer(text)]
    return list(zip([0, *ends], [*ends, len(text)], strict=True))
