"""The sink of an edge: what was counted goes to the node above, each batch once, however often it must be sent."""

from __future__ import annotations

import logging
import secrets
from collections import deque
from typing import Any

from ensign.delivery.batch_wire import parts
from ensign.delivery.uplink import Uplink, UplinkError
from ensign.delivery.usage import UsageBatch

log = logging.getLogger("ensign.delivery")

ROWS = 2_000
"""Rows of one request, about 600 KB: proxies often take no more than 1 MB."""
REJECTED = frozenset({400, 413})
"""Answers that no repetition would change."""


class UpstreamSink:
    """A `Sink`. A batch that was begun is kept here as it is, under its id, until the node above has it.

    While there is such a one, further batches are refused, so that `Usage` goes on adding up within its own bound.
    """

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._node = secrets.token_urlsafe(12)
        self._begun: deque[tuple[str, dict[str, Any]]] = deque()

    def __call__(self, batch: UsageBatch, /) -> None:
        """Send what was begun and then `batch`. Raises UplinkError when the batch was not even begun."""
        self._send()
        self._begun.extend((secrets.token_urlsafe(12), part) for part in parts(batch, ROWS))
        try:
            self._send()
        except UplinkError as problem:
            log.warning("counts wait here until the node above takes them (%s)", problem)

    def _send(self) -> None:
        if not self._begun:
            return
        connection = self._uplink.connect()
        try:
            while self._begun:
                id, part = self._begun[0]
                try:
                    answer = self._uplink.ask(connection, "/edge/usage", {"id": id, "node": self._node, "batch": part})
                    answer.read()
                except OSError as problem:
                    raise UplinkError(f"the answer broke off ({type(problem).__name__})") from problem
                except UplinkError as problem:
                    if problem.status not in REJECTED:
                        raise
                    log.error("a batch of counts is dropped, as it is not understood above: %s", problem)
                self._begun.popleft()
        finally:
            connection.close()
