"""One published ruleset in memory, ready to be joined into answers (wire contracts, 3.1.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Revision = tuple[int, int]
"""(epoch, number): grows with every publication of the installation; a restore from backup starts a new epoch."""


def dumps(value: object) -> bytes:
    """Compact JSON in UTF-8; a lone surrogate stays escaped, so that encoding never fails."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Feature:
    """One flag as the wire shapes it, and the same as bytes; `segments` are the ids that its strategies use.

    `tags` is None when the ruleset does not say.
    """

    name: str
    raw: Mapping[str, Any]
    body: bytes
    segments: frozenset[int]
    tags: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Published:
    """The current ruleset of one project and environment; features sorted by name, segments by name and id.

    `signature` is the signed statement about it, None where there is none.
    """

    project: str
    environment: str
    revision: Revision
    features: tuple[Feature, ...]
    segments: tuple[Mapping[str, Any], ...]
    signature: str | None = None

    @classmethod
    def read(cls, content: str | bytes, *, held: Mapping[tuple[str, str], Published] | None = None) -> Published:
        """From the `content` of a row of `publishing_ruleset` (docs/reference/planes.md).

        `tags`, flag name -> list of `type:value`, may be missing; then nobody can filter by
        tag. Flags that `held` has alike, by (project, environment), are taken from there: a change touches few of
        a thousand. Raises ValueError for anything malformed.
        """
        try:
            data = json.loads(content)
            tags = data.get("tags")
            before = None if held is None else held.get((str(data["project"]), str(data["environment"])))
            known = {} if before is None else {feature.name: feature for feature in before.features}
            features = [
                _feature(raw, None if tags is None else tags.get(raw["name"], ()), known.get(raw["name"]))
                for raw in data["features"]
            ]
            segments = sorted(data["segments"], key=lambda item: (str(item["name"]), int(item["id"])))
            signature = data.get("signature")
            return cls(
                project=str(data["project"]),
                environment=str(data["environment"]),
                revision=(int(data["epoch"]), int(data["number"])),
                features=tuple(sorted(features, key=lambda feature: feature.name)),
                segments=tuple(segments),
                signature=None if signature is None else str(signature),
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as problem:
            raise ValueError(f"a published ruleset is malformed: {problem!r}") from problem


def _feature(raw: Mapping[str, Any], tags: object, known: Feature | None) -> Feature:
    named = frozenset(str(tag) for tag in tags) if isinstance(tags, list | tuple) else None
    if known is not None and known.raw == raw and known.tags == named:
        return known
    used = frozenset(
        int(segment) for strategy in raw.get("strategies") or () for segment in strategy.get("segments") or ()
    )
    return Feature(name=str(raw["name"]), raw=raw, body=dumps(raw), segments=used, tags=named)
