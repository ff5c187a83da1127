"""Which projects and environments there are: what a grant or a token may name.

``projects`` stands above access and says so by :func:`register`; until it has, every place is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ensign.control.access.domain import Scope
from ensign.control.kernel.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project with its environments in order: (key, name) of each; ``protected`` are keys of those."""

    key: str
    name: str
    environments: tuple[tuple[str, str], ...]
    protected: frozenset[str] = frozenset()


_source: Callable[[], Sequence[Place]] | None = None


def register(source: Callable[[], Sequence[Place]]) -> None:
    """Let ``source`` say which places there are, archived projects included. Once, while Django starts."""
    global _source
    _source = source


def places() -> Sequence[Place]:
    """All projects by name."""
    return () if _source is None else _source()


def reaches_protected(scope: Scope) -> bool:
    """Whether something granted in ``scope`` may reach a protected environment, there now or added later."""
    if scope.project is None or scope.environment is None:
        return True
    found = next((place for place in places() if place.key == scope.project), None)
    return found is None or scope.environment in found.protected


def require_known(scope: Scope) -> None:
    """Refuse a scope that names what does not exist: it would begin to count when somebody makes it.

    :raises Invalid: naming the field ``project`` or ``environment``.
    """
    if scope.project is None:
        return
    found = next((place for place in places() if place.key == scope.project), None)
    if found is None:
        raise Invalid("There is no such project.", fields={"project": "Choose one of the projects there are."})
    keys = [key for key, _ in found.environments]
    if scope.environment is not None and scope.environment not in keys:
        raise Invalid(
            "There is no such environment in this project.",
            fields={"environment": f"Choose one of {', '.join(keys)}." if keys else "This project has none."},
        )
