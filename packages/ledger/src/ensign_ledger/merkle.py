"""The Merkle tree of RFC 6962 section 2.1 (unchanged in RFC 9162 section 2.1), SHA-256.

A leaf is ``SHA-256(0x00 || data)``, a node ``SHA-256(0x01 || left || right)``; the left subtree holds the
largest power of two smaller than the number of leaves, and no node is ever duplicated.

Size zero: RFC 6962 and the C2SP witness protocol treat consistency with the empty tree differently.
Here neither the prover nor the verifier speaks about it: ``consistency_proof`` raises, ``verify_consistency``
refuses, and whoever starts at zero compares the first root with ``EMPTY_ROOT`` instead.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

from ensign_ledger.canonical import MAX_INT, CanonicalError, decode, encode

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 section 2.1: the hash of an empty string)."""


class MerkleError(ValueError):
    """An index, size or stored frontier that does not describe a tree."""


def leaf_hash(data: bytes, /) -> bytes:
    """Return the 32-byte leaf hash of an entry's exact bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes, /) -> bytes:
    """Return the 32-byte hash of an inner node over two 32-byte hashes."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The perfect subtrees that make up a tree of ``size`` leaves, the largest (leftmost) first.

    It is all that is needed to append and to compute the root: at most 53 hashes whatever the size.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = list(hashes)
        if not 0 <= size <= MAX_INT:
            raise MerkleError(f"size {size} is not in 0..2**53-1")
        if len(self._hashes) != size.bit_count() or any(len(h) != 32 for h in self._hashes):
            raise MerkleError(f"a tree of {size} leaves has {size.bit_count()} hashes of 32 bytes")

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees, the largest first; as many as ``size`` has one bits."""
        return tuple(self._hashes)

    def append(self, leaf: bytes, /) -> None:
        """Add one leaf hash (32 bytes, from leaf_hash) at the right."""
        carry = self._size
        hashes = self._hashes
        while carry & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            carry >>= 1
        hashes.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        """Return the 32-byte root, EMPTY_ROOT for no leaves."""
        if not self._hashes:
            return EMPTY_ROOT
        result = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            result = node_hash(left, result)
        return result

    def copy(self) -> "Frontier":
        """Return an independent frontier of the same tree."""
        return Frontier(self._size, self._hashes)

    def to_json(self) -> bytes:
        """Return ``{"hashes":["<hex>",...],"size":n}`` in canonical bytes."""
        return encode({"size": self._size, "hashes": [h.hex() for h in self._hashes]})

    @classmethod
    def from_json(cls, data: bytes, /) -> "Frontier":
        """Read what to_json wrote; raises MerkleError for anything else."""
        try:
            value = decode(data)
        except CanonicalError as error:
            raise MerkleError(f"frontier: {error}") from None
        if not isinstance(value, dict) or value.keys() != {"size", "hashes"}:
            raise MerkleError("frontier: expected exactly the keys size and hashes")
        size = value["size"]
        if type(size) is not int or size < 0:
            raise MerkleError("frontier: size is not a number of leaves")
        return cls(size, hashes_from_hex(value["hashes"]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frontier):
            return NotImplemented
        return self._size == other._size and self._hashes == other._hashes

    def __hash__(self) -> int:
        return hash((self._size, tuple(self._hashes)))

    def __repr__(self) -> str:
        return f"Frontier(size={self._size}, root={self.root().hex()})"


def hashes_from_hex(value: Any, /) -> list[bytes]:
    """Read a JSON list of 64-digit lower-case hex strings; raises MerkleError for anything else."""
    if not isinstance(value, list):
        raise MerkleError("expected a list of hashes")
    for item in value:
        if not isinstance(item, str) or len(item) != 64 or item.strip("0123456789abcdef"):
            raise MerkleError("a hash is 64 lower-case hexadecimal digits")
    return [bytes.fromhex(item) for item in value]


def root(leaf_hashes: Iterable[bytes], /) -> bytes:
    """Return the root over leaf hashes in order."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier.append(leaf)
    return frontier.root()


Subtree = Callable[[int, int], bytes]
"""``subtree(low, high)``: the root over leaves [low, high), ``high - low`` >= 1."""


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[size]) of RFC 6962 section 2.1.1, the sibling nearest the leaf first.

    ``leaf_hashes`` holds at least ``size`` hashes. Raises MerkleError unless 0 <= index < size.
    """
    _require_leaves(leaf_hashes, size)
    return inclusion_proof_from(lambda low, high: root(leaf_hashes[low:high]), index=index, size=size)


def inclusion_proof_from(subtree: Subtree, *, index: int, size: int) -> list[bytes]:
    """Like inclusion_proof, with subtree roots from wherever they are kept (``subtree(low, high)``).

    The ranges asked for are those of RFC 6962; all but the rightmost are perfect and aligned.
    """
    if not 0 <= index < size:
        raise MerkleError(f"no leaf {index} in a tree of {size}")
    low, high = 0, size
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    path.reverse()
    return path


def consistency_proof(leaf_hashes: Sequence[bytes], first: int, second: int) -> list[bytes]:
    """Return PROOF(first, D[second]) of RFC 6962 section 2.1.2; empty if the sizes are equal.

    ``leaf_hashes`` holds at least ``second`` hashes. Raises MerkleError unless 0 < first <= second.
    """
    _require_leaves(leaf_hashes, second)
    return consistency_proof_from(lambda low, high: root(leaf_hashes[low:high]), first=first, second=second)


def consistency_proof_from(subtree: Subtree, *, first: int, second: int) -> list[bytes]:
    """Like consistency_proof, with subtree roots from wherever they are kept (``subtree(low, high)``)."""
    if not 0 < first <= second:
        raise MerkleError(f"no consistency proof from {first} to {second}")
    low, high = 0, second
    path: list[bytes] = []
    while first != high:
        middle = low + _split(high - low)
        if first <= middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    if low != 0:  # SUBPROOF(m, D, true) omits the node that the verifier knows: the first root itself
        path.append(subtree(low, high))
    path.reverse()
    return path


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether ``leaf`` (a leaf hash) stands at ``index`` in the tree (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or any(len(h) != 32 for h in (leaf, root, *proof)):
        return False
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            result = node_hash(result, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and result == root


def verify_consistency(
    *, first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the second tree extends the first (RFC 9162 section 2.1.4.2).

    Refuses ``first == 0``: compare ``first_root`` with EMPTY_ROOT instead (see the module's text).
    """
    if not 0 < first <= second or any(len(h) != 32 for h in (first_root, second_root, *proof)):
        return False
    if first == second:
        return not proof and first_root == second_root
    if not proof:
        return False
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for node in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = node_hash(node, fr)
            sr = node_hash(node, sr)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            sr = node_hash(sr, node)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == first_root and sr == second_root


def _split(count: int) -> int:
    """Return the largest power of two smaller than ``count`` (>= 2)."""
    return 1 << (count - 1).bit_length() - 1


def _require_leaves(leaf_hashes: Sequence[bytes], size: int) -> None:
    if size > len(leaf_hashes):
        raise MerkleError(f"a proof for {size} leaves needs all their hashes, got {len(leaf_hashes)}")
