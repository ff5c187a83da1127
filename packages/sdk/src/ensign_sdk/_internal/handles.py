"""Flags bound once: a function whose cells point straight at the compiled flag."""

import logging
from collections.abc import Callable
from typing import Any, cast

from ensign_engine import Counters, Variant
from ensign_engine.compiled import unknown_flag

from ensign_sdk._internal.observed import Table
from ensign_sdk.types import EMPTY, Fallback, FlagHandle

log = logging.getLogger("ensign_sdk")

Bind = Callable[[Table], None]


def answered(default: bool | Fallback, name: str, context: Any) -> bool:
    """What `default` says about `name`; False when it raises."""
    try:
        return bool(default(name, context) if callable(default) else default)
    except Exception:  # the function is the application's; an evaluation must not fail by it
        log.exception("the fallback for %s raised; the answer is False", called(name))
        return False


def called(name: object) -> str:
    """A flag's name for the log; what a caller passed by mistake may not even have a text."""
    return str.__repr__(name[:200]) if isinstance(name, str) else f"a {type(name).__name__} (not a text)"


def _found(table: Table, name: Any) -> Any:
    """The flag, or for what cannot even be looked up one that is unknown and counts nothing."""
    try:
        return table[name]
    except Exception:  # e.g. a name without a hash; making a handle must not fail by it
        return unknown_flag("", Counters())


def bound(name: str, default: bool | Fallback) -> tuple[FlagHandle, Bind]:
    """A handle for `name`, and the function that points it at another table. It answers nothing until bound.

    Two assignments are no transaction, but a flag's counts stay the same object from ruleset to ruleset, so that
    no mixture can be wrong.
    """
    decide: Callable[[Any], int]
    choose: Callable[[Any], Any]
    counts: list[int]
    variant_counts: dict[str, int]

    def handle(context: Any = EMPTY, /) -> bool:
        if decide(context):
            counts[1] += 1
            return True
        counts[0] += 1
        return False

    def variant(context: Any = EMPTY, /) -> Variant:
        answer = choose(context)
        given: Variant = answer.variant
        counts[answer.enabled] += 1
        variant_counts[given.name] = variant_counts.get(given.name, 0) + 1
        return given

    def absent(context: Any) -> int:
        return answered(default, name, context)

    def bind(table: Table) -> None:
        nonlocal decide, choose, counts, variant_counts
        flag = _found(table, name)
        counts, variant_counts, choose = flag.counts, flag.variant_counts, flag.choose
        decide = flag.decide if flag.found or default is False else absent

    function = cast(Any, handle)
    function.variant = variant
    function.bind = bind
    return cast(FlagHandle, handle), bind
