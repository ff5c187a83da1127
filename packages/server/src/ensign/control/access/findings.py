"""What somebody has to look at: worked out from what is so now, never stored, gone when it is put right.

Each part of Ensign that can tell a finding registers a source; pages, API and command line ask :func:`findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to put right.

    ``code`` is frozen (``rotation-due``, ``toxic-pair``), ``subject`` the id of what it is about, ``title`` one
    sentence in plain words, ``remedy`` what to do, ``since`` when it began (UTC; None: not known), ``url`` the page
    where it is put right, ``owner`` the person who answers for it and can do so, if there is one. ``subject``
    and ``code`` together tell findings apart; ``detail`` where they need more.
    """

    code: str
    subject: str
    title: str
    remedy: str
    since: datetime | None = None
    url: str = ""
    owner: str = ""
    detail: str = ""


Source = Callable[[datetime], Sequence[Finding]]

_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Let ``source`` tell findings as of an instant. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _sources:
        raise ValueError(f"two sources of findings are called {name}")
    _sources[name] = source


def findings(*, at: datetime) -> tuple[Finding, ...]:
    """All that is to be put right at ``at``, by code, then by how long it has been so."""
    found = [finding for source in _sources.values() for finding in source(at)]
    return tuple(sorted(found, key=lambda one: (one.code, one.since is None, one.since, one.subject, one.detail)))
