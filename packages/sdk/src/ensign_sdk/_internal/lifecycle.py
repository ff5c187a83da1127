"""Forks and the end of the process, for all clients of it."""

import atexit
import os
import time
from typing import Protocol
from weakref import WeakSet

from ensign_sdk._internal.deferred import importing

LAST_WORDS = 2.0
"""Seconds that all clients together get at the end of the process to send their last counts."""


class Living(Protocol):
    """What this module asks of a client."""

    def close(self, timeout: float = ...) -> None: ...
    def _before_fork(self) -> None: ...
    def _after_fork_in_parent(self) -> None: ...
    def _after_fork_in_child(self) -> None: ...


_clients: "WeakSet[Living]" = WeakSet()
_forking: list[Living] = []


def register(client: Living) -> None:
    """Look after `client` until it is closed or collected."""
    _clients.add(client)


def forget(client: Living) -> None:
    """Stop looking after it."""
    _clients.discard(client)


def _before() -> None:
    importing.acquire()
    _forking[:] = list(_clients)
    for client in _forking:
        client._before_fork()


def _parent() -> None:
    for client in reversed(_forking):
        client._after_fork_in_parent()
    _forking.clear()
    importing.release()


def _child() -> None:
    importing.release()
    for client in reversed(_forking):
        client._after_fork_in_child()
    _forking.clear()


def _at_exit() -> None:
    deadline = time.monotonic() + LAST_WORDS
    for client in list(_clients):
        client.close(timeout=max(0.1, deadline - time.monotonic()))


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(before=_before, after_in_parent=_parent, after_in_child=_child)
atexit.register(_at_exit)
