"""Reads of safeguards."""

from __future__ import annotations

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
    return [_view(row) for row in (rows if ended else rows.exclude(status="ended"))]


def safeguard(id: str, *, project: str) -> SafeguardView:
    """One of a project.

    :raises NotFound: when there is none.
    """
    row = Row.objects.filter(pk=id, project=project).first()
    if row is None:
        raise NotFound("There is no such safeguard.", remedy="Look at the project's list of safeguards.")
    return _view(row)


def _view(row: Row) -> SafeguardView:
    one = Safeguard.from_state(row.pk, row.state)
    return SafeguardView(safeguard=one, version=row.version, watch=checking.watch_of(one.id))
