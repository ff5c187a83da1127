"""What an evaluation needs besides rules and context, all of it injectable."""

import os
import random as random_module
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ensign_engine.context import EMPTY, lookup
from ensign_engine.parsing import instant_text

CustomStrategy = Callable[[Mapping[str, str], Any], bool]
"""(parameters, context as the caller gave it) -> on or off; raising counts as off."""

RANDOM_IDENTIFIERS = 10_000


def local_hostname() -> str:
    """The environment's HOSTNAME (COMPUTERNAME on Windows), else the operating system's host name."""
    named = os.environ.get("HOSTNAME") or os.environ.get("COMPUTERNAME")
    # Not by `socket`: importing it would cost every application a few milliseconds at start.
    return named or (os.uname().nodename if hasattr(os, "uname") else "")


def utc_now() -> datetime:
    """The system clock, in UTC."""
    return datetime.now(UTC)


class Settings(NamedTuple):
    """`random` gives floats in [0, 1); `now` gives the time for an absent `currentTime`.

    `static_context` holds values (text) for names that a context leaves out, such as `appName`.
    """

    static_context: Mapping[str, str] = EMPTY
    custom_strategies: Mapping[str, CustomStrategy] = EMPTY
    hostname: str | None = None
    random: Callable[[], float] = random_module.random
    now: Callable[[], datetime] = utc_now

    def random_identifier(self) -> str:
        """The text of a uniform whole number 1..10,000, standing in for a missing identifier."""
        return str(int(self.random() * RANDOM_IDENTIFIERS) + 1)

    def host(self) -> str:
        """The host name that `applicationHostname` compares with, in lower case."""
        return (self.hostname if self.hostname is not None else local_hostname()).lower()

    def given(self, context: Any, name: str) -> str | None:
        """The context's value for `name`, else the static context's, else None."""
        return lookup(context, name, self.static_context.get(name))

    def value(self, context: Any, name: str) -> str | None:
        """What constraints see: like `given`, but an absent `currentTime` is now (ISO 8601, UTC)."""
        found = self.given(context, name)
        return instant_text(self.now()) if found is None and name == "currentTime" else found
