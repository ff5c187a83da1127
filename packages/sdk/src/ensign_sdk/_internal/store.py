"""The rules that a client holds: swapped as a whole, never for worse."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from ensign_engine import Ruleset, RulesetError
from ensign_engine.documents import loaded

from ensign_sdk._internal.cache import Origin
from ensign_sdk.config import Document, read_bytes
from ensign_sdk.types import Status

if TYPE_CHECKING:
    from ensign_sdk._internal.trust import Trust

log = logging.getLogger("ensign_sdk")

SourceName = Literal["server", "cache", "bootstrap", "offline"]
Mode = Literal["streaming", "polling"]


class Store:
    """Holds the last good ruleset. One thread at a time takes documents in; any thread may read.

    `swapped` is called with each new ruleset before anybody else hears of it. With `trust` nothing is taken over that
    it does not vouch for.
    """

    def __init__(self, ruleset: Ruleset, swapped: Callable[[Ruleset], None], trust: "Trust | None" = None) -> None:
        self.ruleset = ruleset
        self.origin = Origin()
        self.source: SourceName | None = None
        self.error: str | None = None
        self.mode: Mode | None = None
        self.trust = trust
        self._checked_at: float | None = None
        self._swapped = swapped

    def put(self, ruleset: Ruleset, source: SourceName, origin: Origin = Origin()) -> None:  # noqa: B008  # immutable
        """Make `ruleset` the one in use. What the old one had compiled is compiled now, not by the next caller."""
        for name in tuple(self.ruleset.table):
            _ = ruleset.table[name]
        self.ruleset, self.origin, self.source = ruleset, origin, source
        self._swapped(ruleset)

    def bring(self, ruleset: Ruleset, document: Document, source: SourceName) -> bool:
        """Take over what the application brings along, read already; False when it cannot be trusted."""
        if self.trust is None:
            self.put(ruleset, source)
            return True
        read = document if isinstance(document, Mapping) else loaded(read_bytes(document))
        verdict = self.trust.judge(ruleset, read, source)
        if verdict is None:
            self.error = f"the rules were refused: {self.trust.refused}"
            return False
        self.trust.take(verdict)
        self.put(ruleset, source, Origin(None, None, verdict.revision))
        return True

    def offer(self, document: bytes, source: SourceName, origin: Origin) -> bool:
        """Take a document in, if it is one and no older than what is held. Never raises."""
        return not self._older(origin) and self._take(document, source, origin, whole=True)

    def apply(self, delta: str, origin: Origin) -> bool:
        """Take in what changed. False, and nothing has, when it cannot be read or is older than what is held."""
        return not self._older(origin) and self._take(delta, "server", origin, whole=False)

    def to_document(self) -> dict[str, Any]:
        """The rules in the wire's shape, for the cache; with the signatures that vouched for them."""
        document = self.ruleset.to_document()
        if self.trust is not None:
            document["meta"] = {"signatures": self.trust.notes()}
        return document

    def _older(self, origin: Origin) -> bool:
        held = self.origin
        if origin.scope == held.scope and origin.revision and held.revision and origin.revision < held.revision:
            # Several servers behind one address may differ for a moment; none may take a change back.
            self.error = f"the server offered revision {origin.revision}, older than {held.revision}"
            log.warning("Ensign keeps its rules: %s", self.error)
            return True
        return False

    def _take(self, document: bytes | str, source: SourceName, origin: Origin, *, whole: bool) -> bool:
        try:
            read = loaded(document)
            if whole and "features" not in read:
                raise RulesetError("the document has no `features`")
            ruleset = self.ruleset.succeeded(read)
        except (RulesetError, RecursionError) as problem:  # the latter from comparing what is nested very deeply
            self.error = f"the rules cannot be read: {problem}"
            log.error("Ensign keeps its rules: %s", self.error)
            return False
        trust = self.trust
        if trust is not None:
            verdict = trust.judge(ruleset, read, source)
            if verdict is None:
                self.error = f"the rules were refused: {trust.refused}"
                return False
            # What the server says of the revision is not signed; what the statements say is.
            origin = origin._replace(revision=verdict.revision)
            trust.take(verdict)
        self.put(ruleset, source, origin)
        return True

    def confirmed(self) -> None:
        """The server said that the rules held are the current ones."""
        self._checked_at = time.time()
        self.source = "server"
        self.error = None

    def status(self) -> Status:
        """What the client runs on, at this moment."""
        seen = {} if self.trust is None else self.trust.status()
        return Status(
            self.source, len(self.ruleset), self.origin.revision, self._checked_at, self.error, self.mode, **seen
        )
