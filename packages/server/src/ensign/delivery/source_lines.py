"""What sources that follow another node share: lines come in a thread, and become readings in the feed's."""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ensign.delivery.feed import Feed
from ensign.delivery.held import Held
from ensign.delivery.readings import proofs_heard, revisions_heard, tokens_heard
from ensign.delivery.source import Reading, SourceError, Version
from ensign.delivery.splice import applied
from ensign.delivery.tokens import Bounds, TokenRow
from ensign.delivery.uplink import UplinkError

WAITING = 4
"""Lines that may wait to be taken in; then the connection is not read from, and the node above waits, too."""

Line = dict[str, Any]


class Wire:
    """One open connection. `refused` names what is not given any more; `bounds` is what the rest sees (None: all).

    A thread of the subclass calls `put` for each line, and in the end for an UplinkError that says why.
    """

    def __init__(self, url: str) -> None:
        self.cut_off = False
        self.refused = ""
        self.bounds: tuple[Bounds, ...] | None = None
        self.closed = threading.Event()
        self._url = url
        self._lines: queue.Queue[Line | UplinkError] = queue.Queue(WAITING)
        self._next: Line | UplinkError | None = None
        self._heard = False

    @property
    def doubt(self) -> str:
        """Why what comes over it may be old, or is not everything."""
        if self.refused:
            return f"{self._url}: it refuses {self.refused}, but not the others"
        return f"{self._url}: it has lost its own source" if self.cut_off else ""

    def ready(self, seconds: float) -> bool:
        """Whether there is a line, or an end, within so long."""
        if self._next is None:
            with suppress(queue.Empty):
                self._next = self._lines.get(timeout=max(0.001, seconds))
        return self._next is not None

    def take(self, seconds: float) -> Line | None:
        """The next line, None when there is none within so long. Raises UplinkError once there will be no more."""
        deadline = time.monotonic() + seconds
        while self.ready(max(0.0, deadline - time.monotonic())):
            found, self._next = self._next, None
            if isinstance(found, UplinkError):
                raise found
            assert found is not None
            if not self.greeting(found):
                self._heard = True
                return found
        if not self._heard:
            raise UplinkError(f"{self._url}: no answer in time")
        return None

    def greeting(self, _line: Line) -> bool:
        """Whether a line is no news but says how to read the others. Raises UplinkError for a stranger's."""
        return False

    def put(self, item: Line | UplinkError) -> None:
        """Hand over a line; waits while there are too many."""
        while not self.closed.is_set():
            with suppress(queue.Full):
                self._lines.put(item, timeout=1)
                return

    def close(self) -> None:
        """Hang up, also while the thread reads."""
        self.closed.set()


class LineSource(ABC):
    """A `Source` that follows another node. `follow` tells it of the feed whose source it is."""

    def __init__(self, name: str, patience: float) -> None:
        self.name = name
        self.doubt = ""
        self._patience = patience
        self._held: Callable[[], Held] = Held
        self._wire: Wire | None = None
        self._tokens: tuple[TokenRow, ...] = ()
        self._doubted: set[str] = set()
        self._hinted = threading.Event()

    @abstractmethod
    def connect(self, known: Mapping[str, Version], since: int) -> Wire:
        """A new connection. Raises UplinkError."""

    def follow(self, feed: Feed) -> None:
        """Go by what `feed` holds: changes come as splices of it."""
        self._held = lambda: feed.held

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """See `Source`."""
        try:
            fresh = self._wire is None
            if self._wire is None:
                asked = {id: version for id, version in known.items() if id not in self._doubted}
                self._wire = self.connect(asked, since)
            wire = self._wire
            line = wire.take(self._patience if fresh else 0)
            reading = None if line is None else self._reading(wire, known, since, line)
            self.doubt = wire.doubt
            return reading
        except UplinkError as problem:
            self.close()
            raise SourceError(str(problem)) from problem
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as problem:
            self.close()
            raise SourceError(f"{self.name} sent something that cannot be understood") from problem

    def wait(self, seconds: float) -> None:
        """See `Source`."""
        deadline = time.monotonic() + seconds
        while (wire := self._wire) is not None and not self._hinted.is_set():
            if wire.ready(min(0.5, deadline - time.monotonic())) or time.monotonic() >= deadline:
                break
        self._hinted.clear()

    def hint(self) -> None:
        """See `Source`."""
        self._hinted.set()

    def close(self) -> None:
        """See `Source`."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _reading(self, wire: Wire, known: Mapping[str, Version], since: int, line: Line) -> Reading | None:
        """A line as a reading; None when it is only a sign of life."""
        found = wire.cut_off and line["current"]
        wire.cut_off = not line["current"]
        if "tokens" in line:
            self._tokens = tokens_heard(line["tokens"])
        bounds = wire.bounds if wire.refused else None
        if "versions" not in line:
            # What was told in doubt counts now.
            return Reading(known, {}, self._tokens, (), since, since, bounds=bounds) if found else None
        versions = {str(id): str(version) for id, version in line["versions"].items()}
        contents = {
            id: str(content)
            for id, content in line["contents"].items()
            if known.get(id) != versions.get(id) or id in self._doubted
        }
        for id, splice in line.get("splices", {}).items():
            contents[id] = self._spliced(id, splice)
        self._doubted -= contents.keys()
        return Reading(
            {**known, **versions},
            contents,
            self._tokens,
            revisions_heard(line["revisions"]),
            int(line["floor"]),
            int(line["number"]),
            proofs=proofs_heard(line.get("proofs", ())),
            bounds=bounds,
        )

    def _spliced(self, id: str, splice: Mapping[str, Any]) -> str:
        copy = self._held().copies.get(id)
        try:
            if copy is None:
                raise ValueError("there is nothing to change")
            return applied(copy.content, splice["parts"], splice["sha256"])
        except ValueError:
            self._doubted.add(id)  # asked for as a whole by the next connection
            raise
