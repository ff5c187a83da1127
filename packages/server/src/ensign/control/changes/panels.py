"""What apps above put onto the page of a request. They register; ``changes`` knows nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import Held
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.queries import RequestRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A section of the page: a template that shows ``value`` under that name. It brings its own heading."""

    template: str
    value: object


Source = Callable[[RequestRow, datetime], Panel | None]

_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Have ``source`` asked for a panel for every request's page; None shows nothing. Once, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _sources:
        raise ValueError(f"there is a panel {name} already")
    _sources[name] = source


def panels(row: RequestRow, *, at: datetime) -> list[Panel]:
    """The panels of a request's page, in the order in which they were registered."""
    return [panel for source in _sources.values() if (panel := source(row, at)) is not None]


#: (request, what the reader holds, when) -> panels with acts that this reader may take, in order.
Steers = Callable[[ChangeRequest, Held, datetime], Sequence[Panel]]

_steers: dict[str, Steers] = {}


def register_steers(name: str, source: Steers) -> None:
    """Have ``source`` asked for panels that depend on who reads. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _steers:
        raise ValueError(f"{name} steers already")
    _steers[name] = source


def steers(request: ChangeRequest, rights: Held, *, at: datetime) -> list[Panel]:
    """The panels with which the reader steers what becomes of a request; they stand first on its page."""
    return [panel for source in _steers.values() for panel in source(request, rights, at)]
