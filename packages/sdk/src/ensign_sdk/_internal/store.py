"""The rules that a client holds: swapped as a whole, never for worse."""

import logging
import time
from collections.abc import Callable
from typing import Literal

from ensign_engine import Ruleset, RulesetError

from ensign_sdk._internal.cache import Origin
from ensign_sdk.types import Status

log = logging.getLogger("ensign_sdk")

SourceName = Literal["server", "cache", "bootstrap", "offline"]
Mode = Literal["streaming", "polling"]


class Store:
    """Holds the last good ruleset. One thread at a time takes documents in; any thread may read.

    `swapped` is called with each new ruleset before anybody else hears of it.
    """

    def __init__(self, ruleset: Ruleset, swapped: Callable[[Ruleset], None]) -> None:
        self.ruleset = ruleset
        self.origin = Origin()
        self.source: SourceName | None = None
        self.error: str | None = None
        self.mode: Mode | None = None
        self._checked_at: float | None = None
        self._swapped = swapped

    def put(self, ruleset: Ruleset, source: SourceName, origin: Origin = Origin()) -> None:  # noqa: B008  # immutable
        """Make `ruleset` the one in use. What the old one had compiled is compiled now, not by the next caller."""
        for name in tuple(self.ruleset.table):
            _ = ruleset.table[name]
        self.ruleset, self.origin, self.source = ruleset, origin, source
        self._swapped(ruleset)

    def offer(self, document: bytes, source: SourceName, origin: Origin) -> bool:
        """Take a document in, if it is one and no older than what is held. Never raises."""
        return not self._older(origin) and self._take(
            lambda: Ruleset.parse(document, previous=self.ruleset), source, origin
        )

    def apply(self, delta: str, origin: Origin) -> bool:
        """Take in what changed. False, and nothing has, when it cannot be read or is older than what is held."""
        return not self._older(origin) and self._take(lambda: self.ruleset.apply_delta(delta), "server", origin)

    def _older(self, origin: Origin) -> bool:
        held = self.origin
        if origin.scope == held.scope and origin.revision and held.revision and origin.revision < held.revision:
            # Several servers behind one address may differ for a moment; none may take a change back.
            self.error = f"the server offered revision {origin.revision}, older than {held.revision}"
            log.warning("Ensign keeps its rules: %s", self.error)
            return True
        return False

    def _take(self, read: Callable[[], Ruleset], source: SourceName, origin: Origin) -> bool:
        try:
            ruleset = read()
        except (RulesetError, RecursionError) as problem:  # the latter from comparing what is nested very deeply
            self.error = f"the rules cannot be read: {problem}"
            log.error("Ensign keeps its rules: %s", self.error)
            return False
        self.put(ruleset, source, origin)
        return True

    def confirmed(self) -> None:
        """The server said that the rules held are the current ones."""
        self._checked_at = time.time()
        self.source = "server"
        self.error = None

    def status(self) -> Status:
        """What the client runs on, at this moment."""
        return Status(self.source, len(self.ruleset), self.origin.revision, self._checked_at, self.error, self.mode)
