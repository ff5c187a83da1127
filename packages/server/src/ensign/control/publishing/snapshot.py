"""A published ruleset as serialised parts, and how changed parts give the next one. Pure.

Only what changed is compiled; the texts of everything else are joined as they are (a ruleset of 1,000 flags is half a
megabyte, and walking it for every change would cost more than the whole budget).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ensign_ledger.ruleset import FEATURE, SEGMENT, digest_of, item_hash

from ensign.control.publishing import wire


@dataclass(frozen=True, slots=True)
class Feature:
    """One flag: its canonical text, the wire ids of the segments that it refers to, and its hash for signatures."""

    text: str
    segments: frozenset[int]
    hash: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made with the text, once: a publication of a thousand flags hashes the few that changed.
        object.__setattr__(self, "hash", item_hash(FEATURE, self.text.encode()))

    @staticmethod
    def of(feature: Mapping[str, Any]) -> Feature:
        """From the wire's form."""
        return Feature(wire.text(feature), segments_of(feature))


def segments_of(feature: Mapping[str, Any]) -> frozenset[int]:
    """The wire ids that its strategies refer to."""
    return frozenset(id for strategy in feature["strategies"] for id in strategy.get("segments", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The parts of a ruleset: features by name, in that order, and the texts of segments by wire id, in that order."""

    features: Mapping[str, Feature] = field(default_factory=dict)
    segments: Mapping[int, str] = field(default_factory=dict)

    @staticmethod
    def parse(content: str) -> Snapshot:
        """The parts of a stored ruleset."""
        body = json.loads(content)
        return Snapshot(
            features={f["name"]: Feature.of(f) for f in body["features"]},
            segments={s["id"]: wire.text(s) for s in body["segments"]},
        )

    def referred(self) -> set[int]:
        """The wire ids of all segments that any flag refers to."""
        return {id for feature in self.features.values() if feature.segments for id in feature.segments}

    def digest(self, *, salt: str) -> str:
        """What is signed of this ruleset: all flags, and the segments that they use."""
        hashes = [feature.hash for feature in self.features.values()]
        used = self.referred()
        hashes += [item_hash(SEGMENT, text.encode()) for id, text in self.segments.items() if id in used]
        return digest_of(hashes, salt=salt)

    def content(
        self, *, project: str, environment: str, epoch: int, number: int, nonce: str, signature: str | None = None
    ) -> str:
        """The canonical JSON that is stored. The members stand in RFC 8785's order."""
        signed = "" if signature is None else f',"signature":{json.dumps(signature, ensure_ascii=False)}'
        return (
            f'{{"environment":{json.dumps(environment, ensure_ascii=False)},"epoch":{epoch},"features":['
            + ",".join([feature.text for feature in self.features.values()])
            + f'],"nonce":"{nonce}","number":{number},"project":{json.dumps(project, ensure_ascii=False)},"segments":['
            + ",".join(self.segments.values())
            + f"]{signed}}}"
        )

    def events_since(self, before: Snapshot, *, project: str) -> Iterator[str]:
        """The texts of the events that take ``before`` to this one, segments before the flags that need them.

        Without ``eventId``: it is the revision's number.
        """
        for id, segment in self.segments.items():
            if before.segments.get(id) != segment:
                yield f'{{"segment":{segment},"type":"segment-updated"}}'
        for name, feature in self.features.items():
            known = before.features.get(name)
            if known is not feature and (known is None or known.text != feature.text):
                yield f'{{"feature":{feature.text},"type":"feature-updated"}}'
        for name in before.features.keys() - self.features.keys():
            yield wire.text({"type": "feature-removed", "featureName": name, "project": project})
        for id in before.segments.keys() - self.segments.keys():
            yield wire.text({"type": "segment-removed", "segmentId": id})


def changed(before: Snapshot, *, features: Mapping[str, Feature | None], segments: Mapping[int, str]) -> Snapshot:
    """The next snapshot: ``features`` replaced (None: removed), ``segments`` replaced, unreferred segments left out.

    :raises KeyError: when a flag refers to a segment that neither ``before`` nor ``segments`` holds.
    """
    merged = {**before.features, **features}
    kept = {name: feature for name, feature in merged.items() if feature is not None}
    if features.keys() - before.features.keys():
        kept = dict(sorted(kept.items()))
    partial = Snapshot(features=kept)
    texts = {**before.segments, **segments}
    return Snapshot(features=kept, segments={id: texts[id] for id in sorted(partial.referred())})
