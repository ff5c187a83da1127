"""Delta documents: everything (hydration), or what is newer than what a client has (wire contracts, 3.2)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ensign.delivery.history import FLAG_REMOVED, FLAG_UPDATED, SEGMENT_UPDATED, Change, History
from ensign.delivery.http import Header, Request
from ensign.delivery.published import Feature, Published, Revision, dumps
from ensign.delivery.query import Query, effective
from ensign.delivery.state import State
from ensign.delivery.tokens import Token
from ensign.delivery.views import signatures, visible

_EVENT_ID = re.compile(r'(?:W/)?"?([0-9]{1,18})"?\Z')

MAX_KEPT = 512
"""Documents kept for one state. Prefixes, tags and ids are the clients' to choose, so that it needs a bound."""


@dataclass(slots=True)
class Delta:
    """A document on one line. `number` is the id of its last event, `revision` what a client has after it."""

    number: int
    revision: Revision
    body: bytes
    packed: bytes | None = None

    def pack(self) -> bytes:
        """The body in gzip."""
        packed = self.packed
        if packed is None:
            packed = self.packed = gzip.compress(self.body, compresslevel=6, mtime=0)
        return packed


@dataclass(frozen=True, slots=True)
class Latest:
    """One state with the history that led to it."""

    state: State = field(default_factory=State)
    history: History = field(default_factory=History)
    _kept: dict[tuple[Query, int | None], Delta | None] = field(default_factory=dict, compare=False, repr=False)

    def revision(self, query: Query) -> Revision:
        """The newest revision among the rulesets that `query` sees; (0, 0) when it sees none."""
        return max((ruleset.revision for ruleset in self._scope(query)), default=(0, 0))

    def hydration(self, query: Query) -> Delta:
        """Everything that `query` sees. Raises Refusal (400) for tags that rulesets do not know."""
        found = self._kept.get((query, None))
        if found is None:
            found = _hydration(self._scope(query), query)
            self._keep((query, None), found)
        return found

    def since(self, query: Query, number: int) -> Delta | None:
        """What is newer than event `number`, or None when nothing is; everything where the ring does not reach.

        A number from the future gets nothing: it comes from a node that is ahead, and nobody is led back.
        """
        key = (query, number)
        if key not in self._kept:
            self._keep(key, self._since(query, number))
        return self._kept[key]

    def _since(self, query: Query, number: int) -> Delta | None:
        rulesets = self._scope(query)
        newer = [ruleset for ruleset in rulesets if ruleset.revision[1] > number]
        if not newer:
            return None
        # Which flags had a tag in the past is not known, so that a filter by tags always gets everything.
        if query.tags or not all(self._told(ruleset, number) for ruleset in newer):
            return self.hydration(query)
        rings = [self.history.ring((ruleset.project, ruleset.environment)) for ruleset in newer]
        changes = [change for ring in rings for change in ring.changes if change.number > number]
        bodies: list[bytes] = []
        last = number
        for change in sorted(changes, key=lambda change: change.number):
            found = list(_filtered(change, rulesets, query))
            bodies += found
            last = change.number if found else last
        if not bodies:
            return None
        document = _document(bodies, rulesets if query.signed else ())
        return Delta(last, (max(ruleset.revision for ruleset in newer)[0], last), document)

    def _told(self, ruleset: Published, number: int) -> bool:
        """Whether the ring tells all that happened to `ruleset` after `number`."""
        history, (epoch, newest) = self.history, ruleset.revision
        ring = history.ring((ruleset.project, ruleset.environment))
        return ring.floor <= number and newest <= history.covered and epoch == history.epoch

    def _scope(self, query: Query) -> tuple[Published, ...]:
        return self.state.scope(query.projects, query.environment)

    def _keep(self, key: tuple[Query, int | None], found: Delta | None) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = found


def _document(bodies: list[bytes], signed: tuple[Published, ...]) -> bytes:
    """The events, and the signatures of what a client has after them."""
    proof = b',"signatures":' + dumps(signatures(signed)) if signed else b""
    return b'{"events":[' + b",".join(bodies) + b"]" + proof + b"}"


def _hydration(rulesets: tuple[Published, ...], query: Query) -> Delta:
    revision = max((ruleset.revision for ruleset in rulesets), default=(0, 0))
    features = visible(rulesets, query)
    segments = b",".join(dumps(segment) for segment in _segments(rulesets, features))
    body = b'{"type":"hydration","eventId":%d,"features":[%b],"segments":[%b]}' % (
        revision[1],
        b",".join([feature.body for feature in features]),
        segments,
    )
    return Delta(revision[1], revision, _document([body], rulesets if query.signed else ()))


def _segments(rulesets: tuple[Published, ...], features: list[Feature]) -> list[Mapping[str, Any]]:
    used: set[int] = set().union(*(feature.segments for feature in features))
    found = [segment for ruleset in rulesets for segment in ruleset.segments if int(segment["id"]) in used]
    return sorted(found, key=lambda segment: (str(segment["name"]), int(segment["id"])))


def _filtered(change: Change, rulesets: tuple[Published, ...], query: Query) -> Iterator[bytes]:
    """The events that a client of `query` needs.

    One that filters by name may not know a segment that a flag uses only now: it comes right before the flag. A
    segment's removal is always told.
    """
    if not query.prefix:
        yield from (event.body for event in change.events)
        return
    used: set[int] = set().union(*(feature.segments for feature in visible(rulesets, query)))
    segments = {int(segment["id"]): segment for ruleset in rulesets for segment in ruleset.segments}
    for event in change.events:
        if event.kind in {FLAG_UPDATED, FLAG_REMOVED}:
            if not event.flag.startswith(query.prefix):
                continue
            for id in sorted(event.uses & segments.keys()):
                yield dumps({"type": SEGMENT_UPDATED, "eventId": change.number, "segment": segments[id]})
        elif event.kind == SEGMENT_UPDATED and event.segment not in used:
            continue
        yield event.body


def scope(token: Token, request: Request) -> Query:
    """What `request` may see and asks for. Deltas always refer to segments: who asks for them knows those."""
    spec, signed = request.header(b"unleash-client-spec"), wants_signatures(request)
    return replace(effective(token, request.query(), spec=spec, signed=signed), inline=False)


def wants_signatures(request: Request) -> bool:
    """Whether the client asks for signatures; answers to others are the same as without any."""
    return request.header(b"ensign-signed") == "1"


def event_id(header: str) -> int | None:
    """The event that a client had last, out of `If-None-Match` or `Last-Event-ID`; None when there is none to read."""
    found = _EVENT_ID.match(header)
    return int(found[1]) if found else None


def headers(query: Query, revision: Revision) -> tuple[Header, ...]:
    """For Ensign's own SDK and edge: what must never go back, and for which scope."""
    epoch, number = revision
    return ((b"ensign-revision", b"%d.%d" % (epoch, number)), (b"ensign-scope", query.hash.encode()))
