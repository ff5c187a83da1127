"""Keeps the state current: one thread that waits for the source, reads it, and swaps the state."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ensign_ledger.ruleset import Untrusted

from ensign.delivery.deltas import Latest
from ensign.delivery.held import Copy, Held
from ensign.delivery.history import History
from ensign.delivery.lastgood import Keeper, LastGood
from ensign.delivery.published import Published
from ensign.delivery.source import Reading, Source, SourceError, Version
from ensign.delivery.state import Place, State, advanced
from ensign.delivery.tokens import TokenRow
from ensign.delivery.trust import Trust

log = logging.getLogger("ensign.delivery")

Prepare = Callable[[State, State], None]
"""(old, new): builds from the new state what the old one was asked for, before the new one is served."""


class Feed:
    """`state` is what to serve; `warm` whether there is any; `current` whether the source answered last time.

    `confirmed` is when (Unix time) the read began that last found the state to be current.
    `latest` is the newest state with its history. Streams and deltas go by it: whoever follows is told of each
    new one in the feed's thread, before the answers to whole requests are prepared, which takes longer.
    `held` is the same with the texts that it was made of. `problem` says why the source does not answer.
    `proofs` maps places to proofs of what is published there, as JSON, once they are made. With `trust` only rulesets
    that it vouches for are taken over; `refused` counts the others.
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
        trust: Trust | None = None,
    ) -> None:
        self.state = State()
        self.held = Held()
        self.warm = False
        self.current = False
        self.confirmed = 0.0
        self.problem = ""
        self.proofs: Mapping[Place, bytes] = {}
        self.refused = 0
        self._trust = trust
        self._source = source
        self._file = None if last_good is None else LastGood(last_good)
        self._keeper = None if self._file is None else Keeper(self._file)
        self._prepare = prepare
        self._listeners: list[Callable[[], None]] = []
        self._afterwards: Callable[[], None] = lambda: None
        self._versions: Mapping[str, Version] = {}
        self._number = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._changed = threading.Condition()

    @property
    def latest(self) -> Latest:
        """The newest state with its history."""
        return self.held.latest

    def follow(self, listener: Callable[[], None]) -> None:
        """Have `listener` called with each new `held`, and when `current` turns; it must return at once."""
        self._listeners.append(listener)

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
        if self._keeper is not None:
            self._keeper.start()
        self._thread = threading.Thread(target=self._run, name="ensign-delivery-feed", daemon=True)
        self._thread.start()
        self.wait_until(lambda: self.warm or self._failures > 0, self.PATIENCE)

    def stop(self) -> None:
        """End the threads and close the source; what was read last is on disk then."""
        self._stop.set()
        self._source.hint()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None
        self._source.close()
        if self._keeper is not None:
            self._keeper.stop()

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
        if doubt := self._source.doubt:
            self._complain(doubt)
        self._turn(current=not doubt)
        with self._changed:
            self.warm = True
            if self.current:
                self.confirmed = began
            self._changed.notify_all()
        self._afterwards()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
                if self._failures:
                    log.warning("%s answers again", self._source.name)
                    self._failures, self.problem = 0, ""
                self._complain(self._source.doubt)
                self._source.wait(self.RECONCILE)
            except SourceError as problem:
                self._failed(problem)
            except Exception:  # a defect here must not end the thread: the node would serve an old state for ever
                log.exception("the feed stumbled and goes on")
                self._source.close()  # what it said last was not taken in: all of it is read anew
                self._failed(SourceError("internal error"))

    def _failed(self, problem: SourceError) -> None:
        with self._changed:
            self._failures += 1
            self._changed.notify_all()
        self._complain(str(problem))
        self._turn(current=False)
        self._stop.wait(min(5.0, 0.1 * 2 ** min(self._failures, 6)) * random.uniform(0.5, 1))  # noqa: S311  # jitter

    def _complain(self, problem: str) -> None:
        if problem and problem != self.problem:
            kept = "serving the last good state" if self.warm else "nothing to serve yet"
            log.error("rulesets may not be up to date (%s); %s, and trying again", problem, kept)
        self.problem = problem

    def _turn(self, *, current: bool) -> None:
        if current != self.current:
            self.current = current
            self._tell()

    def _take(self, reading: Reading) -> None:
        fresh: dict[str, tuple[str, Published]] = {}
        for id, content in reading.contents.items():
            ruleset = self._read(content, f"ruleset {id}")
            if ruleset is not None:
                fresh[id] = content, ruleset
        tokens = _tokens(self.held.tokens, reading, doubtful=self.warm and bool(self._source.doubt))
        state = advanced(self.state, [ruleset for _, ruleset in fresh.values()], tokens)
        rows = reading.revisions
        if self._trust is not None:
            rows = self._trust.retold(
                rows, since=self._number, floor=reading.floor, before=self.latest.state, after=state
            )
        history = self.latest.history.advanced(rows, floor=reading.floor, covered=reading.number)
        copies = {id: Copy(text, _place(ruleset), ruleset.revision) for id, (text, ruleset) in fresh.items()}
        # What was refused is not held either: it would be given to the nodes below, and be served after a restart.
        taken = {id: copy for id, copy in copies.items() if state.rulesets[copy.place].revision == copy.revision}
        held = Held(MappingProxyType({**self.held.copies, **taken}), tokens, Latest(state, history))
        self._swap(held)
        self.proofs = {**self.proofs, **_proofs(reading.proofs)}
        self._versions, self._number = reading.versions, reading.number
        if self._keeper is not None:
            self._keeper.keep(self.held)

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
            found = {
                id: (text, self._read(text, "a ruleset of the last good state")) for id, text in kept.contents.items()
            }
            read = {id: (text, ruleset) for id, (text, ruleset) in found.items() if ruleset is not None}
        except (OSError, ValueError) as problem:
            log.error("the last good state on disk cannot be used: %s", problem)
            return
        copies = {id: Copy(text, _place(ruleset), ruleset.revision) for id, (text, ruleset) in read.items()}
        history = History(floor=kept.number, covered=kept.number)
        if self._trust is None:  # what changed is not signed: with keys, only whole rulesets can be taken from a file
            history = History().advanced(kept.revisions, floor=kept.floor, covered=kept.number)
        state = advanced(self.state, [ruleset for _, ruleset in read.values()], kept.tokens)
        self._swap(Held(MappingProxyType(copies), kept.tokens, Latest(state, history)))
        self._versions = {id: copy.version for id, copy in copies.items()}
        self._number = kept.number
        self.warm = True

    def _swap(self, held: Held) -> None:
        before, latest = self.held.latest, held.latest
        state = latest.state
        if state is before.state and latest.history is before.history:
            self.held = replace(held, latest=before)  # with the documents that were made of it
        else:
            self.held = held
            self._tell()
        if state is not self.state:
            self._prepare(self.state, state)
            with self._changed:
                self.state = state
                self._changed.notify_all()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _place(ruleset: Published) -> Place:
    return ruleset.project, ruleset.environment


def _tokens(held: tuple[TokenRow, ...], reading: Reading, *, doubtful: bool) -> tuple[TokenRow, ...]:
    """The tokens to go by: those of the reading, and what it cannot know of as it was.

    In doubt nobody new is let in: a source that is behind may still hold what was revoked here already.
    """
    known = [row for row in reading.tokens if row in held] if doubtful else list(reading.tokens)
    if reading.bounds is not None:
        known += [row for row in held if not any(one.holds(row) for one in reading.bounds)]
    return tuple(known)


def _proofs(documents: Mapping[str, str]) -> dict[Place, bytes]:
    """Proofs by place. They are sent as they are: whoever asks for one verifies it."""
    found: dict[Place, bytes] = {}
    for document in documents.values():
        if document:
            shape = json.loads(document)
            found[str(shape["project"]), str(shape["environment"])] = document.encode()
    return found
