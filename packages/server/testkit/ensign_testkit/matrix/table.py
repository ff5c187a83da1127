"""One row for each route: what calling it needs, and a call that goes through for whoever holds that.

``needs`` is a permission's code; two of them joined by `` and `` or `` or ``; or one of these words:

``anyone``
    also nobody signed in
``signed-in``
    everybody who is signed in; what they see is their own, or what they may read
``in person``
    everybody who is signed in in a session, never a token
``author``
    whoever wrote the request in question (joined to a permission)
``involved``
    whoever wrote or approved it
``anywhere <code>``
    whoever holds the permission in any project at all (a list of what they may read)
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDS = frozenset({"anyone", "signed-in", "in person", "author", "involved"})
LED_TO_SIGN_IN = -401
"""Stands for the status of an answer that leads to the sign-in page."""
DONE = frozenset({200, 201, 202, 204, 302, 303})


@dataclass(frozen=True, kw_only=True)
class Row:
    """``route`` is ``METHOD /address`` with the URL conf's names in braces, ``names`` says what fills them if not the
    world's name of the same word; ``body`` is JSON for the API, form fields elsewhere; ``done`` the answers to an
    entitled caller (statuses), where another one than success is meant, ``refusals`` those to others besides 401, 403
    and 404: ``why`` says so."""

    route: str
    needs: str
    names: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    query: str = ""
    done: frozenset[int] = DONE
    refusals: frozenset[int] = frozenset()
    why: str = ""

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def address(self) -> str:
        return self.route.partition(" ")[2]

    @property
    def is_api(self) -> bool:
        return self.address.startswith("/api/")


_rows: dict[str, Row] = {}


def row(route: str, needs: str, /, *, body: Mapping[str, Any] | None = None, query: str = "", why: str = "",
        done: frozenset[int] = DONE, refusals: frozenset[int] = frozenset(), **names: str) -> None:  # fmt: skip
    """Add a row.

    :raises ValueError: for a route that has one.
    """
    if route in _rows:
        raise ValueError(f"{route} stands in the table twice")
    _rows[route] = Row(
        route=route, needs=needs, names=names, body=body, query=query, done=done, refusals=refusals, why=why
    )


def rows() -> Mapping[str, Row]:
    """All rows by route."""
    folder = Path(__file__).parent
    for part in sorted(path.stem for path in folder.glob("rows_*.py")):
        importlib.import_module(f"ensign_testkit.matrix.{part}")
    return _rows
