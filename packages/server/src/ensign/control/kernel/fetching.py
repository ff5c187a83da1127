"""An answer from outside, through the guard of :mod:`outbound`, in bounded time and size.

The clock runs over the whole exchange: a server that sends a byte every few seconds is cut off like one that is silent.
Redirects are answers, not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from ensign.control.kernel import outbound
from ensign.control.kernel.errors import Invalid

#: Seconds for a whole exchange, from connecting to the last byte.
TIMEOUT: Final = 5.0
#: Bytes of an answer.
LIMIT: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        :raises ValueError: when it is none.
        """
        return json.loads(self.body)


def allowance() -> list[outbound.Network]:
    """The private networks that who runs the server lets outgoing calls reach (``ENSIGN_OUTBOUND_ALLOW``)."""
    return outbound.networks(os.environ.get("ENSIGN_OUTBOUND_ALLOW", ""))


def guarded(url: str) -> outbound.Target:
    """The checked target of a URL to which secrets are sent: https, but within networks that are allowed by name.

    :raises Invalid: saying what is wrong with the URL.
    """
    target = outbound.check(url, allow=allowance())
    if target.scheme != "https" and not outbound.within(target.address, allowance()):
        raise Invalid(
            f"The address of {target.host} is not https.", remedy="Use https; http is read and altered by others."
        )
    return target


def fetch(
    target: outbound.Target,
    *,
    method: Literal["GET", "POST"] = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    limit: int = LIMIT,
    cut: bool = False,
) -> Answer:
    """Send one request to the checked address and read the whole answer, or with ``cut`` no more than ``limit`` of it.

    :raises OSError: when the connection fails, takes longer than ``timeout`` in all, or answers more than ``limit``.
    """
    default = 443 if target.scheme == "https" else 80
    sent = {
        "Host": target.host if target.port == default else f"{target.host}:{target.port}",
        "Accept": "application/json",
        "User-Agent": "ensign",
        "Connection": "close",
        **(headers or {}),
    }
    connection = http.client.HTTPConnection(target.address, target.port)
    held = [socket.create_connection((target.address, target.port), timeout=timeout)]
    late = threading.Event()
    watchdog = threading.Timer(timeout, _cut, [held, late])
    watchdog.daemon = True
    watchdog.start()
    try:
        if target.scheme == "https":
            wrapped = _tls().wrap_socket(held[0], server_hostname=target.host, do_handshake_on_connect=False)
            held.append(wrapped)
            wrapped.do_handshake()
        connection.sock = held[-1]
        connection.request(method, target.path, body=body, headers=sent)
        response = connection.getresponse()
        content = response.read(limit + 1)
    except OSError as error:  # also what TLS finds wrong, which is a ValueError, too
        if late.is_set():
            raise TimeoutError("the answer took too long") from error
        raise
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"not an answer: {type(error).__name__}") from error
    finally:
        watchdog.cancel()
        connection.close()
        held[-1].close()
    if late.is_set():
        raise TimeoutError("the answer took too long")
    if len(content) > limit and not cut:
        raise OSError("the answer is too long")
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content[:limit])


def _cut(held: list[socket.socket], late: threading.Event) -> None:
    """End the connection under whoever waits for it (TLS, once it is there, owns the descriptor)."""
    late.set()  # first: whoever reads may wake before this thread ends
    with contextlib.suppress(OSError):  # it has ended by itself
        socket.socket.shutdown(held[-1], socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
