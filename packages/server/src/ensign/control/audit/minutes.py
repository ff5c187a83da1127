"""Refusals that strangers can cause: the first twenty of a minute have an entry each, the others are summed up.

A table of one row (``id`` 1, ``since``, ``count``) holds the minute that goes on, so that nobody fills the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from django.db.models import Model

from ensign.control.kernel.transactions import require_write_door

LOUD: Final = 20
_MINUTE: Final = timedelta(minutes=1)
_ROW: Final = 1

SumUp = Callable[[int, datetime], object]
"""Records how many were quiet since when."""


class _Minute(Protocol):
    since: datetime
    count: int


def loud(model: type[Model], *, at: datetime, sum_up: SumUp) -> bool:
    """Count one more, inside the write door: whether it gets an entry of its own. A minute that is over is told."""
    require_write_door()
    rows = model._default_manager
    minute: Any = rows.select_for_update().filter(pk=_ROW).first()
    if minute is None or at - minute.since >= _MINUTE:
        _told(minute, sum_up)
        minute = model(id=_ROW, since=at, count=0)
    minute.count += 1
    rows.bulk_create([minute], update_conflicts=True, unique_fields=["id"], update_fields=["since", "count"])
    return bool(minute.count <= LOUD)


def over(model: type[Model], *, at: datetime) -> bool:
    """Whether a minute is over that was not summed up."""
    return model._default_manager.filter(pk=_ROW, since__lte=at - _MINUTE).exists()


def close(model: type[Model], *, at: datetime, sum_up: SumUp) -> None:
    """Sum up a minute that is over, inside the write door; nothing where it goes on."""
    require_write_door()
    minute: Any = model._default_manager.select_for_update().filter(pk=_ROW, since__lte=at - _MINUTE).first()
    if minute is not None:
        _told(minute, sum_up)
        minute.delete()


def _told(minute: _Minute | None, sum_up: SumUp) -> None:
    if minute is not None and minute.count > LOUD:
        sum_up(minute.count - LOUD, minute.since)
