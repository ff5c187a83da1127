"""The evidence bundle: a range of entries that anybody can verify offline (docs/reference/ledger-format.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ensign_ledger import canonical, merkle
from ensign_ledger.bundle import write_bundle
from ensign_ledger.checkpoint import Checkpoint, parse_checkpoint
from ensign_ledger.entry import commitments

from ensign.control.audit import anchors, checkpoints, earlier, personal
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Document, Entry
from ensign.control.audit.registry import action, governed_models
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid
from ensign.control.kernel.transactions import write_door

EXPORTED = action("ledger.exported", "exported the log")

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the range ``[start, end)``, the end's root in hex and the key to check against."""

    path: Path
    start: int
    end: int
    root: str
    fingerprint: str


def export(*, out: Path, actor: Actor, at: datetime, start: int = 0, end: int | None = None) -> Exported:
    """Write entries ``start`` to ``end`` (exclusive; default: all, this export's own entry included) as a bundle.

    ``out`` must not exist; a name ending in ``.zip`` makes one file, any other a directory.

    :raises Invalid: for an empty or impossible range, or when ``out`` exists or cannot be written.
    :raises Unavailable: when the log's key is not at hand.
    """
    if out.exists():
        raise Invalid(f"{out} exists already.", remedy="Choose another name; evidence is never overwritten.")
    size = checkpoints.head().size
    if not 0 <= start < (size if end is None else end) <= size:
        raise Invalid(
            f"There is no range {start} to {end}: the log has {size} entries.", remedy="Give --from and --to."
        )
    key = checkpoints.signer(checkpoints.head().origin).key
    with write_door():
        recorded = record(
            action=EXPORTED, actor=actor, at=at, detail={"from": start, "to": size + 1 if end is None else end}
        )
    last = recorded.seq + 1 if end is None else end
    final = _signed(last)
    leaves = list(checkpoints.leaf_hashes(0, last))
    checkpoint, _ = parse_checkpoint(final)
    try:
        write_bundle(
            out=out,
            entries=_entries(start, last),
            frontier=checkpoints.frontier_at(start),
            start=_signed(start),
            end=final,
            consistency=merkle.consistency_proof(leaves, start, last) if start else [],
            keys=checkpoints.log_keys(),
            signer=checkpoints.signer(checkpoint.origin),
            documents=_documents(start, last),
            claim="some",
            anchors=_anchors(last),
            earlier=earlier.relied_on(start, last, leaves=leaves),
            export={
                "exported_at": clock.text(at),
                "exported_by": actor.id,
                "entry": recorded.seq,
                "from": start,
                "to": last,
            },
        )
    except OSError as error:
        raise Invalid(f"The bundle cannot be written to {out}: {error}", remedy="Choose a writable place.") from error
    return Exported(out, start, last, checkpoint.root.hex(), key.fingerprint)


def _signed(size: int) -> bytes:
    """A signed checkpoint over the first ``size`` entries."""
    origin = checkpoints.head().origin
    return checkpoints.signer(origin).sign_checkpoint(Checkpoint(origin, size, checkpoints.frontier_at(size).root()))


def _entries(start: int, end: int) -> Iterator[bytes]:
    rows = Entry.objects.filter(seq__gte=start, seq__lt=end).order_by("seq").values_list("body", flat=True)
    return (body.encode() for body in rows.iterator(chunk_size=_CHUNK))


def _documents(start: int, end: int) -> Iterator[bytes]:
    """Every document that an entry of the range commits to, without those that were redacted, those of rulesets, and
    those of people: a bundle is a copy that no erasure reaches, and what it proves needs ids only.
    """
    seen: set[str] = set()
    wanted: list[str] = []
    people = tuple(f"{kind}:" for kind, model in governed_models().items() if personal.sealed(model._meta.db_table))
    for body in _entries(start, end):
        entry = json.loads(body)
        about = any(touch["object"].startswith(people) for touch in entry["touch"])
        for name in commitments(entry):
            if about and name in _of_people(entry, people):
                continue
            if name not in seen:
                seen.add(name)
                wanted.append(name)
        if len(wanted) >= 500:
            yield from _contents(wanted)
            wanted = []
    yield from _contents(wanted)


def _of_people(entry: dict[str, Any], people: tuple[str, ...]) -> set[str]:
    """Digests of people's states in the entry, and of the reason that was given with them."""
    touches = [touch for touch in entry["touch"] if touch["object"].startswith(people)]
    found = {touch[side] for touch in touches for side in ("before", "after")}
    return found | {entry["reason"]["commit"]} if "reason" in entry else found


def _contents(names: list[str]) -> Iterator[bytes]:
    rows = Document.objects.filter(pk__in=names, content__isnull=False).order_by("pk").values_list("content", flat=True)
    return (content.encode() for content in rows if content is not None)


def _anchors(size: int) -> Iterator[bytes]:
    """The receipts of anchors over at most ``size`` entries, as the bundle wants them."""
    rows = Entry.objects.filter(action=anchors.ANCHORED.code).order_by("seq").values_list("body", flat=True)
    for body in rows:
        entry = json.loads(body)
        detail = entry["detail"]
        if detail["size"] <= size:
            line = {"kind": detail["kind"], "size": detail["size"], "root": detail["root"], "at": entry["ts"]}
            yield canonical.encode({**line, "entry": entry["seq"]})
