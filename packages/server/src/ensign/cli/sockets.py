"""Listening, before anything else is loaded: a port that is taken is told at once."""

from __future__ import annotations

import errno
import socket

from ensign.control.kernel.errors import Unavailable


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port`` (0: any free one).

    :raises Unavailable: when the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {port} on {host} is in use by another program.",
                remedy="Stop it, or choose another port: `ensign serve --port 8001` or `make run PORT=8001`.",
                code="port-in-use",
            ) from error
        raise Unavailable(
            f"Ensign cannot listen on {host}, port {port}: {error}.",
            remedy="Give an address of this machine with --host and a port from 1 to 65535 with --port.",
        ) from error
    return listener
