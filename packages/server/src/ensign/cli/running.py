"""Running an ASGI application until a signal: what `ensign serve` and `ensign edge` share."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

from ensign import collector
from ensign.control.kernel.errors import Unavailable

GRACE = 10
"""Seconds that open requests get to end when the server is told to stop."""


class Server(uvicorn.Server):
    """Uvicorn that says when it is ready, and ends streams before it waits for connections to close."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets=sockets)
        if not self.should_exit:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._stopping()
        await super().shutdown(sockets=sockets)


def run(
    app: Any, listener: socket.socket, *, ready: Callable[[], None], stopping: Callable[[], None], behind_proxy: bool
) -> None:
    """Serve `app` until a signal.

    :raises Unavailable: when it cannot start.
    """
    allow_many_files()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=behind_proxy,
        forwarded_allow_ips=os.environ.get("ENSIGN_TRUSTED_PROXIES", "127.0.0.1,::1"),
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
    )
    server = Server(config, ready=ready, stopping=stopping)
    # Uvicorn hands the signal on once it has ended well; being told to stop is not a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with collector.seldom():
        server.run(sockets=[listener])
    if not server.started:
        raise Unavailable("The server could not start; the lines above say why.", remedy="See the log.")


def address(listener: socket.socket) -> str:
    """The address to show people."""
    host, port = listener.getsockname()[:2]
    shown = "localhost" if host in {"127.0.0.1", "::1"} else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def allow_many_files() -> None:
    """Raise the limit of open files as far as this process may: each stream is one, and 1,024 is a common default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems give a hard limit that they do not grant
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
