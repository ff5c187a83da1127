"""Checking signatures of rulesets before they are served (docs/reference/signed-rulesets.md).

For a node that does not take its database's, or its upstream's, word for them. Nothing that such a node sends is
unsigned: the events of deltas, which nobody signs, it derives itself from the rulesets that it has verified.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ensign_ledger.note import NoteError, VerifierKey, parse_vkey
from ensign_ledger.ruleset import (
    FEATURE,
    SEGMENT,
    Untrusted,
    canonical_text,
    digest_of,
    item_hash,
    read_signed,
)

from ensign.delivery.history import FLAG_REMOVED, FLAG_UPDATED, SEGMENT_REMOVED, SEGMENT_UPDATED, Place, RevisionRow
from ensign.delivery.published import Feature, Published
from ensign.delivery.state import State


class Trust:
    """The public keys that may sign, as `name+id+base64` (shown under Settings, and in the log's first entry)."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Raises ValueError for what is no such key, and for none at all."""
        try:
            self._keys: tuple[VerifierKey, ...] = tuple(parse_vkey(key) for key in keys)
        except NoteError as problem:
            raise ValueError(f"a public key cannot be read: {problem}") from None
        if not self._keys:
            raise ValueError("no public key was given")
        self._hashes: dict[Place, dict[str, tuple[Feature, bytes]]] = {}
        self._seen: dict[Place, int] = {}

    def check(self, ruleset: Published) -> None:
        """Raise Untrusted unless `ruleset` is what one of the keys has signed for its place and revision.

        Costs about 1.5 ms, and 10 µs for each flag that is not the same object as last time.
        """
        if ruleset.signature is None:
            raise Untrusted("unsigned", "it is not signed")
        said = read_signed(ruleset.signature, self._keys)
        if (said.project, said.environment) != (ruleset.project, ruleset.environment):
            raise Untrusted("foreign", f"its signature is that of {said.project}/{said.environment}")
        if said.revision != ruleset.revision:
            raise Untrusted("altered", f"its signature is that of revision {said.epoch}.{said.number}")
        if digest_of(self._items(ruleset), salt=said.salt) != said.digest:
            raise Untrusted("altered", "it is not what was signed")

    def retold(
        self, rows: Sequence[RevisionRow], *, since: int, floor: int, before: State, after: State
    ) -> tuple[RevisionRow, ...]:
        """`rows`, all publications above `floor`, with events made from verified rulesets instead of those stored.

        `since` is up to which number the reader had read before. Only a single step from the held ruleset to the next
        can be told. Where there were more, or one was refused or not seen, the row says nothing, and clients get
        everything anew: one that stands in between may have what a joined step does not show.
        """
        steps = Counter((row.project, row.environment) for row in rows)
        complete = since > 0 and floor == since
        told = []
        for row in rows:
            place = (row.project, row.environment)
            old, new = before.rulesets.get(place), after.rulesets.get(place)
            delta = None
            if complete and steps[place] == 1 and old is not None and new is not None:
                held = self._seen.get(place, 0) <= old.revision[1]
                if held and new.revision == (row.epoch, row.number):
                    delta = json.dumps(list(_events(old, new)))
            told.append(replace(row, delta=delta))
        self._seen.update({(row.project, row.environment): row.number for row in rows})
        return tuple(told)

    def _items(self, ruleset: Published) -> Iterator[bytes]:
        place = (ruleset.project, ruleset.environment)
        before = self._hashes.get(place, {})
        known = self._hashes[place] = {}
        for feature in ruleset.features:
            kept = before.get(feature.name)
            if kept is None or kept[0] is not feature:
                kept = (feature, item_hash(FEATURE, canonical_text(feature.raw)))
            known[feature.name] = kept
            yield kept[1]
        used: frozenset[int] = frozenset().union(*(feature.segments for feature in ruleset.features))
        for segment in ruleset.segments:
            if segment["id"] in used:
                yield item_hash(SEGMENT, canonical_text(segment))


def _events(old: Published, new: Published) -> Iterator[dict[str, object]]:
    """What takes `old` to `new`, segments before the flags that need them."""
    segments, flags = {item["id"]: item for item in old.segments}, {item.name: item for item in old.features}
    for segment in new.segments:
        if segments.get(segment["id"]) != segment:
            yield {"type": SEGMENT_UPDATED, "segment": segment}
    for feature in new.features:
        known = flags.get(feature.name)
        if known is not feature and (known is None or known.raw != feature.raw):
            yield {"type": FLAG_UPDATED, "feature": feature.raw}
    for name in flags.keys() - {item.name for item in new.features}:
        yield {"type": FLAG_REMOVED, "featureName": name, "project": new.project}
    for id in segments.keys() - {item["id"] for item in new.segments}:
        yield {"type": SEGMENT_REMOVED, "segmentId": id}
