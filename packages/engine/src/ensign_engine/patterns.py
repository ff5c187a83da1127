"""REGEX constraints: RE2 patterns, searched anywhere in the value (semantics, 6.7).

RE2 matches in linear time, so no pattern can hang an application; Python's `re` can, and differs in syntax.
Needs the `regex` extra (google-re2).
"""

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType

from ensign_engine.bucketing import well_formed

MAX_PATTERN = 4_096
"""Longest pattern accepted, in characters: RE2's memory grows with the pattern."""


class PatternError(ValueError):
    """The pattern is not one that RE2 compiles; the message is RE2's."""


def available() -> bool:
    """Whether google-re2 is installed."""
    return _re2() is not None


@cache
def _re2() -> ModuleType | None:
    # Imported at first use: few flags need it, and it would slow the start of every application.
    try:
        return importlib.import_module("re2")
    except ImportError:
        return None


def searcher(pattern: str, *, ignore_case: bool) -> Callable[[str], bool]:
    """A function that tells whether `pattern` occurs in a text. Raises PatternError."""
    re2 = _re2()
    if re2 is None:
        raise PatternError("google-re2 is not installed; install ensign-engine[regex]")
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(well_formed(pattern), options)
    except re2.error as problem:
        raise PatternError(_message(problem)) from None

    def search(value: str) -> bool:
        return compiled.search(well_formed(value)) is not None

    return search


def _message(problem: Exception) -> str:
    said = problem.args[0] if problem.args else "RE2 refused the pattern"
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
