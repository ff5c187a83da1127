"""Whether a flag may be classified anew without a change request: decided by who knows the policies, above.

Type, tags, risk tier and owner say what a policy asks of the flag's changes. The first app above that knows both
registers here; without one, nothing is held back.
"""

from __future__ import annotations

from collections.abc import Callable

from ensign.control.flags.domain import FlagInfo

#: Given the flag before and after, in a sentence why that takes a change request; empty when it does not.
Keeper = Callable[[FlagInfo, FlagInfo], str]

_keepers: list[Keeper] = []


def register(keeper: Keeper) -> None:
    """Ask ``keeper`` about every direct edit from now on. Once, while Django starts."""
    _keepers.append(keeper)


def refusal(before: FlagInfo, after: FlagInfo) -> str:
    """Why the flag's class cannot be edited directly like this, or empty."""
    return next((said for keeper in _keepers if (said := keeper(before, after))), "")
