"""Warnings that a process gives once, not once per evaluation.

A ruleset can name a strategy nobody registered in thousands of evaluations a second; one line in the log
says it all. The memory of what was said is bounded, so a process that meets new names for a year stays small.
"""

import logging

_LIMIT = 1_000
_logger = logging.getLogger("ensign_engine")
_said: set[str] = set()


def warn_once(message: str) -> None:
    """Log `message` as a warning unless this process already did (at most 1,000 different ones)."""
    if message in _said or len(_said) >= _LIMIT:
        return
    _said.add(message)
    _logger.warning(message)
