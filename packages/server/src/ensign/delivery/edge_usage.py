"""What edges counted: `POST /edge/usage` (docs/reference/planes.md). A batch counts once, however often it is sent."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

from ensign.delivery.auth import Gate, bounds
from ensign.delivery.batch_wire import decoded
from ensign.delivery.http import JSON, Request, Response, bad_data
from ensign.delivery.tokens import Bounds
from ensign.delivery.usage import Usage, UsageBatch

MAX_BODY = 4 * 1024 * 1024
REMEMBERED = 100_000
"""Batches that are known again; at one in 10 s of each of 100 edges nearly three hours."""

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
#: A status, or who refused, and words of ours. Anything else could carry what a caller sent.
_REASON = re.compile(r"([1-5]\d\d|sdk)( [a-z]+){1,10}\Z")


class EdgeUsage:
    """Takes in batches, within the reach of the tokens that came with them."""

    def __init__(self, gate: Gate, usage: Usage, *, clock: Callable[[], datetime]) -> None:
        self._gate = gate
        self._clock = clock
        self._usage = usage
        self._known: OrderedDict[str, None] = OrderedDict()

    async def take(self, request: Request) -> Response:
        """`POST /edge/usage`: 202 also for a batch that was counted before."""
        tokens = self._gate.edges(request)
        body = await request.json(MAX_BODY)
        if not isinstance(body, dict):
            raise bad_data("The body must be a JSON object.")
        id, node = str(body.get("id")), str(body.get("node"))
        if not _ID.match(id) or not _ID.match(node):
            raise bad_data("`id` and `node` must be 8 to 64 letters, digits, - or _.", path="id")
        try:
            batch = decoded(UsageBatch, body.get("batch"))
        except (ValueError, OverflowError, RecursionError) as problem:
            raise bad_data("The batch cannot be read.", path="batch") from problem
        # Nothing is awaited from here on: a batch is counted and known, or neither.
        if id not in self._known:
            places = bounds(tokens)
            self._usage.absorb(within(batch, places), source=node, at=self._clock())
            self._gate.used_below(places, batch.tokens)
            self._known[id] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return Response(202, b"{}", (JSON,))


def within(batch: UsageBatch, places: tuple[Bounds, ...]) -> UsageBatch:
    """What of a batch is about `places`; refusals belong to none, and hold words of ours alone.

    A row says its place itself or in its key. What says none is left out.
    """
    kept: dict[str, Any] = {
        item.name: tuple(row for row in getattr(batch, item.name) if any(_seen(place, row) for place in places))
        for item in fields(batch)
        if isinstance(getattr(batch, item.name), tuple)
    }
    kept["refusals"] = {reason: count for reason, count in batch.refusals.items() if _REASON.match(reason)}
    return UsageBatch(**kept)


def _seen(place: Bounds, row: Any) -> bool:
    row = getattr(row, "key", row)
    project, environment = getattr(row, "project", None), getattr(row, "environment", None)
    return isinstance(project, str) and isinstance(environment, str) and place.sees(project, environment)
