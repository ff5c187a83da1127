"""What goes on from an applied change: apps above say so by :func:`register` while Django starts.

They are called inside the write door, right after the change's own entry, and write entries of their own: all of it
commits together, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import World
from ensign.control.kernel.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A request as it applied, from the state ``before``; by whom, and when in the ledger's own time."""

    request: ChangeRequest
    before: World
    actor: Actor
    at: datetime


Follow = Callable[[Happened], None]

_registered: dict[str, Follow] = {}


def register(name: str, follow: Follow) -> None:
    """Have ``follow`` called for every change that applies from now on. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _registered:
        raise ValueError(f"{name} follows applied changes already")
    _registered[name] = follow


def follow(happened: Happened) -> None:
    """Call all that registered."""
    for one in _registered.values():
        one(happened)
