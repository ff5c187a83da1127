"""The frame of every write: one transaction; a denial inside it becomes an entry of its own after the roll-back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from django.db import OperationalError

from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import action
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied
from ensign.control.kernel.transactions import inside_write_door, write_door

ACCESS_DENIED = action("access.denied", "was refused")

#: PostgreSQL's deadlock_detected and serialization_failure (its manual, appendix A): nothing is wrong with the act, two
#: transactions stood in each other's way and one of them was rolled back.
_COLLIDED: Final = frozenset({"40P01", "40001"})

_F = TypeVar("_F", bound=Callable[..., Any])


def record_denial(denied: Denied, *, actor: Actor, at: datetime) -> None:
    """Append an entry for a refusal, once per refusal. ``scope`` is ``project`` or ``project/environment`` or empty."""
    if denied.recorded:
        return
    project, _, environment = denied.scope.partition("/")
    with write_door():
        record(
            action=ACCESS_DENIED,
            actor=actor,
            at=at,
            where=Where(project=project or None, environment=environment or None),
            detail={"permission": denied.permission, "code": denied.code.replace("-", "_")},
        )
    denied.recorded = True


def collided(error: OperationalError) -> bool:
    """Whether the transaction was rolled back in favour of another one that ran at the same time."""
    return getattr(error.__cause__, "sqlstate", None) in _COLLIDED


def operation(function: _F) -> _F:
    """Make a keyword-only function with ``actor`` and ``at`` an operation: it runs inside the write door.

    When the database rolled it back because it collided with another transaction, it runs once more from the start:
    every check is made again, on what the other one left.

    :raises Denied: after the denial has been recorded in a transaction of its own.
    """

    @functools.wraps(function)
    def run(*, actor: Actor, at: datetime, **arguments: Any) -> Any:
        if inside_write_door():
            return function(actor=actor, at=at, **arguments)
        try:
            try:
                with write_door():
                    return function(actor=actor, at=at, **arguments)
            except OperationalError as error:
                if not collided(error):
                    raise
            with write_door():
                return function(actor=actor, at=at, **arguments)
        except Denied as denied:
            record_denial(denied, actor=actor, at=at)
            raise

    return run  # type: ignore[return-value]  # the wrapper keeps the signature of what it wraps
