"""Keeps the state current: one thread that waits for the source, reads it, and swaps the state."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping

from ensign.delivery.deltas import Latest
from ensign.delivery.lastgood import LastGood
from ensign.delivery.published import Published
from ensign.delivery.source import Reading, Source, SourceError
from ensign.delivery.state import State, advanced

log = logging.getLogger("ensign.delivery")

Prepare = Callable[[State, State], None]
"""(old, new): builds from the new state what the old one was asked for, before the new one is served."""


class Feed:
    """`state` is what to serve; `warm` whether there is any; `current` whether the source answered last time.

    `confirmed` is when (Unix time) the read began that last found the state to be current.
    `latest` is the newest state with its history. Streams and deltas go by it: whoever follows is told of each
    new one in the feed's thread, before the answers to whole requests are prepared, which takes longer.
    With the source gone the last state is served on, from memory, and after a restart from the last-good file.
    """

    RECONCILE = 5.0  # seconds between reads even when nobody signals a change
    PATIENCE = 2.0  # seconds that a start waits for the first reading

    def __init__(
        self,
        source: Source,
        *,
        last_good: str | os.PathLike[str] | None = None,
        prepare: Prepare = lambda _old, _new: None,
    ) -> None:
        self.state = State()
        self.latest = Latest()
        self.warm = False
        self.current = False
        self.confirmed = 0.0
        self._source = source
        self._file = None if last_good is None else LastGood(last_good)
        self._prepare = prepare
        self._listener: Callable[[], None] = lambda: None
        self._afterwards: Callable[[], None] = lambda: None
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

    def after(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each refresh, when what is new is served; it must return at once."""
        self._afterwards = listener

    def start(self) -> None:
        """Load the last-good file and begin to follow the source.

        Without such a file it waits until the source was asked once, so that a server that says it serves does not
        answer its first clients with 503; at most `PATIENCE` seconds, as the source may not answer at all.
        """
        self._load()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="ensign-delivery-feed", daemon=True)
        self._thread.start()
        self.wait_until(lambda: self.warm or self._failures > 0, self.PATIENCE)

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
        began = time.time()
        reading = self._source.read(self._versions, self._number)
        if reading is not None:
            self._take(reading)
        with self._changed:
            self.warm = self.current = True
            self.confirmed = began
            self._changed.notify_all()
        self._afterwards()

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
        with self._changed:
            self.current = False
            self._failures += 1
            self._changed.notify_all()
        if self._failures == 1:
            kept = "serving the last good state" if self.warm else "nothing to serve yet"
            log.error("cannot read rulesets (%s); %s, and trying again", problem, kept)
        self._stop.wait(min(5.0, 0.1 * 2 ** min(self._failures, 6)) * random.uniform(0.5, 1))  # noqa: S311  # jitter

    def _take(self, reading: Reading) -> None:
        rulesets = []
        for id, content in reading.contents.items():
            try:
                rulesets.append(Published.read(content, held=self.state.rulesets))
            except ValueError:
                log.exception("ruleset %s is left as it was", id)
        history = self.latest.history.advanced(reading.revisions, floor=reading.floor, covered=reading.number)
        self._swap(Latest(advanced(self.state, rulesets, reading.tokens), history))
        self._versions, self._number = reading.versions, reading.number
        self._contents.update(reading.contents)
        if self._file is not None:
            try:
                self._file.save(self._contents, reading.tokens)
            except OSError as problem:
                log.error("cannot keep the last good state on disk: %s", problem.strerror)

    def _load(self) -> None:
        if self._file is None:
            return
        try:
            kept = self._file.load()
            if kept is None:
                return
            self._swap(Latest(advanced(self.state, map(Published.read, kept.contents), kept.tokens)))
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
