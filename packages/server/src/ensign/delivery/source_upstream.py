"""The source of an edge: another node's feed (`edge_feed`), followed over one connection."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ensign.delivery.edge_feed import PROTOCOL
from ensign.delivery.feed import Feed
from ensign.delivery.held import Held
from ensign.delivery.history import RevisionRow
from ensign.delivery.source import Reading, SourceError, Version
from ensign.delivery.splice import applied
from ensign.delivery.tokens import Reach, TokenRow
from ensign.delivery.uplink import Uplink, UplinkError

MAX_LINE = 512 * 1024 * 1024
"""Bytes of one line: a hundred times a ruleset of 10,000 flags."""
WAITING = 4
"""Lines that may wait to be taken in; then the connection is not read from, and the node above waits, too."""

Line = dict[str, Any]


class UpstreamSource:
    """Follows the node above. A thread reads lines, so that silence is noticed whatever the feed does meanwhile.

    `follow` tells it of the feed that it is the source of: changes come as splices of the texts that are held there.
    Silence for longer than the uplink's patience counts as a broken connection: nodes send a sign of life every 5 s.
    """

    def __init__(self, uplink: Uplink) -> None:
        self.name = f"the node above at {uplink.url}"
        self.doubt = ""
        self._held: Callable[[], Held] = Held
        self._uplink = uplink
        self._wire: _Wire | None = None
        self._tokens: tuple[TokenRow, ...] = ()
        self._doubted: set[str] = set()
        self._hinted = threading.Event()

    def follow(self, feed: Feed) -> None:
        """Go by what `feed` holds."""
        self._held = lambda: feed.held

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """See `Source`."""
        try:
            fresh = self._wire is None
            wire = self._open(known, since)
            line = wire.take(self._uplink.patience if fresh else 0)
            if fresh and line is None:
                raise UplinkError(f"{self._uplink.url}: no answer in time")
            reading = None if line is None else self._reading(wire, known, since, line)
            self.doubt = wire.doubt
            return reading
        except UplinkError as problem:
            self.close()
            raise SourceError(str(problem)) from problem
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
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

    def _open(self, known: Mapping[str, Version], since: int) -> _Wire:
        if self._wire is None:
            asked = {id: version for id, version in known.items() if id not in self._doubted}
            wish: dict[str, object] = {
                "protocol": PROTOCOL, "known": asked, "number": since, "epoch": self._held().latest.history.epoch
            }  # fmt: skip
            connection = self._uplink.connect()
            try:
                self._wire = _Wire(connection, self._uplink.ask(connection, "/edge/feed", wish), self._uplink)
            except BaseException:
                connection.close()
                raise
        return self._wire

    def _reading(self, wire: _Wire, known: Mapping[str, Version], since: int, line: Line) -> Reading | None:
        """A line as a reading; None when it is only a sign of life."""
        found = wire.cut_off and line["current"]
        wire.cut_off = not line["current"]
        if "tokens" in line:
            self._tokens = tuple(
                TokenRow(**{**row, "projects": tuple(row["projects"])}) for row in line["tokens"]
            )  # fmt: skip
        reach = wire.reach if wire.refused else None
        if "versions" not in line:
            # What was told in doubt counts now.
            return Reading(known, {}, self._tokens, (), since, since, reach=reach) if found else None
        contents: dict[str, str] = dict(line["contents"])
        for id, splice in line["splices"].items():
            contents[id] = self._spliced(id, splice)
        self._doubted -= contents.keys()
        return Reading(
            {**known, **line["versions"]},
            contents,
            self._tokens,
            tuple(RevisionRow(*row) for row in line["revisions"]),
            int(line["floor"]),
            int(line["number"]),
            reach=reach,
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


class _Wire:
    """One open feed. `refused` names the tokens that count no more; `reach` is what the others see."""

    def __init__(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, uplink: Uplink
    ) -> None:
        self.cut_off = False
        self.refused = ""
        self.reach: tuple[Reach, ...] = ()
        self._uplink = uplink
        self._socket = connection.sock
        self._answer = answer
        self._lines: queue.Queue[Line | UplinkError] = queue.Queue(WAITING)
        self._next: Line | UplinkError | None = None
        self._closed = threading.Event()
        self._greeted = False
        threading.Thread(target=self._read, name="ensign-delivery-uplink", daemon=True).start()

    @property
    def doubt(self) -> str:
        """Why what comes over it may be old, or is not everything."""
        if self.refused:
            return f"{self._uplink.url}: it refuses {self.refused}, but not the others"
        return f"{self._uplink.url}: it has lost its own source" if self.cut_off else ""

    def ready(self, seconds: float) -> bool:
        """Whether there is a line, or an end, within so long."""
        if self._next is None:
            with suppress(queue.Empty):
                self._next = self._lines.get(timeout=max(0.001, seconds))
        return self._next is not None

    def take(self, seconds: float) -> Line | None:
        """The next line, None when there is none within so long. Raises UplinkError once the feed has ended."""
        deadline = time.monotonic() + seconds
        while self.ready(max(0.0, deadline - time.monotonic())):
            found, self._next = self._next, None
            if isinstance(found, UplinkError):
                raise found
            assert found is not None
            if self._greeted:
                return found
            self._greet(found)
        if not self._greeted:
            raise UplinkError(f"{self._uplink.url}: no answer in time")
        return None

    def close(self) -> None:
        """Hang up, also while a thread reads."""
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._socket.close()

    def _greet(self, hello: Line) -> None:
        if hello["protocol"] != PROTOCOL or len(hello["reach"]) != len(self._uplink.tokens):
            raise UplinkError(f"{self._uplink.url}: it speaks another version of the edge protocol")
        found = [item and Reach(str(item["environment"]), tuple(item["projects"])) for item in hello["reach"]]
        self.reach = tuple(item for item in found if item)
        # What stands before the dot of a token is no secret, and tells people which one it is.
        names = [token.split(".")[0] for token, item in zip(self._uplink.tokens, found, strict=True) if not item]
        self.refused = f"the edge token {', '.join(names)}" if names else ""
        self._greeted = True

    def _read(self) -> None:
        """The thread: bytes to lines. Ends with the connection, and says why."""
        try:
            packed = self._answer.headers.get("Content-Encoding", "") == "gzip"
            unpack = zlib.decompressobj(wbits=31) if packed else None
            parts: list[bytes] = []
            size = 0
            while data := self._answer.read1(256 * 1024):
                if unpack is not None:
                    data = unpack.decompress(data)
                *lines, rest = data.split(b"\n")
                for line in lines:
                    self._put(json.loads(b"".join([*parts, line])))
                    parts, size = [], 0
                parts.append(rest)
                size += len(rest)
                if size > MAX_LINE:
                    raise UplinkError(f"{self._uplink.url}: a line is too long")
            end = UplinkError(f"{self._uplink.url}: it ended the feed")
        except TimeoutError:
            end = UplinkError(f"{self._uplink.url}: nothing was heard of it for {self._uplink.patience:g} s")
        except (OSError, http.client.HTTPException, zlib.error, ValueError, RecursionError) as problem:
            end = UplinkError(f"{self._uplink.url}: the connection broke ({type(problem).__name__})")
        except UplinkError as problem:
            end = problem
        self._put(end)

    def _put(self, item: Line | UplinkError) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._lines.put(item, timeout=1)
                return
