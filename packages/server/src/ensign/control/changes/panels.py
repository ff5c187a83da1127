"""What apps above put onto the page of a request. They register; ``changes`` knows nothing of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

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
