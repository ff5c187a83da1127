"""Whether anybody has a flag, and whether all of its configuration was tried. Pure.

What is said here is about the configuration; how many users a constraint admits nobody knows.
"""

from __future__ import annotations

from ensign.control.flags import words
from ensign.control.flags.domain import FlagConfig, Strategy
from ensign.control.progression.domain import digest as digests


def reaches(strategy: Strategy) -> bool:
    """Whether the strategy lets anybody in: it is switched on, its share is above 0, its list is not empty."""
    if strategy.disabled or words.share(strategy) == 0:
        return False
    return all(strategy.parameters.get(name, "").strip() for name in digests.lists(strategy))


def exposed(config: FlagConfig) -> bool:
    """Whether anybody may have the flag: it is on, without strategies (then everybody) or with one that reaches."""
    return config.enabled and (not config.strategies or any(reaches(s) for s in config.strategies))


def tried(config: FlagConfig) -> bool:
    """Whether all of it is in effect: a strategy at 0 % has reached nobody, so a flag that has one was not tried."""
    live = [s for s in config.strategies if not s.disabled]
    return exposed(config) and all(reaches(s) for s in live)


def begins(before: FlagConfig, after: FlagConfig) -> bool:
    """Whether a part begins to reach somebody. Both must have the same digest, hence the same live strategies."""
    old, new = ([s for s in config.strategies if not s.disabled] for config in (before, after))
    return any(reaches(n) and not reaches(o) for o, n in zip(old, new, strict=True))
