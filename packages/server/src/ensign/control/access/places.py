"""Which projects and environments there are, and which types of flags: what a grant or a token may name.

``projects`` and ``flags`` stand above access and say so by :func:`register` and :func:`register_flags`; until they
have, every place and every type is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ensign.control.access.domain import Narrowing, Scope
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


_types: tuple[str, ...] = ()
_clean_tags: Callable[[Sequence[str]], tuple[str, ...]] | None = None


def register_flags(*, types: Iterable[str], clean_tags: Callable[[Sequence[str]], tuple[str, ...]]) -> None:
    """Say which types flags have, and how their tags are written. Once, while Django starts."""
    global _types, _clean_tags
    _types, _clean_tags = tuple(types), clean_tags


def flag_types() -> tuple[str, ...]:
    """All types of flags."""
    return _types


def known_narrowing(narrowing: Narrowing) -> Narrowing:
    """A narrowing as it may stand: of types that there are, tags written as flags' tags are.

    A tag that no flag carries yet is fine: a team may be given its tag before its first flag.

    :raises Invalid: naming the field ``flag_types`` or ``tags``.
    """
    if narrowing.types - set(_types):
        raise Invalid("There is no such flag type.", fields={"flag_types": f"Choose among {', '.join(_types)}."})
    tags = sorted(narrowing.tags)
    return Narrowing(types=narrowing.types, tags=frozenset(tags if _clean_tags is None else _clean_tags(tags)))
