"""Importing HTTP in the threads that need it, and never while the process forks.

A child that is forked in the middle of an import inherits half a module and, in it, a lock that nobody will release:
its threads would stumble or hang for ever. gunicorn with --preload forks within milliseconds after a client was made.
"""

import threading

importing = threading.RLock()
"""Held while HTTP is imported, and by whoever forks."""


def load_http() -> None:
    """Import the transport, if it was not yet; a fork waits until that is done."""
    with importing:
        import ensign_sdk._internal.transport  # noqa: F401  # deferred: importing the SDK stays quick
