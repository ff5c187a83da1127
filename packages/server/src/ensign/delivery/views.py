"""The answers to features requests, built once per scope and revision and kept with the state."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ensign.delivery.http import Header, Refusal, bad_data
from ensign.delivery.published import Feature, Published, Revision, dumps
from ensign.delivery.query import Query
from ensign.delivery.state import State

MAX_VIEWS = 256
"""Prefixes and tags are the clients' to choose, so that the memo needs a bound."""

MIN_GZIP = 1_024
NOBODY = {"contextName": "userId", "operator": "IN", "values": [], "inverted": False, "caseInsensitive": False}
"""A constraint that never holds, in place of a segment that is missing (semantics, section 7: the strategy is off)."""


@dataclass(slots=True)
class View:
    """One answer: its tag, its bytes, and its bytes compressed once somebody asked for them."""

    stamp: tuple[tuple[str, Revision], ...]
    etag: bytes
    headers: tuple[Header, ...]
    body: bytes
    packed: bytes | None = None

    @property
    def revision(self) -> Revision:
        """The newest revision among the rulesets that it was made of."""
        return max((revision for _, revision in self.stamp), default=(0, 0))

    def pack(self) -> bytes:
        """The body in gzip. Takes about 20 ms per MB without holding the interpreter's lock."""
        packed = self.packed
        if packed is None:
            packed = self.packed = gzip.compress(self.body, compresslevel=6, mtime=0)
        return packed


def view(state: State, query: Query) -> View:
    """The answer to `query` from `state`."""
    found: View | None = state.memo.get(query)
    if found is None:
        if sum(isinstance(key, Query) for key in list(state.memo)) >= MAX_VIEWS:  # other threads build in it, too
            state.memo.clear()
        found = state.memo[query] = build(state, query)
    return found


def carry_over(old: State, new: State) -> None:
    """Prepare in `new` what was asked of `old`: views whose scope did not change move, the others are built anew."""
    for query, known in list(old.memo.items()):
        if not isinstance(query, Query):
            continue
        if known.stamp == _stamp(new.scope(query.projects, query.environment)):
            new.memo[query] = known
            continue
        try:
            new.memo[query] = fresh = build(new, query)
        except Refusal:  # it will be refused again when it is asked again
            continue
        if known.packed is not None:
            fresh.pack()


def build(state: State, query: Query) -> View:
    """The answer, made anew. Segments that no visible flag refers to are left out; the rest is sorted by name."""
    rulesets = state.scope(query.projects, query.environment)
    features = visible(rulesets, query)
    stamp = _stamp(rulesets)
    # The whole stamp, not only the newest revision: another set of projects at one revision is another answer.
    tag = blake2b(repr(stamp).encode(), digest_size=4).hexdigest()
    epoch, number = max((ruleset.revision for ruleset in rulesets), default=(0, 0))
    etag = f'"{query.hash}:{epoch}.{number}.{tag}:v1"'
    segments = {int(segment["id"]): segment for ruleset in rulesets for segment in ruleset.segments}
    parts = [b'{"version":2,"features":[']
    if query.inline:
        parts.append(b",".join(dumps(_inlined(item, segments)) if item.segments else item.body for item in features))
    else:
        parts.append(b",".join([item.body for item in features]))
    parts += [b'],"query":', dumps(query.to_wire())]
    if not query.inline:
        used = frozenset().union(*(item.segments for item in features)) if features else frozenset()
        ordered = sorted((s for id, s in segments.items() if id in used), key=lambda s: (str(s["name"]), int(s["id"])))
        parts += [b',"segments":', dumps(ordered)]
    meta: dict[str, object] = {"revisionId": number, "epoch": epoch, "etag": etag, "queryHash": query.hash}
    if query.signed:
        meta["signatures"] = signatures(rulesets)
    parts += [b',"meta":', dumps(meta), b"}"]
    headers = (
        (b"etag", etag.encode()),
        # For Ensign's own SDK and edge: what must never go back, and for which scope.
        (b"ensign-revision", f"{epoch}.{number}".encode()),
        (b"ensign-scope", query.hash.encode()),
        (b"vary", b"Accept-Encoding"),
    )
    return View(stamp, etag.encode(), headers, b"".join(parts))


def signatures(rulesets: tuple[Published, ...]) -> list[str]:
    """The signed statements about rulesets; about one from before there were signatures there is none."""
    return [ruleset.signature for ruleset in rulesets if ruleset.signature is not None]


def visible(rulesets: tuple[Published, ...], query: Query) -> list[Feature]:
    """The flags that pass the query's filters, sorted by name."""
    wanted = frozenset(query.tags)
    if wanted and any(feature.tags is None for ruleset in rulesets for feature in ruleset.features):
        # Answering with no flags at all would switch everything off in the client; an error keeps its last rules.
        raise bad_data("These rulesets do not say which tags their flags have.", path="tag")
    found = [
        feature
        for ruleset in rulesets
        for feature in ruleset.features
        if feature.name.startswith(query.prefix) and (not wanted or wanted & (feature.tags or frozenset()))
    ]
    if len(rulesets) > 1:
        found.sort(key=lambda feature: feature.name)
    return found


def _stamp(rulesets: tuple[Published, ...]) -> tuple[tuple[str, Revision], ...]:
    return tuple((ruleset.project, ruleset.revision) for ruleset in rulesets)


def _inlined(feature: Feature, segments: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The flag with its segments' constraints among its strategies' own (wire contracts, 3.1.4)."""
    strategies = []
    for strategy in feature.raw.get("strategies") or ():
        plain = {key: value for key, value in strategy.items() if key != "segments"}
        constraints = list(plain.get("constraints") or ())
        for id in strategy.get("segments") or ():
            segment = segments.get(int(id))
            constraints += [NOBODY] if segment is None else segment["constraints"]
        strategies.append({**plain, "constraints": constraints})
    return {**feature.raw, "strategies": strategies}
