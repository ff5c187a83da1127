"""Pages of a list: ``{"items": […], "next_cursor": "…" | null}``, with an opaque cursor."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Generic, TypeVar

from ninja import Query, Schema

from ensign.control.kernel.errors import Invalid

T = TypeVar("T")

DEFAULT_LIMIT, MAX_LIMIT = 50, 500

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items a page holds.")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the page before; leave it out for the first page.")
]


class Page(Schema, Generic[T]):
    """One page of a list. ``next_cursor`` is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


def encode(*position: str | int) -> str:
    """An opaque cursor for a position in an ordered list, e.g. ``encode(created_at, id)``."""
    text = json.dumps(position, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str | None, *, length: int = 1) -> list[str | int] | None:
    """The position of ``length`` members that :func:`encode` was given; None for None or an empty text.

    :raises Invalid: when the text is not a cursor of that length.
    """
    if not cursor:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != length
        or not all(isinstance(part, str) or (isinstance(part, int) and abs(part) < 2**63) for part in position)
    ):
        raise Invalid(
            "The cursor is not one that Ensign gave.",
            remedy="Pass `next_cursor` of the page before as it is, or leave it out.",
            fields={"cursor": "not a cursor of this list"},
        )
    return position
