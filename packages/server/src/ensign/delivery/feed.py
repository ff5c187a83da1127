"""Keeps the state current: one thread that waits for the source, reads it, and swaps the state."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
from collections.abc import Callable, Mapping

from ensign_ledger.ruleset import Untrusted

from ensign.delivery.deltas import Latest
from ensign.delivery.lastgood import LastGood
from ensign.delivery.published import Published
from ensign.delivery.source import Reading, Source, SourceError
from ensign.delivery.state import Place, State, advanced
from ensign.delivery.trust import Trust

log = logging.getLogger("ensign.delivery")

Prepare = Callable[[State, State], None]
"""(old, new): builds from the new state what the old one was asked for, before the new one is served."""


class Feed:
    """`state` is what to serve; `warm` whether there is any; `current` whether the source answered last time.

    `latest` is the newest state with its history. Streams and deltas go by it: whoever follows is told of each
    new one in the feed's thread, before the answers to whole requests are prepared, which takes longer.
    `proofs` maps places to proofs of what is published there, as JSON, once they are made. With `trust` only rulesets
    that it vouches for are taken over; `refused` counts the others.
    With the source gone the last state is served on, from memory, and after a restart from the last-good file.
    """

    RECONCILE = 5.0  # seconds between reads even when nobody signals a change

    def __init__(
        self,
        source: Source,
        *,
        last_good: str | os.PathLike[str] | None = None,
        prepare: Prepare = lambda _old, _new: None,
        trust: Trust | None = None,
    ) -> None:
        self.state = State()
        self.latest = Latest()
        self.warm = False
        self.current = False
        self.proofs: Mapping[Place, bytes] = {}
        self.refused = 0
        self._trust = trust
        self._source = source
        self._file = None if last_good is None else LastGood(last_good)
        self._prepare = prepare
        self._listener: Callable[[], None] = lambda: None
        self._versions: Mapping[str, int] = {}
        self._number = 0
        self._contents: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._changed = threading.Condition()

    def follow(self, listener: Callable[[], None]) -> None:
        """Have `listener` called with each new `latest`; it must return at once."""
        self._listener = listener

    def start(self) -> None:
        """Load the last-good file and begin to follow the source. Does not wait for it."""
        self._load()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="ensign-delivery-feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the source."""
        self._stop.set()
        self._source.hint()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
        self._source.close()

    def hint(self) -> None:
        """Something was published just now: read at once."""
        self._source.hint()

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Block until `condition` holds after some change, for at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def refresh(self) -> None:
        """Read the source once and take in what is new. Raises SourceError."""
        reading = self._source.read(self._versions, self._number)
        if reading is not None:
            self._take(reading)
        with self._changed:
            self.warm = self.current = True
            self._changed.notify_all()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
                if self._failures:
                    log.warning("%s answers again", self._source.name)
                self._failures = 0
                self._source.wait(self.RECONCILE)
            except SourceError as problem:
                self._failed(problem)
            except Exception:  # a defect here must not end the thread: the node would serve an old state for ever
                log.exception("the feed stumbled and goes on")
                self._failed(SourceError("internal error"))

    def _failed(self, problem: SourceError) -> None:
        self.current = False
        self._failures += 1
        if self._failures == 1:
            kept = "serving the last good state" if self.warm else "nothing to serve yet"
            log.error("cannot read rulesets (%s); %s, and trying again", problem, kept)
        self._stop.wait(min(5.0, 0.1 * 2 ** min(self._failures, 6)) * random.uniform(0.5, 1))  # noqa: S311  # jitter

    def _take(self, reading: Reading) -> None:
        rulesets, taken = [], {}
        for id, content in reading.contents.items():
            ruleset = self._read(content, f"ruleset {id}")
            if ruleset is not None:
                rulesets.append(ruleset)
                taken[id] = content
        state, rows = advanced(self.state, rulesets, reading.tokens), reading.revisions
        if self._trust is not None:
            rows = self._trust.retold(
                rows, since=self._number, floor=reading.floor, before=self.latest.state, after=state
            )
        history = self.latest.history.advanced(rows, floor=reading.floor, covered=reading.number)
        self._swap(Latest(state, history))
        self.proofs = {**self.proofs, **_proofs(reading.proofs)}
        self._versions, self._number = reading.versions, reading.number
        self._contents.update(taken)
        if self._file is not None:
            try:
                self._file.save(self._contents, reading.tokens)
            except OSError as problem:
                log.error("cannot keep the last good state on disk: %s", problem.strerror)

    def _read(self, content: str, name: str) -> Published | None:
        """The ruleset of `content`; None, and a line in the log, for one that must not be served."""
        try:
            ruleset = Published.read(content, held=self.state.rulesets)
            if self._trust is not None:
                self._trust.check(ruleset)
        except Untrusted as problem:
            self.refused += 1
            log.error("%s is refused, and what was served before goes on: %s", name, problem)
            return None
        except ValueError:
            log.exception("%s is left as it was", name)
            return None
        return ruleset

    def _load(self) -> None:
        if self._file is None:
            return
        try:
            kept = self._file.load()
            if kept is None:
                return
            found = [self._read(content, "a ruleset of the last good state") for content in kept.contents]
            rulesets = [ruleset for ruleset in found if ruleset is not None]
            self._swap(Latest(advanced(self.state, rulesets, kept.tokens)))
        except (OSError, ValueError) as problem:
            log.error("the last good state on disk cannot be used: %s", problem)
            return
        self.warm = True

    def _swap(self, latest: Latest) -> None:
        state = latest.state
        if latest.state is not self.latest.state or latest.history is not self.latest.history:
            self.latest = latest
            self._listener()
        if state is not self.state:
            self._prepare(self.state, state)
            with self._changed:
                self.state = state
                self._changed.notify_all()


def _proofs(documents: Mapping[str, str]) -> dict[Place, bytes]:
    """Proofs by place. They are sent as they are: whoever asks for one verifies it."""
    found: dict[Place, bytes] = {}
    for document in documents.values():
        if document:
            shape = json.loads(document)
            found[str(shape["project"]), str(shape["environment"])] = document.encode()
    return found
