"""What edges counted: `POST /edge/usage` (docs/reference/planes.md). A batch counts once, however often it is sent."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import fields, replace
from typing import Any

from ensign.delivery.auth import Gate
from ensign.delivery.batch_wire import decoded
from ensign.delivery.edge_feed import MAX_TOKENS
from ensign.delivery.http import JSON, Request, Response, bad_data
from ensign.delivery.tokens import Reach
from ensign.delivery.usage import Usage, UsageBatch

MAX_BODY = 4 * 1024 * 1024
REMEMBERED = 100_000
"""Batches that are known again; at one in 10 s of each of 100 edges nearly three hours."""

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
#: A status and words of ours. Anything else could carry what a caller sent.
_REASON = re.compile(r"[1-5]\d\d( [a-z]+){1,10}\Z")


class EdgeUsage:
    """Takes in batches, within the reach of the tokens that came with them."""

    def __init__(self, gate: Gate, usage: Usage) -> None:
        self._gate = gate
        self._usage = usage
        self._known: OrderedDict[str, None] = OrderedDict()

    async def take(self, request: Request) -> Response:
        """`POST /edge/usage`: 202 also for a batch that was counted before."""
        body = await request.json(MAX_BODY)
        texts = body.get("tokens") if isinstance(body, dict) else None
        if not isinstance(texts, list) or len(texts) > MAX_TOKENS or not all(isinstance(text, str) for text in texts):
            raise bad_data(f"`tokens` must be a list of at most {MAX_TOKENS} texts.", path="tokens")
        tokens = self._gate.edges(texts, request.client)
        reach = tuple(Reach(token.environment, token.projects) for token in tokens if token is not None)
        id, node = str(body.get("id")), str(body.get("node"))
        if not _ID.match(id) or not _ID.match(node):
            raise bad_data("`id` and `node` must be 8 to 64 letters, digits, - or _.", path="id")
        try:
            batch = decoded(UsageBatch, body.get("batch"))
        except (ValueError, OverflowError, RecursionError) as problem:
            raise bad_data("The batch cannot be read.", path="batch") from problem
        # Nothing is awaited from here on: a batch is counted and known, or neither.
        if id not in self._known:
            self._usage.absorb(within(batch, reach), source=node)
            self._known[id] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return Response(202, b"{}", (JSON,))


def within(batch: UsageBatch, reach: tuple[Reach, ...]) -> UsageBatch:
    """What of a batch is about places that `reach` sees; refusals belong to none, and hold words of ours alone."""
    kept: dict[str, Any] = {}
    for item in fields(batch):
        rows = getattr(batch, item.name)
        if isinstance(rows, tuple):
            kept[item.name] = tuple(row for row in rows if any(_seen(one, row) for one in reach))
    refusals = {reason: count for reason, count in batch.refusals.items() if _REASON.match(reason)}
    return replace(batch, **kept, refusals=refusals)


def _seen(reach: Reach, row: Any) -> bool:
    """Whether a row, which says its place itself or in its key, is within `reach`."""
    place = getattr(row, "key", row)
    return reach.sees(place.project, place.environment)
