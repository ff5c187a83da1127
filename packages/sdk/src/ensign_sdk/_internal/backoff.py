"""How long to wait after a failure: growing, with jitter, and as long as the server asks for."""

import random
from datetime import UTC, datetime

CEILING = 300.0
"""No wait between tries is longer than this, unless the server asks for more."""
LONGEST_ASKED = 3600.0


def jittered(seconds: float, spread: float = 0.1) -> float:
    """About `seconds`, so that instances that start together do not stay together."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311  # spreads load, keeps no secret


def after_failures(failures: int, *, least: float = 0.0) -> float:
    """The wait after that many failures in a row: 1, 2, 4, … s up to 300 s, each drawn from its upper half."""
    ceiling = min(CEILING, 2.0 ** min(failures - 1, 10))
    return max(least, random.uniform(ceiling / 2, ceiling))  # noqa: S311  # spreads load, keeps no secret


def refused() -> float:
    """The wait after 401 or 403: nothing will change until a person acts."""
    return jittered(CEILING)


def asked(retry_after: str | None) -> float:
    """The seconds that a Retry-After header asks for (RFC 9110, 10.2.3), at most an hour; 0 when it says nothing."""
    if not retry_after:
        return 0.0
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:6]), LONGEST_ASKED))
    from email.utils import parsedate_to_datetime  # here: needed for servers that say a date, which is rare

    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_ASKED)
