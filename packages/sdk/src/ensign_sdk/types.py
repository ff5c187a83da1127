"""Types that callers meet."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from ensign_engine import Variant

Context = Mapping[str, Any]
"""`userId`, `sessionId`, `remoteAddress`, `environment`, `appName`, `currentTime`; further names, at the top or under
`properties`, are attributes of the application's own. It is read, never copied, changed, kept or sent."""

EMPTY: Context = MappingProxyType({})

Fallback = Callable[[str, Context | None], bool]
"""(flag, context) -> what to answer for a flag that the ruleset does not hold."""

VariantFallback = Callable[[str, Context | None], Variant]


class Impression(NamedTuple):
    """That a flag which asks for impressions was evaluated. `context` is the caller's own object."""

    kind: Literal["isEnabled", "getVariant"]
    flag: str
    enabled: bool
    variant: str | None
    context: Context


class Status(NamedTuple):
    """What a client runs on.

    `source` is where the rules came from: `server`, `cache`, `bootstrap`, `offline`, or None when there are none.
    `revision` is (epoch, number) if the server says; `checked_at` (Unix seconds) is when it last confirmed the
    rules; `error` says what went wrong since, or is None. `mode` is how changes come: `streaming` while a stream is
    open, else `polling`; None offline and before the client was started.

    With a `public_key`: `verified` says whether there are rules whose signatures are good (no others are used; without
    a key it is None), `refused` why the last ones offered were not taken over, `proven` up to which revision the log
    was shown to hold what is used, and `tree` the largest log seen then: its number of entries and its root in hex.
    """

    source: Literal["server", "cache", "bootstrap", "offline"] | None
    flags: int
    revision: tuple[int, int] | None
    checked_at: float | None
    error: str | None
    mode: Literal["streaming", "polling"] | None = None
    verified: bool | None = None
    refused: str | None = None
    proven: tuple[int, int] | None = None
    tree: tuple[int, str] | None = None


class FlagHandle(Protocol):
    """One flag, bound once: the quickest way to ask. Follows the ruleset as it changes."""

    def __call__(self, context: Context = ..., /) -> bool:
        """Whether the flag is on for `context`."""

    def variant(self, context: Context = ..., /) -> Variant:
        """The variant for `context`."""
