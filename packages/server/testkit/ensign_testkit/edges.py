"""Edges in this process, and a wire between two nodes that can be cut, held up and bent."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ensign.delivery.app import DeliveryApp
from ensign.delivery.sink_upstream import UpstreamSink
from ensign.delivery.source import Reading, Version
from ensign.delivery.source_upstream import UpstreamSource
from ensign.delivery.uplink import Uplink

from ensign_testkit.delivery import MemorySource

EDGE_TOKEN = "shop:production.edge-secret"


def edge(
    url: str, *tokens: str, last_good: Path | None = None, patience: float = 15.0, source: Any = None, **more: Any
) -> DeliveryApp:
    """The application of an edge below `url`, as `ensign edge` makes it."""
    uplink = Uplink(url, tokens or (EDGE_TOKEN,), patience)
    followed = (source or UpstreamSource)(uplink)
    app = DeliveryApp(followed, UpstreamSink(uplink), last_good=last_good, flush_interval=0.05, **more)
    followed.follow(app.feed)
    return app


class Lagging:
    """A source that stays as it was read first while `frozen`, as a node that is behind does."""

    name = "a node that is behind"
    doubt = ""

    def __init__(self, source: MemorySource) -> None:
        self.frozen = False
        self._source = source

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """See `Source`."""
        return None if self.frozen and known else self._source.read(known, since)

    def wait(self, seconds: float) -> None:
        """See `Source`."""
        self._source.wait(seconds)

    def hint(self) -> None:
        """See `Source`."""
        self._source.hint()

    def close(self) -> None:
        """See `Source`."""


class Wire:
    """A TCP proxy to `port`. `hold` stops forwarding and closes nothing; `cut` resets what is open and refuses more."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.taken = 0
        self.down = 0
        """Bytes that went from the upper node to the lower one."""
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._held = threading.Event()
        self._held.set()
        self._cut = False
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """As when a cable is pulled: neither side is told."""
        self._held.clear()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._cut = True
        self.sever()

    def sever(self) -> None:
        """End every connection; new ones are let through."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let new connections through; what was held stays lost."""
        self.sever()
        self._cut = False
        self._held.set()

    def close(self) -> None:
        """Stop."""
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.taken += 1
            self._pairs.append((near, far))
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select(1):
                    held = not self._held.is_set()
                    self._held.wait()
                    try:
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr]  # both are sockets
                        if not data or held:
                            return
                        if key.fileobj is far:
                            self.down += len(data)
                            data = self.spoil(data)
                        key.data.sendall(data)
                    except OSError:
                        return
