"""Flags bound once: a function whose cells point straight at the compiled flag."""

import logging
from collections.abc import Callable
from typing import Any, cast

from ensign_engine import Variant

from ensign_sdk._internal.observed import Table
from ensign_sdk.types import EMPTY, Fallback, FlagHandle

log = logging.getLogger("ensign_sdk")

Bind = Callable[[Table], None]


def answered(default: bool | Fallback, name: str, context: Any) -> bool:
    """What `default` says about `name`; False when it raises."""
    if callable(default):
        try:
            return bool(default(name, context))
        except Exception:  # the function is the application's; an evaluation must not fail by it
            log.exception("the fallback function for %r raised; the answer is False", name)
            return False
    return bool(default)


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
        flag = table[name]
        counts, variant_counts, choose = flag.counts, flag.variant_counts, flag.choose
        decide = flag.decide if flag.found or default is False else absent

    function = cast(Any, handle)
    function.variant = variant
    function.bind = bind
    return cast(FlagHandle, handle), bind
