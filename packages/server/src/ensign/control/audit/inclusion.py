"""Proofs that single entries stand in the log, from its checkpoints and a few leaves: none reads the whole log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ensign_ledger.merkle import Frontier, inclusion_proof_from, root

from ensign.control.audit import checkpoints
from ensign.control.audit.models import Checkpoint, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """An entry's exact text, its path (the hash nearest the leaf first), and the signed checkpoint that it leads to."""

    seq: int
    entry: str
    path: tuple[bytes, ...]
    checkpoint: str


def prove(seq: int) -> Inclusion | None:
    """The proof of entry ``seq`` under the first checkpoint that covers it; None as long as none does.

    Between two checkpoints lie the entries of half a minute: those are read, and what is left of ``seq`` is known from
    the frontier that was stored with the checkpoint before.
    """
    row = Checkpoint.objects.filter(size__gt=seq).order_by("size").values_list("size", "note").first()
    if row is None:
        return None
    size, note = row
    left = _ranges(checkpoints.frontier_at(seq))
    leaves = list(checkpoints.leaf_hashes(seq, size))
    path = inclusion_proof_from(
        lambda low, high: left[low, high] if high <= seq else _root(leaves, low - seq, high - seq),
        index=seq,
        size=size,
    )
    entry = Entry.objects.values_list("body", flat=True).get(pk=seq)
    return Inclusion(seq=seq, entry=entry, path=tuple(path), checkpoint=note)


def _root(leaves: Sequence[bytes], low: int, high: int) -> bytes:
    return root(leaves[low:high])


def _ranges(frontier: Frontier) -> dict[tuple[int, int], bytes]:
    """(first leaf, leaf after the last) -> root of each perfect subtree of a frontier."""
    found, low = {}, 0
    for hash in frontier.hashes:
        width = 1 << (frontier.size - low).bit_length() - 1
        found[low, low + width] = hash
        low += width
    return found
