"""The table of flags with impressions: only flags that ask for them, and only if somebody listens, pay for it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ensign_engine import CompiledFlag, Evaluation

from ensign_sdk.types import Impression

log = logging.getLogger("ensign_sdk")

Table = Mapping[str, Any]
"""Name -> what has `decide`, `choose`, `counts`, `variant_counts` and `found`, as CompiledFlag does."""


class Listener:
    """Calls the application's hook; what it raises is logged once and goes no further."""

    def __init__(self, hook: Callable[[Impression], object]) -> None:
        self._hook = hook
        self._complained = False

    def tell(
        self, kind: Literal["isEnabled", "getVariant"], flag: str, enabled: bool, variant: str | None, context: Any
    ) -> None:
        """Report one evaluation."""
        try:
            self._hook(Impression(kind, flag, enabled, variant, context))
        except Exception:  # the hook is the application's; an evaluation must not fail by it
            if not self._complained:
                log.exception("on_impression raised; further failures of it are not logged")
            self._complained = True


class ObservedFlag:
    """A flag whose two functions also tell the listener; `compiled` is the engine's own."""

    __slots__ = ("choose", "compiled", "counts", "decide", "found", "variant_counts")

    def __init__(self, flag: Any, listener: Listener) -> None:
        decide: Callable[[Any], int] = flag.decide
        choose: Callable[[Any], Evaluation] = flag.choose
        name, tell = flag.name, listener.tell

        def told_decide(context: Any) -> int:
            code = decide(context)
            tell("isEnabled", name, code != 0, None, context)
            return code

        def told_choose(context: Any) -> Evaluation:
            answer = choose(context)
            tell("getVariant", name, answer.enabled, answer.variant.name, context)
            return answer

        self.compiled: CompiledFlag = getattr(flag, "compiled", flag)
        self.decide = told_decide
        self.choose = told_choose
        self.counts = flag.counts
        self.variant_counts = flag.variant_counts
        self.found = flag.found


class ObservedTable(dict[str, Any]):
    """Wraps an engine's table, flag by flag at first use."""

    def __init__(self, flags: Table, listener: Listener) -> None:
        super().__init__()
        self._flags = flags
        self._listener = listener

    def __missing__(self, name: str) -> Any:
        flag = self._flags[name]
        if not flag.found:
            return flag
        return self.setdefault(name, ObservedFlag(flag, self._listener) if flag.impression_data else flag)
