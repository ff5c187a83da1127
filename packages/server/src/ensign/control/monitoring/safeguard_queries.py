"""Reads of safeguards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ensign.control.kernel.errors import NotFound
from ensign.control.monitoring import checking
from ensign.control.monitoring.domain.safeguards import Safeguard, Watch
from ensign.control.monitoring.models import Safeguard as Row


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeguardView:
    """A safeguard with its row's version and what it saw last."""

    safeguard: Safeguard
    version: int
    watch: Watch


def safeguards(project: str, *, ended: bool = False) -> list[SafeguardView]:
    """Those of a project by environment and key; ended ones only if asked for."""
    rows = Row.objects.filter(project=project).order_by("environment", "key")
    return _views(rows if ended else rows.exclude(status="ended"))


def of_flag(project: str, flag: str) -> list[SafeguardView]:
    """Those that guard a flag, by environment and key, in two queries."""
    rows = Row.objects.filter(project=project, flag=flag).exclude(status="ended")
    return _views(rows.order_by("environment", "key"))


def safeguard(id: str, *, project: str) -> SafeguardView:
    """One of a project.

    :raises NotFound: when there is none.
    """
    row = Row.objects.filter(pk=id, project=project).first()
    if row is None:
        raise NotFound("There is no such safeguard.", remedy="Look at the project's list of safeguards.")
    return _view(row, checking.watch_of(row.pk))


def _views(rows: Iterable[Row]) -> list[SafeguardView]:
    found = list(rows)
    seen = checking.watches([row.pk for row in found]) if found else {}
    return [_view(row, seen.get(row.pk, Watch())) for row in found]


def _view(row: Row, watch: Watch) -> SafeguardView:
    return SafeguardView(safeguard=Safeguard.from_state(row.pk, row.state), version=row.version, watch=watch)
