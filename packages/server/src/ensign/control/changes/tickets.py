"""Which ticket systems a project has. ``integrations`` stands above and says so by :func:`register`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ensign.control.changes.domain.tickets import System, Ticket, link

_source: Callable[[str], Sequence[System]] | None = None


def register(source: Callable[[str], Sequence[System]]) -> None:
    """Let ``source`` say which systems a project (its key) has. Once, while Django starts."""
    global _source
    _source = source


def systems(project: str) -> Sequence[System]:
    """The ticket systems of a project, its own first."""
    return () if _source is None else _source(project)


def linked(project: str, references: Sequence[str]) -> tuple[Ticket, ...]:
    """References with the pages that they lead to; nothing is asked of anybody outside."""
    known = systems(project) if references else ()
    return tuple(link(reference, known) for reference in references)
