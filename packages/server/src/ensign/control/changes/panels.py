"""What stands on a request's page besides the request itself: apps register; the page knows nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import Held
from ensign.control.changes.domain.requests import ChangeRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A partial template, and what it finds under the name ``panel``."""

    template: str
    panel: Mapping[str, Any]


#: (request, what the reader holds, when) -> its panels in order.
Source = Callable[[ChangeRequest, Held, datetime], Sequence[Panel]]

_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Show what ``source`` gives on the page of every request. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _sources:
        raise ValueError(f"{name} shows panels already")
    _sources[name] = source


def panels(request: ChangeRequest, rights: Held, *, at: datetime) -> tuple[Panel, ...]:
    """All of them, in the order in which they were registered."""
    return tuple(panel for source in _sources.values() for panel in source(request, rights, at))
