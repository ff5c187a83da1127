"""The source of an edge: another node's feed (`edge_feed`), followed over one connection."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import zlib
from collections.abc import Mapping
from contextlib import suppress

from ensign.delivery.edge_feed import PROTOCOL
from ensign.delivery.source import Version
from ensign.delivery.source_lines import Line, LineSource, Wire
from ensign.delivery.tokens import Bounds
from ensign.delivery.uplink import Uplink, UplinkError

MAX_LINE = 512 * 1024 * 1024
"""Bytes of one line: a hundred times a ruleset of 10,000 flags."""


class UpstreamSource(LineSource):
    """Follows the node above. Silence for longer than the uplink's patience counts as a broken connection."""

    def __init__(self, uplink: Uplink) -> None:
        super().__init__(f"the node above at {uplink.url}", uplink.patience)
        self._uplink = uplink

    def connect(self, known: Mapping[str, Version], since: int) -> Wire:
        """See `LineSource`."""
        epoch = self._held().latest.history.epoch
        wish: dict[str, object] = {"protocol": PROTOCOL, "known": dict(known), "number": since, "epoch": epoch}
        connection = self._uplink.connect()
        try:
            return _FeedWire(connection, self._uplink.ask(connection, "/edge/feed", wish), self._uplink)
        except BaseException:
            connection.close()
            raise


class _FeedWire(Wire):
    """One open feed; its first line says which of the tokens count, and what they reach."""

    def __init__(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, uplink: Uplink
    ) -> None:
        super().__init__(uplink.url)
        self._uplink = uplink
        self._socket = connection.sock
        self._answer = answer
        self._greeted = False
        threading.Thread(target=self._read, name="ensign-delivery-uplink", daemon=True).start()

    def close(self) -> None:
        """See `Wire`."""
        super().close()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._socket.close()

    def greeting(self, line: Line) -> bool:
        """See `Wire`."""
        if self._greeted:
            return False
        if line["protocol"] != PROTOCOL or len(line["bounds"]) != len(self._uplink.tokens):
            raise UplinkError(f"{self._uplink.url}: it speaks another version of the edge protocol")
        found = [item and Bounds(str(item["environment"]), tuple(item["projects"])) for item in line["bounds"]]
        self.bounds = tuple(item for item in found if item)
        # What stands before the dot of a token is no secret, and tells people which one it is.
        names = [token.split(".")[0] for token, item in zip(self._uplink.tokens, found, strict=True) if not item]
        self.refused = f"the edge token {', '.join(names)}" if names else ""
        self._greeted = True
        return True

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
                    self.put(json.loads(b"".join([*parts, line])))
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
        self.put(end)
