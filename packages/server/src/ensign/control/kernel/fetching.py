"""Fetching a small document from a checked address: bounded in size and in time, following nothing.

What answers may be hostile or broken. The whole exchange, the handshake of TLS included, ends after ``seconds``,
however slowly the other side drips; no more than ``limit`` bytes are read; redirects and encodings are not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from dataclasses import dataclass

from ensign.control.kernel.outbound import Target


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


class TooLarge(OSError):
    """The answer is larger than asked for."""


def get(target: Target, *, limit: int, seconds: float) -> Answer:
    """GET a document of at most ``limit`` bytes within ``seconds``.

    :raises OSError: when the connection fails, takes too long, or what answers does not speak HTTP.
    :raises TooLarge: when there is more.
    """
    connected = socket.create_connection((target.address, target.port), timeout=seconds)
    if target.scheme == "https":
        context = ssl.create_default_context()
        connected = context.wrap_socket(connected, server_hostname=target.host, do_handshake_on_connect=False)
    late = threading.Event()
    end = threading.Timer(seconds, _cut, [connected, late])
    end.start()
    try:
        if isinstance(connected, ssl.SSLSocket):
            connected.do_handshake()
        answer = _ask(connected, target, limit=limit)
        if late.is_set():
            raise TimeoutError(f"{target.host} takes too long")
        return answer
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{target.host} does not answer as a web server does: {type(error).__name__}") from error
    finally:
        end.cancel()
        connected.close()


def _ask(connected: socket.socket, target: Target, *, limit: int) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = connected
    default = 443 if target.scheme == "https" else 80
    name = f"[{target.host}]" if ":" in target.host else target.host
    headers = {
        "Host": name if target.port == default else f"{name}:{target.port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "ensign",
    }
    connection.request("GET", target.path, headers=headers)
    response = connection.getresponse()
    body = response.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"{target.host} answers with more than {limit:,} bytes")
    if response.length:
        raise OSError(f"{target.host} hung up in the middle")
    return Answer(response.status, body)


def _cut(connected: socket.socket, late: threading.Event) -> None:
    """Wake whoever reads or writes; the socket itself is closed by the one who opened it."""
    late.set()
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
