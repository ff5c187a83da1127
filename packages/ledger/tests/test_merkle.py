"""The tree is RFC 6962's: against the recursive definition, the RFC family's vectors, and forgeries."""

import hashlib

import pytest
from ensign_ledger import merkle
from hypothesis import given
from hypothesis import strategies as st

# The eight leaves and roots of the certificate-transparency reference implementation.
CT_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = {  # (index, size): path
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CT_CONSISTENCY = {  # (first, second): proof
    (1, 1): [],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in CT_LEAVES]
HASHES = st.binary(min_size=32, max_size=32)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 section 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2, word for word."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def test_roots_are_those_of_the_published_vectors() -> None:
    for size, expected in enumerate(CT_ROOTS):
        assert merkle.root(LEAVES[:size]).hex() == expected


def test_inclusion_proofs_are_those_of_the_published_vectors() -> None:
    for (index, size), path in CT_INCLUSION.items():
        assert [h.hex() for h in merkle.inclusion_proof(LEAVES, index, size)] == path


def test_consistency_proofs_are_those_of_the_published_vectors() -> None:
    for (first, second), path in CT_CONSISTENCY.items():
        assert [h.hex() for h in merkle.consistency_proof(LEAVES, first, second)] == path


@given(st.lists(HASHES, max_size=40))
def test_the_frontier_root_is_the_recursive_definition_at_every_size(leaves: list[bytes]) -> None:
    frontier = merkle.Frontier()
    assert frontier.root() == merkle.EMPTY_ROOT
    for size, leaf in enumerate(leaves, start=1):
        frontier.append(leaf)
        assert frontier.size == size
        assert frontier.root() == naive_root(leaves[:size])
        assert merkle.Frontier.from_json(frontier.to_json()) == frontier


@given(st.lists(HASHES, min_size=1, max_size=40), st.data())
def test_inclusion_proofs_equal_the_definition_and_verify(leaves: list[bytes], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(leaves)))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(leaves, index, size)
    assert proof == naive_path(index, leaves[:size])
    tree = merkle.root(leaves[:size])
    assert merkle.verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=tree)


@given(st.lists(HASHES, min_size=1, max_size=40), st.data())
def test_consistency_proofs_equal_the_definition_and_verify(leaves: list[bytes], data: st.DataObject) -> None:
    second = data.draw(st.integers(1, len(leaves)))
    first = data.draw(st.integers(1, second))
    proof = merkle.consistency_proof(leaves, first, second)
    assert proof == naive_subproof(first, leaves[:second], True)
    roots = {"first_root": merkle.root(leaves[:first]), "second_root": merkle.root(leaves[:second])}
    assert merkle.verify_consistency(first=first, second=second, proof=proof, **roots)


@given(st.lists(HASHES, min_size=1, max_size=20, unique=True), st.data())
def test_a_changed_proof_leaf_root_or_length_never_verifies(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    tree = merkle.root(leaves)
    proof = merkle.inclusion_proof(leaves, index, size)
    other = data.draw(HASHES.filter(lambda h: h not in (leaves[index], tree, *proof)))
    at = data.draw(st.integers(0, len(proof)))
    forged = [
        (leaves[index], [*proof[:at], other, *proof[at:]], tree),
        (other, proof, tree),
        (leaves[index], proof, other),
    ]
    if proof:
        forged.append((leaves[index], [*proof[:at], *proof[at + 1 :]] if at < len(proof) else proof[1:], tree))
    for leaf, path, top in forged:
        assert not merkle.verify_inclusion(leaf=leaf, index=index, size=size, proof=path, root=top)


@given(st.lists(HASHES, min_size=2, max_size=20, unique=True), st.data())
def test_no_proof_makes_a_rewritten_tree_consistent(leaves: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(leaves)))
    at = data.draw(st.integers(0, first - 1))
    rewritten = [*leaves[:at], merkle.leaf_hash(leaves[at]), *leaves[at + 1 :]]
    for honest in (leaves, rewritten):
        proof = merkle.consistency_proof(honest, first, len(leaves))
        assert not merkle.verify_consistency(
            first=first,
            second=len(leaves),
            first_root=merkle.root(leaves[:first]),
            second_root=merkle.root(rewritten),
            proof=proof,
        )


@given(st.integers(-3, 20), st.integers(-3, 20), st.lists(st.binary(max_size=33), max_size=6), HASHES, HASHES)
def test_verifiers_refuse_garbage_without_raising(a: int, b: int, proof: list[bytes], one: bytes, two: bytes) -> None:
    if not (a == b and a > 0 and one == two and not proof):
        assert not merkle.verify_consistency(first=a, second=b, first_root=one, second_root=two, proof=proof)
    if not (a == 0 and b == 1 and one == two and not proof):
        assert not merkle.verify_inclusion(leaf=one, index=a, size=b, proof=proof, root=two)


def test_size_zero_is_handled_outside_the_consistency_proof() -> None:
    with pytest.raises(merkle.MerkleError):
        merkle.consistency_proof(LEAVES, 0, 3)
    assert not merkle.verify_consistency(
        first=0, second=3, first_root=merkle.EMPTY_ROOT, second_root=merkle.root(LEAVES[:3]), proof=[]
    )


@pytest.mark.parametrize(
    "text",
    [
        b'{"hashes":[],"size":1}',
        b'{"hashes":[],"size":true}',
        b'{"hashes":[],"size":-1}',
        b'{"hashes":[],"size":0} ',
        b'{"size":0,"hashes":[]}',
        b'{"extra":1,"hashes":[],"size":0}',
        b'{"hashes":["' + b"A" * 64 + b'"],"size":1}',
        b'{"hashes":[7],"size":1}',
        b"[]",
        b"",
    ],
)
def test_a_stored_frontier_is_read_strictly(text: bytes) -> None:
    with pytest.raises(merkle.MerkleError):
        merkle.Frontier.from_json(text)


def test_a_copy_does_not_share_state() -> None:
    frontier = merkle.Frontier(1, [LEAVES[0]])
    other = frontier.copy()
    other.append(LEAVES[1])
    assert (frontier.size, other.size) == (1, 2)
    assert frontier.root() == LEAVES[0]


def test_out_of_range_requests_are_refused() -> None:
    with pytest.raises(merkle.MerkleError):
        merkle.inclusion_proof(LEAVES, 8, 8)
    with pytest.raises(merkle.MerkleError):
        merkle.inclusion_proof(LEAVES, 0, 9)
    with pytest.raises(merkle.MerkleError):
        merkle.consistency_proof(LEAVES, 5, 4)
