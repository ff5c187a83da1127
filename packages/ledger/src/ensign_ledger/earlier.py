"""Entries from before a bundle's range that it relies on, each proven to be in the log (ledger-format, section 6.4).

A range that begins today holds approvals signed by keys that were enrolled last year. ``earlier.jsonl`` carries those
enrolments: the entry's exact bytes, its number, and its inclusion proof (RFC 6962 section 2.1.1) to the root of the
start checkpoint. That an entry of the past is *missing* there cannot be seen.
"""

from collections.abc import Sequence
from typing import Any

from ensign_ledger.canonical import MAX_ENTRY, CanonicalError, decode, encode
from ensign_ledger.entry import EntryError, decode_entry
from ensign_ledger.merkle import MerkleError, hashes_from_hex, leaf_hash, verify_inclusion

MAX_LINE = 2 * MAX_ENTRY + 16_384
"""Largest line in bytes: an entry as a JSON text, and at most 64 hashes."""


class EarlierError(ValueError):
    """A line that is malformed, or an entry that is not proven."""


def earlier_line(entry: bytes, *, index: int, proof: Sequence[bytes]) -> bytes:
    """The line of one entry."""
    return encode({"entry": entry.decode(), "index": index, "path": [hash.hex() for hash in proof]})


def parse_earlier(line: bytes, *, log: str, size: int, root: bytes) -> dict[str, Any]:
    """The entry of a line, proven to be in the tree of ``size`` leaves with ``root``; raises EarlierError."""
    try:
        value = decode(line)
        if not isinstance(value, dict) or value.keys() != {"entry", "index", "path"}:
            raise EarlierError("expected exactly the members entry, index and path")
        data = str(value["entry"]).encode()
        entry = decode_entry(data)
        proof = hashes_from_hex(value["path"])
    except (CanonicalError, EntryError, MerkleError) as error:
        raise EarlierError(f"an earlier entry cannot be read: {error}") from None
    index = value["index"]
    if type(index) is not int or not 0 <= index < size or (entry["log"], entry["seq"]) != (log, index):
        raise EarlierError(f"an earlier entry is not of this log, or not before its entry {size}")
    if not verify_inclusion(leaf=leaf_hash(data), index=index, size=size, proof=proof, root=root):
        raise EarlierError(f"entry {index} is not in the tree of the start checkpoint")
    return entry
