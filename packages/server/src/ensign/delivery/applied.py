"""`POST /api/client/applied`: an SDK says which revision it runs, and since when (docs/reference/wire.md)."""

from __future__ import annotations

import re

from ensign.delivery import deltas
from ensign.delivery.auth import Gate
from ensign.delivery.http import Header, Request, Response, bad_data
from ensign.delivery.instances import Who
from ensign.delivery.published import Revision
from ensign.delivery.tokens import BACKEND
from ensign.delivery.tracker import Tracker

MAX_BODY = 16 * 1024
MAX_STEPS = 64
MAX_AGO_MS = 600_000
_REVISION = re.compile(r"([0-9]{1,9})\.([0-9]{1,18})\Z")
_ETAG = re.compile(r'"[0-9a-f]+:([0-9]{1,9})\.([0-9]{1,18})[.:]')
_NODE = re.compile(r"[0-9a-f]{1,32}\Z")


class AppliedApi:
    """What backend tokens' clients confirm."""

    def __init__(self, gate: Gate, tracker: Tracker) -> None:
        self._gate = gate
        self._tracker = tracker

    async def applied(self, request: Request) -> Response:
        """Take it down. 202; raises Refusal (400) for what cannot be understood."""
        token = self._gate.admit(request, BACKEND)
        query = deltas.scope(token, request)
        body = await request.json(MAX_BODY)
        given = body.get("applied") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(given, list) or not 0 < len(given) <= MAX_STEPS:
            raise bad_data(f"`applied` must be a list of 1 to {MAX_STEPS} revisions.", path="applied")
        steps = [_step(one) for one in given]
        node = body.get("node")
        who = Who.of(request)
        if who is not None:
            self._tracker.applied(
                who, token, query, steps,
                before=revision(body.get("before")), node=node if isinstance(node, str) and _NODE.match(node) else "",
            )  # fmt: skip
        return Response(202, b"", headers(self._tracker)[1:])


def headers(tracker: Tracker) -> tuple[Header, ...]:
    """What a client needs to confirm: which node holds its stream, and over how many seconds to spread."""
    return ((b"ensign-node", tracker.node.encode()), (b"ensign-confirm-within", b"%.1f" % tracker.within))


def revision(text: object) -> Revision | None:
    """(epoch, number) of `epoch.number`."""
    found = _REVISION.match(text) if isinstance(text, str) else None
    return None if found is None else (int(found[1]), int(found[2]))


def held(if_none_match: str) -> Revision | None:
    """The revision in the tag of an answer of ours that a client has."""
    found = _ETAG.search(if_none_match)
    return None if found is None else (int(found[1]), int(found[2]))


def _step(given: object) -> tuple[Revision, float]:
    found = revision(given.get("revision")) if isinstance(given, dict) else None
    ago = given.get("agoMs") if isinstance(given, dict) else None
    if found is None or isinstance(ago, bool) or not isinstance(ago, int | float) or not 0 <= ago <= MAX_AGO_MS:
        raise bad_data("Each must have a `revision` like 1.42 and `agoMs`, up to ten minutes.", path="applied")
    return found, ago / 1000
